// One layer: its spectrum with the fit, the spectrum of its update, its numbers.
function layerSection() {
  const select = document.getElementById("layer-select");
  if (!select) return;
  const groups = [["fail", "Failing"], ["warn", "Warned"], ["", "Others"]];
  for (const [level, title] of groups) {
    const group = element("optgroup", { label: title });
    for (let index = 0; index < count; index += 1) {
      const own = layers.level[index] === "note" ? "" : layers.level[index];
      if (own === level && !layers.vector[index]) group.append(element("option", { value: index }, layers.name[index]));
    }
    if (group.childElementCount) select.append(group);
  }
  const options = [...select.options].map((option) => Number(option.value));
  if (!options.length) return;
  select.addEventListener("change", () => pick(Number(select.value), "select"));
  const step = (by) => () => pick(options[(options.indexOf(picked) + by + options.length) % options.length], "step");
  document.getElementById("layer-previous").addEventListener("click", step(-1));
  document.getElementById("layer-next").addEventListener("click", step(1));
  onPick((index) => {
    if (!options.includes(index)) select.selectedIndex = -1;
    else select.value = String(index);
    showLayer(index);
  });
  const worst = Number(document.querySelector("#findings button[data-layer]")?.dataset.layer ?? options[0]);
  pick(options.includes(worst) ? worst : options[0], "start");
}

function showLayer(index) {
  document.getElementById("layer-name").replaceChildren(breakable(layers.name[index]));
  document.getElementById("layer-facts").replaceChildren(...(layers.level[index] ? [badge(layers.level[index]), " · "] : []),
    `${role(index)} · ${layers.shape[index]} · ${layers.dtype[index]}` + (layers.phase?.[index] ? ` · ${layers.phase[index]}` : ""));
  document.getElementById("layer-said").textContent = `Layer ${layers.name[index]} picked`;
  const spectrum = document.getElementById("spectrum");
  const update = document.getElementById("update");
  const found = layers.spectrum[index];
  if (found) draw(spectrum, (width) => spectrumChart(index, found, width));
  else empty(spectrum, layers.vector[index] ? "A vector has no spectrum." : layers.identical?.[index] ? "The bytes are the base's: the tensor was not decomposed." : "There is no spectrum of this layer.");
  document.getElementById("spectrum-note").textContent = found ? spectrumNote(index, found) : "";
  if (update) {
    const change = layers.update?.[index];
    update.closest("figure").hidden = !change;
    if (change) draw(update, (width) => updateChart(index, change, width));
  }
  document.getElementById("layer-table").replaceChildren(layerTable(index));
}

function empty(place, text) {
  drawn.delete(place);
  place.replaceChildren(element("p", { class: "empty" }, text));
}

// Steps of a histogram: share of all eigenvalues by decade of lambda.
function steps(histogram, counts, side) {
  const { low, width, count } = histogram;
  const floor = 0.5 / (count * width);
  return counts.flatMap((amount, bin) => {
    const density = amount > 0 ? amount / (count * width) : null;
    const [left, right] = [low + bin * width, low + (bin + 1) * width];
    return [left, right].map((at) => ({ side, x: 10 ** at, y: density === null || density < floor ? floor : density, floor }));
  });
}

// n/N of the eigenvalues lie beyond xmin and fall off as lambda^-(alpha - 1) by decade.
function fitLine(part, index, count) {
  const [alpha, xmin, tail, xmax] = ["alpha", "xmin", "tail_count", "xmax"].map((metric) => value(`${part}.fit`, metric, index));
  if ([alpha, xmin, tail, xmax].includes(null)) return null;
  const at = (x) => ({ x, y: (tail / count) * (alpha - 1) * Math.LN10 * (x / xmin) ** (1 - alpha) });
  return { alpha, xmin, tail, points: [at(xmin), at(xmax)], held: value(part, "alpha", index) !== null };
}

