// Every layer, sorted and filtered. Rows are made once; sorting moves them, filtering hides them.
const COLUMNS = isScan
  ? [["metrics", "alpha"], ["metrics", "ks_distance"], ["metrics", "stable_rank"], ["metrics", "effective_rank"], ["metrics", "spectral_norm"], ["metrics", "spike_count"], ["metrics", "rank_loss"]]
  : [["base", "alpha"], ["tuned", "alpha"], ["drift", "alpha_drift"], ["drift", "relative_update"], ["drift", "spectral_norm_ratio"], ["drift", "stable_rank_ratio"], ["drift", "esd_distance"], ["drift", "update_noise_share"], ["drift", "intruder_count"]];
const SEVERITY = { fail: 0, warn: 1, note: 2, "": 3 };

function tableSection() {
  const table = document.getElementById("layers-table");
  if (!table) return;
  const shown = COLUMNS.filter(([part, metric]) => column(part, metric)?.some((value) => value !== null));
  const columns = [
    { title: "layer", key: (index) => index, sorted: "ascending" },
    ...(isScan ? [] : [{ title: "level", key: (index) => SEVERITY[layers.level[index]] }]),
    { title: "role", key: (index) => role(index) },
    { title: "shape", key: (index) => layers.parameters[index], number: true, down: true },
    ...shown.map(([part, metric]) => ({
      title: part === "base" || part === "tuned" ? `${metric} ${part}` : metric, part, metric, number: true, down: true,
      key: (index) => value(part, metric, index),
    })),
  ];
  const rows = Array.from({ length: count }, (_, index) => tableRow(index, columns));
  const body = element("tbody", {}, ...rows);
  table.append(element("thead", {}, element("tr", {}, ...columns.map((column) => headCell(column, columns, rows, body)))), body);
  filters(rows);
  const list = missing(shown);
  if (list) document.getElementById("layers-why").append(list);
  onPick((index) => {
    for (const row of table.querySelectorAll("tr.picked")) row.classList.remove("picked");
    rows[index].classList.add("picked");
  });
}

// What the table has no value for, and why.
function missing(shown) {
  const groups = new Map();
  for (const [part, metric] of shown) {
    const title = part === "base" || part === "tuned" ? `${metric} of the ${part}` : metric;
    for (const [index, text] of Object.entries(report.reasons[`${part}.${metric}`] ?? {})) {
      const line = `${title}: ${report.texts[text]}`;
      groups.set(line, [...(groups.get(line) ?? []), layers.name[index]]);
    }
  }
  if (!groups.size) return null;
  const items = [...groups].map(([line, names]) => {
    const more = names.length > 3 ? `, and ${names.length - 3} more` : "";
    const first = names.slice(0, 3).flatMap((name, at) => [at ? ", " : "", element("span", { class: "code" }, breakable(name))]);
    return element("li", {}, `${line} (`, ...first, `${more})`);
  });
  return element("details", { class: "card" }, element("summary", {}, `Why ${items.length === 1 ? "a value is" : "values are"} missing`), element("ul", { class: "plain" }, ...items));
}

function tableRow(index, columns) {
  return element("tr", {}, ...columns.map((column, at) => {
    if (at === 0) {
      const name = element("button", { type: "button", class: "name", title: layers.name[index] }, layers.name[index]);
      name.addEventListener("click", () => goToLayer(index));
      return element("th", { scope: "row" }, name);
    }
    if (column.title === "level") return element("td", {}, badge(layers.level[index]));
    if (column.title === "role") return element("td", {}, role(index));
    if (column.title === "shape") return element("td", { class: "number" }, layers.shape[index]);
    const found = column.key(index);
    const level = found === null || column.part === "base" ? "" : rulesOf(column.metric, index).map((rule) => levelOf(rule, found)).sort((a, b) => SEVERITY[a] - SEVERITY[b])[0] ?? "";
    const cell = element("td", { class: `number ${found === null ? "none" : level}`, title: found === null ? reason(column.part, column.metric, index) : null });
    if (level) cell.append(element("span", { class: "mark", "aria-hidden": "true" }, LEVELS[level]), element("span", { class: "unseen" }, `past ${level}: `));
    cell.append(level ? beside(found, boundsOf(rulesOf(column.metric, index))) : number(found));
    if (found === null) cell.append(why(reason(column.part, column.metric, index), "unseen"));
    return cell;
  }));
}

function headCell(column, columns, rows, body) {
  const title = typeof column.title === "string" ? [breakable(column.title)] : column.title;
  const button = element("button", { type: "button" }, ...title, element("span", { class: "arrow", "aria-hidden": "true" }));
  const cell = element("th", { scope: "col", class: column.number ? "number" : "", "aria-sort": column.sorted ?? "none" }, button);
  button.addEventListener("click", () => {
    const before = cell.getAttribute("aria-sort");
    const falling = before === "none" ? Boolean(column.down) : before === "ascending";
    for (const other of cell.parentElement.children) other.setAttribute("aria-sort", "none");
    cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const keys = rows.map((_, index) => column.key(index));
    const order = rows.map((_, index) => index).sort((a, b) => compare(keys[a], keys[b], falling) || a - b);
    body.append(...order.map((index) => rows[index]));
  });
  return cell;
}

// What has no value stands last, whichever way.
function compare(a, b, falling) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b) : a - b;
  return falling ? -order : order;
}

function filters(rows) {
  const text = document.getElementById("filter-text");
  const roles = document.getElementById("filter-role");
  const levels = document.getElementById("filter-level");
  const said = document.getElementById("filter-count");
  roles.append(element("option", { value: "" }, "all roles"), element("option", { value: "matrix", selected: layers.vector.includes(false) }, "all matrices"));
  for (const name of report.roles) if (layers.role.some((at) => report.roles[at] === name)) roles.append(element("option", { value: `=${name}` }, name));
  if (levels) {
    for (const [value, title] of [["", "all levels"], ["fail", "fail"], ["warn", "warn"], ["past", "fail or warn"], ["none", "no finding"]]) levels.append(element("option", { value }, title));
  }
  const names = layers.name.map((name) => name.toLowerCase());
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    rows.forEach((row, index) => {
      const level = layers.level[index];
      const fits = words.every((word) => names[index].includes(word))
        && (roles.value === "" || (roles.value === "matrix" ? !layers.vector[index] : roles.value === `=${role(index)}`))
        && (!levels || levels.value === "" || (levels.value === "past" ? level === "fail" || level === "warn" : levels.value === "none" ? level === "" : level === levels.value));
      if (row.hidden === fits) row.hidden = !fits;
      visible += fits;
    });
    said.textContent = `${visible} of ${count} layers`;
  };
  for (const input of [text, roles, levels]) input?.addEventListener("input", apply);
  apply();
}
