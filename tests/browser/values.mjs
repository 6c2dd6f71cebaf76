// What the pages keep beside a value: its reason, its digits, and names that do not overlap.
import { readFileSync } from "node:fs";

// A page's functions are its own, so they are defined a second time, over the same data.
const sources = ["core", "limits", "alpha", "layer", "heat", "table"]
  .map((name) => readFileSync(new URL(`../../src/report/html/page/${name}.js`, import.meta.url), "utf8")).join("\n");
const inside = (page, body) => page.evaluate(`(() => { ${sources}\n${body} })()`);

export async function valuesHold({ open, holds, names }) {
  if (names.includes("scan.html")) await reasons(await open("scan.html"), holds);
  if (!names.includes("fail.html")) return;
  const { page, close } = await open("fail.html");
  const pairs = await inside(page, `
    const pairs = [[0.300001, [0.3]], [0.29999999, [0.3]], [0.3, [0.3]], [-0.300001, [0.3]], [2.00004, [2, 6]], [null, [1]], [0.25, [0.3]]];
    return pairs.map(([value, bounds]) => beside(value, bounds));`);
  holds("a value never looks like a limit that it is not", pairs.join(" ") === "0.300001 0.29999999 0.3000 -0.300001 2.00004 – 0.2500", pairs.join(" "));
  for (const rows of [76, 60]) {
    const { count, over } = await inside(page, `
      const all = Array.from({ length: ${rows} }, (_, at) => at);
      for (const at of all) { layers.name[at] = "made.up." + at + ".weight"; layers.block[at] = at; }
      const cells = all.map((index) => ({ index, rule: "a", found: 1, limit: { rule: "a", metric: "alpha", warn: { max: 2 } }, step: 1 }));
      const place = document.getElementById("heat");
      place.replaceChildren(heatChart(cells, ["a"], all, 1000));
      const boxes = [...place.querySelectorAll("text")].filter((text) => /made|block/.test(text.textContent)).map((text) => text.getBoundingClientRect()).sort((a, b) => a.top - b.top);
      return { count: boxes.length, over: boxes.filter((box, at) => at > 0 && box.top < boxes[at - 1].bottom - 2).length };`);
    holds(`names of ${rows} rows do not overlap`, count > 3 && over === 0, `${over} of ${count}`);
  }
  await close();
}

async function reasons({ page, close }, holds) {
  const { words, told, titles, listed } = await inside(page, `
    const [name, cells] = Object.entries(report.reasons).find(([name]) => name === "metrics.alpha") ?? Object.entries(report.reasons)[0];
    const index = Number(Object.keys(cells)[0]);
    showLayer(index);
    return {
      words: report.texts[cells[index]], told: document.getElementById("layer-table").textContent,
      titles: document.querySelectorAll("#layer td.none[title]").length, listed: document.getElementById("layers-why").textContent,
    };`);
  holds("a missing value says why in the text", words.length > 5 && told.includes(words) && titles === 0, words);
  holds("and below the table of layers", listed.includes(words), listed.slice(0, 80));
  await close();
}