function spectrumChart(index, found, width) {
  const sides = isScan ? ["metrics"] : ["base", "tuned"];
  const data = Object.fromEntries(sides.map((side) => [side, steps(found, found[side], side)]));
  const top = sides[sides.length - 1];
  const fit = fitLine(top, index, found.count);
  const edge = value(top, "mp_edge", index);
  const floor = data[top][0].floor;
  const right = 10 ** (found.low + found.width * found[top].length);
  const spikes = (found.largest[top] ?? []).map((logarithm) => 10 ** logarithm).filter((lambda) => edge !== null && lambda > edge);
  const peak = Math.max(...sides.flatMap((side) => data[side].map((point) => point.y)), fit ? fit.points[0].y : 0);
  const marks = [];
  const compact = width < 460;
  const label = (x, text, dy) => Plot.text([{ x }], { x: "x", text: () => text, frameAnchor: "top", dy, dx: -4, textAnchor: "end", fill: "var(--muted)" });
  if (edge !== null && edge < right && edge > 10 ** found.low) marks.push(Plot.ruleX([edge], { stroke: "var(--muted)", strokeDasharray: "2 3" }), label(edge, "noise edge", 4));
  if (fit) marks.push(Plot.ruleX([fit.xmin], { stroke: "var(--fit)", strokeDasharray: "6 3" }), label(fit.xmin, "xmin", 18));
  if (!isScan) marks.push(Plot.areaY(data.base, { x: "x", y: "y", y1: floor, fill: "var(--base)", fillOpacity: 0.22, clip: true }), Plot.line(data.base, { x: "x", y: "y", stroke: "var(--base)", strokeWidth: 1, clip: true }));
  marks.push(Plot.line(data[top], { x: "x", y: "y", stroke: "var(--accent)", strokeWidth: 1.75, clip: true }));
  if (fit) marks.push(Plot.line(fit.points, { x: "x", y: "y", stroke: "var(--fit)", strokeWidth: 2, strokeDasharray: fit.held ? null : "4 3", clip: true }));
  if (spikes.length) marks.push(Plot.dot(spikes, { x: (lambda) => lambda, y: floor, symbol: "triangle", r: 3, dy: -5, fill: "var(--accent)" }));
  return chart(spectrumText(index, found, fit, edge), {
    width, height: Math.min(360, Math.max(240, width * 0.55)), marginLeft: 54, marginRight: 12, marginBottom: 40,
    x: { type: "log", label: "eigenvalue λ", labelAnchor: "center", domain: [10 ** found.low, right * 1.12], ticks: compact ? 3 : 6, tickFormat: decade },
    y: { type: "log", label: "share of eigenvalues per decade", domain: [floor, peak * 1.6], grid: true, ticks: 4, tickFormat: decade },
    marks,
  });
}

function decade(tick) {
  const exponent = Math.log10(tick);
  if (Math.abs(exponent - Math.round(exponent)) > 1e-9) return "";
  const power = Math.round(exponent);
  if (power >= -2 && power <= 3) return String(Number(tick.toPrecision(3)));
  return `10${[...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("")}`;
}

function spectrumText(index, found, fit, edge) {
  const parts = [`Spectrum of ${layers.name[index]}: ${found.count} eigenvalues`];
  if (fit) parts.push(`power law with alpha ${number(fit.alpha)} from xmin ${number(fit.xmin)} over ${fit.tail} eigenvalues`);
  if (edge !== null) parts.push(`edge of the noise at ${number(edge)}, ${number(value(own, "spike_count", index))} beyond it`);
  return `${parts.join("; ")}.`;
}

function spectrumNote(index, found) {
  const fit = fitLine(own, index, found.count);
  const edge = value(own, "mp_edge", index);
  const parts = [];
  if (fit) parts.push(fit.held ? `Fit: alpha ${number(fit.alpha)} over the ${fit.tail} largest.` : `The fit (dashed) does not hold, alpha is withheld: ${reason(own, "alpha", index) ?? ""}.`);
  else if (reason(own, "alpha", index)) parts.push(`No fit: ${reason(own, "alpha", index)}.`);
  if (edge !== null) parts.push(`▲ eigenvalues beyond the noise edge (${number(value(own, "spike_count", index))}; the largest ${found.largest[own].length} are drawn).`);
  parts.push("The smallest 1 % are left out.");
  return parts.join(" ");
}

