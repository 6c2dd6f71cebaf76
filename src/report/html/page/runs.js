// The runs of a history: a chart with limits for each metric, and the table, which is there without scripts.
const runs = report.history;
const SHAPES = {
  pass: { symbol: "circle", r: 3, fill: "var(--pass)" },
  warn: { symbol: "triangle", r: 4, fill: "var(--warn)" },
  inconclusive: { symbol: "diamond", r: 4, fill: "var(--inconclusive)" },
  fail: { symbol: "times", r: 4, stroke: "var(--fail)", strokeWidth: 2.2 },
};
let pickedRun = -1;

function runsSection() {
  const place = document.getElementById("runs-charts");
  if (!place) return;
  const roles = document.getElementById("runs-role");
  const groups = document.getElementById("runs-group");
  for (const name of runs.roles) roles.append(element("option", { value: name }, name || "all matrices"));
  roles.value = runs.role;
  runs.groups.forEach((group, at) => {
    const size = runs.group.filter((of) => of === at).length;
    groups?.append(element("option", { value: at }, `${size} ${size === 1 ? "run" : "runs"}: ${group.name}`));
  });
  const show = () => showRuns(place, roles.value, Number(groups?.value ?? 0));
  roles.addEventListener("change", () => { show(); tellRole(roles.value); });
  groups?.addEventListener("change", show);
  const table = runsTable();
  show();
  fillMedians(roles.value);
  place.addEventListener("run", (event) => table.go(event.detail));
}

function showRuns(place, role, group) {
  const members = [...runs.group.keys()].filter((run) => runs.group[run] === group);
  place.replaceChildren();
  let without = 0;
  for (const metric of runs.metrics) {
    const values = runs.values[metric]?.[role] ?? [];
    const points = members.map((run, at) => ({ run, at, value: values[run] ?? null, verdict: runs.verdict[run], open: runs.open[run] }));
    if (points.every((point) => point.value === null)) {
      without += 1;
      continue;
    }
    const limits = runs.groups[group].limits.find((of) => of.metric === metric && of.role === role);
    const body = element("div", { class: "chart" });
    const set = limits ? `limits ${number(limits.lower)} to ${number(limits.upper)}${limits.judged ? "" : ", not judged"}` : "no limits yet";
    place.append(element("figure", {}, element("figcaption", {}, breakable(metric), role ? ` · ${role} ` : " ", element("small", {}, set)), body));
    draw(body, (width) => nightsChart({ metric, role, points, limits, reference: members.indexOf(runs.groups[group].reference) }, width));
  }
  const notes = [];
  if (!place.childElementCount) notes.push("No run has a number of these.");
  else if (without) notes.push(`${without} of the metrics have no value here.`);
  notes.push(`${runs.groups[group].about}.`);
  const others = runs.group.length - members.length;
  if (others) notes.push(`${others} runs on another base or with other settings are not drawn here.`);
  document.getElementById("runs-note").textContent = notes.join(" ");
}

const outOf = (limits, value) => Boolean(limits) && (value < limits.lower || value > limits.upper);

function nightsText({ metric, role, points, limits }, known) {
  const last = known[known.length - 1];
  const bounds = limits ? [limits.lower, limits.upper] : [];
  const out = known.filter((point) => outOf(limits, point.value)).length;
  const open = points.filter((point) => point.open).length;
  const said = limits ? `limits ${bounds.map(number).join(" and ")}, ${out} of all runs outside` : "no limits";
  return `${metric}${role ? ` of ${role}` : ""} over ${points.length} runs: ${fromTo(known.map((point) => point.value))}, now ${beside(last.value, bounds)}; ${said}; ${open} open. The table of runs has the values.`;
}

// Days at most every 80 pixels.
function dayTicks(points, width) {
  const most = Math.max(2, Math.floor(width / 80));
  const step = Math.max(1, Math.ceil(points.length / most));
  return points.map((point) => point.at).filter((at) => at % step === 0);
}

