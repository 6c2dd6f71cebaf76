// Data, numbers, and which layer is picked. Names come from files that anyone may have written: they
// reach the page as text nodes only.
const report = JSON.parse(document.getElementById("data").textContent);
const layers = report.layers;
const count = layers ? layers.name.length : 0;
const narrow = () => document.documentElement.clientWidth < 640;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Four significant digits, whole numbers in full: figures of one column line up.
function number(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace("e+", "e");
  return value.toPrecision(4);
}

// As a person would write a limit.
const plain = (value) => String(Number(value.toPrecision(4)));

// With as many digits as it takes to look different from every bound that it differs from.
function beside(value, bounds) {
  if (value === null || value === undefined) return number(value);
  const others = bounds.filter((bound) => bound !== null && bound !== undefined && bound !== value && Math.abs(bound) !== Math.abs(value));
  const looks = (text) => others.some((bound) => Math.abs(Number(text)) === Math.abs(Number(bound.toPrecision(4))) || text === number(bound));
  let text = number(value);
  for (let digits = 5; digits <= 17 && looks(text); digits += 1) text = String(Number(value.toPrecision(digits)));
  return text;
}
const boundsOf = (rules) => rules.flatMap((rule) => [rule.warn, rule.fail].flatMap((limit) => limit ? Object.values(limit) : []));

// May be broken where a name has a joint.
function breakable(text) {
  const made = element("span");
  for (const part of text.split(/(?<=[_./])/)) made.append(part, document.createElement("wbr"));
  return made;
}

const short = (text, length) =>
  text.length <= length ? text : `${text.slice(0, Math.floor(length / 2) - 1)}…${text.slice(text.length - Math.ceil(length / 2))}`;

const column = (part, metric) => report.metrics[part]?.[metric];
const value = (part, metric, index) => column(part, metric)?.[index] ?? null;
const role = (index) => report.roles[layers.role[index]];
// Why a metric has no value; undefined where it was never asked for.
const reason = (part, metric, index) => report.texts[report.reasons[`${part}.${metric}`]?.[index]];

const isScan = report.kind === "scan";
const own = isScan ? "metrics" : "tuned";
const LEVELS = { fail: "✗", warn: "!", note: "i", "": "" };

function badge(level) {
  if (!level) return element("span", { class: "ok" }, "–");
  return element("span", { class: `level ${level}` }, element("span", { "aria-hidden": "true" }, LEVELS[level]), ` ${level}`);
}

let picked = -1;
const listeners = [];
const onPick = (listener) => listeners.push(listener);

// `from` says where the pick came from: only a pick elsewhere moves the page to the figure.
function pick(index, from) {
  if (index < 0 || index >= count) return;
  picked = index;
  for (const listener of listeners) listener(index, from);
}

function goToLayer(index) {
  pick(index, "elsewhere");
  const heading = document.getElementById("layer-heading");
  heading?.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  heading?.focus({ preventScroll: true });
}

// Draws again when the width of its place changes, and not otherwise.
const drawn = new Map();
function draw(place, make) {
  drawn.set(place, { make, width: 0 });
  drawOne(place);
  sizes.observe(place);
}
function drawOne(place) {
  const entry = drawn.get(place);
  const width = Math.floor(place.clientWidth);
  if (!entry || width === 0 || width === entry.width) return;
  entry.width = width;
  place.replaceChildren(entry.make(width));
}
const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) drawOne(entry.target);
});

// A chart with a text in its place for those who do not see it.
function chart(label, options) {
  const made = Plot.plot({ ...options, style: { fontSize: "12px", background: "transparent", overflow: "visible" } });
  const svg = made.tagName === "svg" || made.tagName === "SVG" ? made : made.querySelector("svg");
  // Plot names its groups, which have no role that a name could belong to.
  for (const group of svg.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return made;
}

const range = (values) => {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? [Math.min(...known), Math.max(...known)] : null;
};
const fromTo = (values) => {
  const found = range(values);
  return found ? `${number(found[0])} to ${number(found[1])}` : "no value";
};
