// One metric over depth, a small chart for each role, base against tuned.
const OVER_DEPTH = ["alpha", "ks_distance", "stable_rank", "effective_rank", "spectral_norm", "erg_fraction", "mp_softrank", "kurtosis"];

function depthSection() {
  const place = document.getElementById("depth-charts");
  if (!place) return;
  const select = document.getElementById("depth-metric");
  const parts = isScan ? ["metrics"] : ["base", "tuned"];
  for (const metric of OVER_DEPTH.filter((metric) => parts.some((part) => column(part, metric)))) {
    select.append(element("option", { value: metric }, metric));
  }
  const show = () => showDepth(place, select.value, parts);
  select.addEventListener("change", show);
  show();
}

function showDepth(place, metric, parts) {
  const groups = new Map();
  let without = 0;
  let apart = 0;
  for (let index = 0; index < count; index += 1) {
    if (layers.vector[index]) continue;
    const values = parts.map((part) => value(part, metric, index));
    if (values.every((value) => value === null)) without += 1;
    else if (layers.block[index] === null) apart += 1;
    else groups.set(role(index), [...(groups.get(role(index)) ?? []), { index, block: layers.block[index], values }]);
  }
  const all = [...groups.values()].flat();
  const y = range(all.flatMap((row) => row.values));
  const x = range(all.map((row) => row.block));
  place.replaceChildren();
  const names = report.roles.filter((name) => groups.has(name));
  for (const name of names) {
    const figure = element("figure", { class: "small" }, element("figcaption", {}, name));
    const body = element("div", { class: "chart" });
    figure.append(body);
    place.append(figure);
    draw(body, (width) => depthChart(name, metric, groups.get(name), { x, y }, width));
  }
  const notes = [];
  if (without) notes.push(`${without} without ${metric}: the reason is in the numbers of a layer.`);
  if (apart) notes.push(`${apart} outside the blocks: in the table only.`);
  if (!names.length) notes.unshift(`No layer has a ${metric}.`);
  document.getElementById("depth-note").textContent = notes.join(" ");
}

// At most five whole numbers.
function wholes([low, high]) {
  const step = Math.max(1, Math.ceil((high - low) / 4));
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, at) => low + at * step);
}

function depthChart(name, metric, rows, domain, width) {
  const last = rows[0].values.length - 1;
  const lines = rulesOf(metric, rows[0].index).flatMap((rule) => Object.values(rule.warn ?? rule.fail ?? {}));
  const inside = lines.filter((line) => domain.y && line >= domain.y[0] && line <= domain.y[1]);
  const label = `${metric} of ${name} over ${rows.length} layers: ` +
    (last ? `base ${fromTo(rows.map((row) => row.values[0]))}, tuned ` : "") + fromTo(rows.map((row) => row.values[last]));
  const made = chart(label, {
    width, height: 170, marginLeft: 44, marginRight: 8, marginTop: 12, marginBottom: 30,
    x: { label: null, domain: domain.x[0] === domain.x[1] ? [domain.x[0] - 1, domain.x[1] + 1] : domain.x, inset: 6, ticks: wholes(domain.x), tickFormat: "d" },
    y: { label: null, domain: domain.y, grid: true, nice: true, ticks: 4 },
    marks: [
      Plot.ruleY(inside, { stroke: "var(--warn)", strokeDasharray: "4 3" }),
      last ? Plot.link(rows.filter((row) => row.values.every((value) => value !== null)), {
        x1: "block", x2: "block", y1: (row) => row.values[0], y2: (row) => row.values[1], stroke: "var(--faint)",
      }) : null,
      last ? Plot.dot(rows.filter((row) => row.values[0] !== null), { x: "block", y: (row) => row.values[0], r: 3.5, stroke: "var(--base)", fill: "var(--card)" }) : null,
      ...depthDots(rows.filter((row) => row.values[last] !== null), last),
      Plot.tip(rows, Plot.pointer({ x: "block", y: (row) => row.values[last] ?? row.values[0], title: (row) => depthTip(row, metric), fill: "var(--card)" })),
    ],
  });
  made.addEventListener("click", () => made.value && goToLayer(made.value.index));
  return made;
}

// Level by shape as well as by colour.
function depthDots(rows, side) {
  const place = { x: "block", y: (row) => row.values[side] };
  const at = (level) => rows.filter((row) => (layers.level[row.index] === "note" ? "" : layers.level[row.index]) === level);
  return [
    Plot.dot(at(""), { ...place, r: 3.5, fill: "var(--accent)" }),
    Plot.dot(at("warn"), { ...place, r: 4.5, symbol: "triangle", fill: "var(--warn)" }),
    Plot.dot(at("fail"), { ...place, r: 4, symbol: "times", stroke: "var(--fail)", strokeWidth: 2.2 }),
  ];
}

function depthTip(row, metric) {
  const sides = row.values.length === 2 ? ["base ", "tuned "] : [""];
  return [short(layers.name[row.index], 44), ...row.values.map((value, side) => `${sides[side]}${metric} ${number(value)}`)].join("\n");
}
