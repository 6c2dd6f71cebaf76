// Layers by rules: how much of its limit each value uses.
const STEPS = [
  { name: "under 25 %", fill: "var(--heat-0)" },
  { name: "25 to 50 %", fill: "var(--heat-1)" },
  { name: "50 to 75 %", fill: "var(--heat-2)" },
  { name: "75 to 100 %", fill: "var(--heat-3)" },
  { name: "past warn", fill: "var(--heat-warn)", mark: "!" },
  { name: "past fail", fill: "var(--heat-fail)", mark: "✗" },
];

// Pixels of a row below which the names of two rows would overlap.
const LEAST_FOR_NAMES = 14;

function heatSection() {
  const place = document.getElementById("heat");
  if (!place) return;
  const shown = rules.filter((rule) => column(partOf(rule.metric), rule.metric));
  const cells = [];
  const used_layers = new Set();
  for (const rule of shown) {
    for (const index of rule.members) {
      const found = value(partOf(rule.metric), rule.metric, index);
      if (found === null) continue;
      used_layers.add(index);
      cells.push({ index, rule: rule.rule, found, limit: rule, step: stepOf(rule, found) });
    }
  }
  if (!cells.length) {
    empty(place, "No rule of the policy limits a single layer.");
    return;
  }
  const rows = [...used_layers].sort((a, b) => a - b);
  document.getElementById("heat-key").replaceChildren(...STEPS.map((step) => {
    const box = element("span", { class: "box", "aria-hidden": "true" }, step.mark ?? "");
    box.style.background = step.fill;
    if (step.mark) box.classList.add("marked", step.mark === "✗" ? "fail" : "warn");
    return element("span", { class: "key" }, box, step.name);
  }));
  draw(place, (width) => heatChart(cells, shown.map((rule) => rule.rule), rows, width));
}

function stepOf(rule, found) {
  const level = levelOf(rule, found);
  if (level === "fail") return 5;
  if (level === "warn") return 4;
  return Math.min(3, Math.floor(used(rule, found) * 4));
}

function heatChart(cells, columns, rows, width) {
  const names = width >= 620 && rows.length <= 130;
  const height = Math.max(3, Math.min(18, 900 / rows.length));
  const past = cells.filter((cell) => cell.step >= 4);
  const firsts = new Map();
  for (const index of rows) if (layers.block[index] !== null && !firsts.has(layers.block[index])) firsts.set(layers.block[index], index);
  const every = Math.ceil(firsts.size / (rows.length * height / 16));
  const ticks = names && height >= LEAST_FOR_NAMES ? rows : [...firsts].filter(([block]) => block % every === 0).map(([, index]) => index);
  const label = `${cells.length} values of ${rows.length} layers under ${columns.length} rules: ${past.filter((cell) => cell.step === 5).length} past fail, ${past.filter((cell) => cell.step === 4).length} past warn. The table of layers has the values.`;
  const left = names && height >= LEAST_FOR_NAMES ? Math.min(330, width * 0.4) : 56;
  const made = chart(label, {
    width, height: rows.length * height + 92, marginLeft: left, marginTop: 86, marginRight: 52, marginBottom: 6, padding: height < 6 ? 0 : 0.06,
    x: { type: "band", domain: columns, label: null, axis: "top", tickRotate: -38, tickSize: 0, tickFormat: (rule) => short(rule, 22) },
    y: { type: "band", domain: rows, label: null, ticks, tickSize: 0, tickFormat: (index) => names && height >= LEAST_FOR_NAMES ? short(layers.name[index], Math.floor(left / 6.6)) : `block ${layers.block[index]}` },
    marks: [
      Plot.cell(cells, { x: "rule", y: "index", fill: (cell) => STEPS[cell.step].fill }),
      height >= 9 ? Plot.text(past, { x: "rule", y: "index", text: (cell) => STEPS[cell.step].mark, fill: (cell) => cell.step === 5 ? "#fff" : "var(--heat-ink)", fontWeight: "bold" }) : null,
      Plot.tip(cells, Plot.pointer({ x: "rule", y: "index", maxRadius: 60, title: heatTip, fill: "var(--card)" })),
    ],
  });
  made.addEventListener("click", () => made.value && goToLayer(made.value.index));
  return made;
}

const heatTip = (cell) => [
  short(layers.name[cell.index], 44),
  `${cell.limit.metric} ${beside(cell.found, boundsOf([cell.limit]))}: ${STEPS[cell.step].name}${cell.step < 4 ? " of the limit" : ""}`,
  [cell.limit.warn && `warn ${limitText(cell.limit.warn)}`, cell.limit.fail && `fail ${limitText(cell.limit.fail)}`].filter(Boolean).join(", "),
].join("\n");