function nightsChart(series, width) {
  const { points, limits, reference } = series;
  const known = points.filter((point) => point.value !== null);
  const from = Math.max(0, reference);
  const end = Math.max(1, points.length - 1);
  // A line for the accepted nights from each acceptance on: across it the level is meant to change.
  let era = 0;
  const judged = points.flatMap((point) => {
    if (runs.accepted[point.run] !== null) era += 1;
    return point.value === null || point.open ? [] : [{ ...point, era }];
  });
  const flags = points.filter((point) => runs.accepted[point.run] !== null);
  const years = new Set(points.map((point) => runs.recorded[point.run].slice(0, 4)));
  const days = new Set(points.map((point) => runs.recorded[point.run].slice(0, 10)));
  const [cut, until] = days.size === 1 ? [11, 16] : [years.size > 1 ? 0 : 5, 10];
  const day = (at) => runs.recorded[points[at]?.run]?.slice(cut, until) ?? "";
  // Marks of a dense chart are smaller, so that neighbours stay apart.
  const scale = Math.min(1, Math.max(0.6, width / points.length / 7));
  const dots = Object.entries(SHAPES).map(([verdict, look]) =>
    Plot.dot(known.filter((point) => point.verdict === verdict), { x: "at", y: "value", ...look, r: look.r * scale }));
  const made = chart(nightsText(series, known), {
    width, height: 210, marginLeft: 54, marginRight: 14, marginTop: 16, marginBottom: 26,
    x: { label: null, domain: [0, end], inset: 8, ticks: dayTicks(points, width), tickFormat: day, tickSize: 3 },
    y: { label: null, grid: true, nice: true, ticks: 4 },
    marks: [
      limits ? Plot.areaY([from, end], { x: (at) => at, y1: limits.lower, y2: limits.upper, fill: "var(--accent)", fillOpacity: 0.08 }) : null,
      limits ? Plot.line([from, end], { x: (at) => at, y: limits.centre, stroke: "var(--muted)" }) : null,
      ...(limits ? [limits.lower, limits.upper] : []).map((bound) => Plot.line([from, end], { x: (at) => at, y: bound, stroke: "var(--warn)", strokeDasharray: "5 3" })),
      Plot.ruleX(flags, { x: "at", stroke: "var(--accent)", strokeDasharray: "2 3" }),
      Plot.text(flags, { x: "at", text: () => "⚑", frameAnchor: "top", dy: -13, dx: 4, fontSize: 13, fill: "var(--accent)" }),
      Plot.line(judged, { x: "at", y: "value", z: "era", stroke: "var(--base)", strokeOpacity: 0.7, strokeWidth: 1.2 }),
      Plot.dot(known.filter((point) => point.open), { x: "at", y: "value", r: 7 * scale, stroke: "var(--ink)", strokeOpacity: 0.75, strokeWidth: 1.1 }),
      ...dots,
      Plot.tip(known, Plot.pointer({ x: "at", y: "value", maxRadius: 60, title: (point) => nightTip(point, series), fill: "var(--card)" })),
    ],
  });
  made.addEventListener("click", () => made.value && made.dispatchEvent(new CustomEvent("run", { bubbles: true, detail: made.value.run })));
  return made;
}

function nightTip({ run, value, verdict, open }, { metric, limits }) {
  const bounds = limits ? [limits.lower, limits.upper] : [];
  return [
    `${runs.recorded[run]}  ${verdict}${open ? ", open" : ""}`,
    `${metric} ${beside(value, bounds)}${outOf(limits, value) ? ", outside the limits" : ""}`,
    short(runs.reason[run], 60),
    runs.accepted[run] === null ? null : `accepted by ${short(runs.accepted[run], 50)}`,
    runs.commit[run] === null ? null : `commit ${short(runs.commit[run], 16)}`,
  ].filter(Boolean).join("\n");
}

// The rows are in the page; what a column sorts by is in the data.
function runsTable() {
  const table = document.getElementById("runs-table");
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => a.dataset.run - b.dataset.run);
  const value = (metric) => (run) => runs.values[metric][document.getElementById("runs-role").value]?.[run] ?? null;
  const columns = [
    { key: (run) => run, down: true, sorted: "descending" },
    { key: (run) => ["fail", "inconclusive", "warn", "pass"].indexOf(runs.verdict[run]) },
    { key: (run) => rows[run].cells[2].textContent },
    { key: (run) => runs.findings[run], down: true },
    ...runs.metrics.map((metric) => ({ key: value(metric), number: true, down: true })),
    { key: (run) => runs.commit[run] },
    { key: (run) => runs.reason[run] },
  ];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((old, at) => old.replaceWith(headCell({ ...columns[at], title: [...old.childNodes] }, columns, rows, body)));
  runFilters(rows);
  return { go: (run) => goToRun(rows, run) };
}

function goToRun(rows, run) {
  rows[pickedRun]?.classList.remove("picked");
  pickedRun = run;
  rows[run].hidden = false;
  rows[run].classList.add("picked");
  document.getElementById("runs-said").textContent = `Run of ${runs.recorded[run]} picked`;
  rows[run].scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  rows[run].focus({ preventScroll: true });
}

// The medians of the table are those of the role that is drawn.
function tellRole(role) {
  fillMedians(role);
  document.getElementById("runs-of").textContent = role || "all matrices";
  document.getElementById("runs-said").textContent = `Medians over ${role || "all matrices"}`;
}

function fillMedians(role) {
  const first = 4;
  for (const row of document.querySelectorAll("#runs-table tbody tr")) {
    runs.metrics.forEach((metric, at) => {
      row.cells[first + at].textContent = number(runs.values[metric][role]?.[Number(row.dataset.run)]);
    });
  }
}

function runFilters(rows) {
  const [text, verdicts, standings, said] = ["text", "verdict", "standing", "count"].map((name) => document.getElementById(`runs-${name}`));
  for (const [value, title] of [["", "all verdicts"], ["fail", "fail"], ["inconclusive", "inconclusive"], ["warn", "warn"], ["pass", "pass"]]) verdicts.append(element("option", { value }, title));
  for (const [value, title] of [["", "all runs"], ["open", "open"], ["accepted", "accepted"], ["person", "by somebody"]]) standings.append(element("option", { value }, title));
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const stands = { open: (run) => runs.open[run], accepted: (run) => !runs.open[run], person: (run) => runs.accepted[run] !== null };
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    rows.forEach((row, run) => {
      const fits = words.every((word) => texts[run].includes(word))
        && (!verdicts.value || runs.verdict[run] === verdicts.value)
        && (!standings.value || stands[standings.value](run));
      if (row.hidden === fits) row.hidden = !fits;
      visible += fits;
    });
    said.textContent = `${visible} of ${rows.length} runs`;
  };
  for (const input of [text, verdicts, standings]) input.addEventListener("input", apply);
  apply();
}