function updateChart(index, found, width) {
  const data = steps(found, found.counts, "update");
  const text = `Spectrum of the update of ${layers.name[index]}: ${found.count} eigenvalues, stable rank ${number(value("drift", "update_stable_rank", index))}.`;
  return chart(text, {
    width, height: 200, marginLeft: 54, marginRight: 12, marginBottom: 40,
    x: { type: "log", label: "eigenvalue λ of W − W₀", labelAnchor: "center", ticks: width < 460 ? 3 : 6, tickFormat: decade },
    y: { type: "log", label: "share per decade", grid: true, ticks: 3, tickFormat: decade },
    marks: [
      Plot.areaY(data, { x: "x", y: "y", y1: data[0].floor, fill: "var(--accent)", fillOpacity: 0.18 }),
      Plot.line(data, { x: "x", y: "y", stroke: "var(--accent)", strokeWidth: 1.5 }),
    ],
  });
}

// Every number of the layer; what has none says why.
function layerTable(index) {
  const cell = (part, metric) => {
    const found = value(part, metric, index);
    if (found !== null) return element("td", { class: "number" }, part === own || part === "drift" ? beside(found, boundsOf(rulesOf(metric, index))) : number(found));
    // Beside the numbers of a pair the reason stands in the column of the limits.
    return element("td", { class: "number none" }, "–", part === "drift" ? "" : why(reason(part, metric, index), "why"));
  };
  const table = element("table", { class: "plain" });
  if (isScan) {
    const all = Object.keys(report.metrics.metrics).filter((metric) => has("metrics", metric, index));
    const part = (metrics) => element("table", { class: "plain" }, head(["metric", "value"]), element("tbody", {}, ...metrics.map((metric) =>
      element("tr", {}, element("th", { scope: "row" }, metric), cell("metrics", metric)))));
    const first = all.filter((metric) => FIRST.includes(metric));
    const others = all.filter((metric) => !FIRST.includes(metric));
    return element("div", {}, part(first), others.length ? element("details", {}, element("summary", {}, `${others.length} more numbers`), part(others)) : null);
  }
  table.append(head(["of the pair", "value", "limit"]));
  const pair = Object.keys(report.metrics.drift).filter((metric) => has("drift", metric, index));
  table.append(element("tbody", {}, ...pair.map((metric) => {
    const found = value("drift", metric, index);
    const judged = rulesOf(metric, index);
    const level = found === null ? "" : judged.map((rule) => levelOf(rule, found)).sort((a, b) => "fail warn".indexOf(a || "z") - "fail warn".indexOf(b || "z")).find(Boolean) ?? "";
    const limits = judged.map((rule) => [rule.warn && `warn ${limitText(rule.warn)}`, rule.fail && `fail ${limitText(rule.fail)}`].filter(Boolean).join(", ")).join("; ");
    const shown = cell("drift", metric);
    if (level) shown.prepend(badge(level), " ");
    return element("tr", {}, element("th", { scope: "row" }, metric), shown, element("td", {}, found === null ? reason("drift", metric, index) ?? "" : limits));
  })));
  const each = Object.keys(report.metrics.tuned).filter((metric) => has("tuned", metric, index) || has("base", metric, index));
  const sides = (metrics) => element("table", { class: "plain" }, head(["of each side", "base", "tuned"]), element("tbody", {},
    ...metrics.map((metric) => element("tr", {}, element("th", { scope: "row" }, metric), cell("base", metric), cell("tuned", metric)))));
  const first = each.filter((metric) => FIRST.includes(metric));
  const others = each.filter((metric) => !FIRST.includes(metric));
  return element("div", { class: "two" }, scrolled(table, "Numbers of the pair"), element("div", {}, scrolled(sides(first), "Numbers of each side"),
    others.length ? element("details", {}, element("summary", {}, `${others.length} more numbers of each side`), scrolled(sides(others), "More numbers of each side")) : null));
}

// Why there is no value, for everybody: a title is neither reached by keyboard nor printed.
const why = (text, how) => text === undefined ? "" : element("span", { class: how }, ` ${text}`);

const FIRST = ["frobenius_norm", "spectral_norm", "stable_rank", "effective_rank", "alpha", "alpha_stderr", "ks_distance", "xmin", "tail_count",
  "alpha_hill", "alpha_noise", "mp_edge", "spike_count", "trap_count", "rank_loss", "kurtosis", "mean", "std", "zero_fraction", "nonfinite_count"];

const has = (part, metric, index) => value(part, metric, index) !== null || reason(part, metric, index) !== undefined;
const head = (titles) => element("thead", {}, element("tr", {}, ...titles.map((title, at) => element("th", { scope: "col", class: at && title !== "limit" ? "number" : "" }, title))));
const scrolled = (table, label) => element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
