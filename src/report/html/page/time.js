// Numbers over runs and over the checkpoints of one run.
function historySection() {
  const place = document.getElementById("history-charts");
  if (!place || !report.trend) return;
  for (const series of report.trend.series) {
    const title = series.role ? `${series.metric} · ${series.role}` : series.metric;
    const body = element("div", { class: "chart" });
    place.append(element("figure", { class: "small" }, element("figcaption", {}, title), body, valuesOf(["run", "recorded", "value"], series.points.map((point) => [point.run, point.recorded, number(point.value)]))));
    draw(body, (width) => historyChart(title, series, width));
  }
}

function historyChart(title, series, width) {
  const points = series.points.map((point, at) => ({ ...point, at: at + 1 }));
  const last = points[points.length - 1];
  const out = (point) => (series.lower !== null && point.value < series.lower) || (series.upper !== null && point.value > series.upper);
  const limits = [series.lower, series.upper].filter((limit) => limit !== null);
  const said = limits.length ? `limits ${limits.map(number).join(" and ")}` : "no limits";
  return chart(`${title} over ${points.length} runs, now ${number(last?.value)}, ${said}.`, {
    width, height: 190, marginLeft: 50, marginRight: 14, marginBottom: 34,
    x: { label: "run", labelAnchor: "center", ticks: Math.min(points.length, 6), tickFormat: "d", inset: 8 },
    y: { label: null, grid: true, nice: true, ticks: 4 },
    marks: [
      series.centre === null ? null : Plot.ruleY([series.centre], { stroke: "var(--muted)" }),
      Plot.ruleY(limits, { stroke: "var(--warn)", strokeDasharray: "5 3" }),
      series.since === null ? null : Plot.ruleX([series.since + 1], { stroke: "var(--fail)", strokeDasharray: "2 3" }),
      Plot.line(points, { x: "at", y: "value", stroke: "var(--base)" }),
      Plot.line(points.filter((point) => point.smoothed !== null), { x: "at", y: "smoothed", stroke: "var(--fit)", strokeDasharray: "4 2" }),
      Plot.dot(points, { x: "at", y: "value", r: 3, fill: (point) => out(point) ? "var(--fail)" : "var(--accent)", symbol: (point) => out(point) ? "times" : "circle" }),
      last ? Plot.dot([last], { x: "at", y: "value", r: 6, stroke: "var(--accent)" }) : null,
      Plot.tip(points, Plot.pointer({ x: "at", y: "value", title: (point) => `${short(point.run, 40)}\n${point.recorded}\n${number(point.value)}`, fill: "var(--card)" })),
    ],
    symbol: { domain: ["circle", "times"], range: ["circle", "times"] },
  });
}

function flowSection() {
  const place = document.getElementById("flow-charts");
  if (!place || !report.flow) return;
  const metrics = [...new Set(report.flow.series.map((series) => series.metric))];
  for (const metric of metrics) {
    const rows = report.flow.series.filter((series) => series.metric === metric);
    const body = element("div", { class: "chart" });
    place.append(element("figure", {}, element("figcaption", {}, metric), body,
      valuesOf(["series", ...report.flow.steps], rows.map((series) => [series.name, ...series.values.map(number)]))));
    draw(body, (width) => flowChart(metric, rows, width));
  }
}

function flowChart(metric, rows, width) {
  const { steps } = report.flow;
  const marks = report.flow.marks.filter((mark) => mark.metric === metric);
  // One label a step: the texts are listed below.
  const marked = [...new Set(marks.map((mark) => mark.step))].map((step) => {
    const here = marks.filter((mark) => mark.step === step);
    return { step, level: here[0].level, text: here.length > 1 ? `${here.length} marks` : short(steps[step] ?? "", 12) };
  });
  const points = rows.flatMap((series, line) => series.values.map((value, at) => ({ line, name: series.name, role: series.role ?? "", at, value })));
  const known = points.filter((point) => point.value !== null);
  const few = rows.length <= 6 && width >= 500;
  // Of many lines, that of the whole model stands out.
  const whole = rows.findIndex((series) => series.role === null);
  const shown = (line) => few || line === whole;
  const named = width >= 500;
  const ends = named ? rows.map((series, line) => known.filter((point) => point.line === line && shown(line)).pop()).filter(Boolean) : [];
  const colour = (point) => shown(point.line) ? "var(--accent)" : "var(--base)";
  return chart(`${metric} of ${rows.length} series over ${steps.length} steps: ${fromTo(known.map((point) => point.value))}. ${marks.map((mark) => `${steps[mark.step]}: ${mark.text}`).join("; ")}`, {
    width, height: 260, marginLeft: 50, marginRight: ends.length ? 130 : 14, marginBottom: 40, marginTop: marks.length ? 30 : 14,
    x: { label: null, domain: [0, Math.max(1, steps.length - 1)], ticks: [...steps.keys()].filter((at) => at % Math.ceil(steps.length / (width < 460 ? 4 : 9)) === 0), tickFormat: (at) => short(steps[at] ?? "", 12) },
    y: { label: null, grid: true, nice: true, ticks: 5 },
    marks: [
      Plot.ruleX(marked, { x: "step", stroke: (mark) => `var(--${mark.level === "note" ? "muted" : mark.level})`, strokeDasharray: "4 3" }),
      Plot.text(marked, { x: "step", text: (mark) => `${LEVELS[mark.level]} ${mark.text}`, frameAnchor: "top", dy: -14, fill: "var(--ink)" }),
      Plot.line(points, { x: "at", y: "value", z: "line", stroke: colour, strokeOpacity: few ? 1 : 0.75, strokeWidth: 1.4, sort: (point) => shown(point.line) ? 1 : 0 }),
      Plot.dot(known, { x: "at", y: "value", r: (point) => shown(point.line) ? 2.5 : 1.5, fill: colour }),
      Plot.text(ends, { x: "at", y: "value", text: (point) => short(point.name, 20), dx: 8, textAnchor: "start", fill: "var(--ink)" }),
      Plot.tip(known, Plot.pointer({ x: "at", y: "value", title: (point) => `${short(point.name, 44)}\n${steps[point.at]}: ${number(point.value)}`, fill: "var(--card)" })),
    ],
  });
}

function valuesOf(titles, rows) {
  const table = element("table", { class: "plain" }, head(titles), element("tbody", {}, ...rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", { class: "number" }, text))))));
  return element("details", {}, element("summary", {}, "Values"), scrolled(table, "Values of the chart"));
}
