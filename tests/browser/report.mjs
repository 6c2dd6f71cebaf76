// Opens pages of the report in a real browser. Usage: node report.mjs BROWSER MODULES FOLDER, where
// FOLDER holds pages that the tests in Rust wrote; prints what does not hold, and ends with 1 then.
import { createRequire } from "node:module";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runsHold } from "./runs.mjs";
import { valuesHold } from "./values.mjs";

const [browserPath, modules, folder] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let failures = 0;
let checks = 0;
function holds(name, condition, found = "") {
  checks += 1;
  if (condition) return;
  failures += 1;
  console.error(`does not hold: ${name} ${found}`);
}

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });

// A page, and everything that it must not do.
async function open(name, options = {}) {
  const { bypassCSP, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP, ...rest });
  const page = await context.newPage();
  const trouble = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("dialog", (dialog) => { trouble.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  const own = pathToFileURL(join(folder, name)).href;
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== own && !request.url().startsWith("data:")) trouble.push(`request ${request.url()}`);
  });
  await page.goto(own);
  if (options.javaScriptEnabled !== false) await page.waitForFunction(() => document.documentElement.classList.contains("scripted"));
  await page.waitForTimeout(150);
  return { page, trouble, close: () => context.close() };
}

async function serious(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 2).map((node) => `${node.html.slice(0, 120)} ${node.failureSummary ?? ""}`).join(" | ")}`);
}

const names = readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
holds("there are pages", names.length > 0);
for (const name of names) {
  for (const colorScheme of ["light", "dark"]) {
    // Only the accessibility check is run with the policy off: it is put into the page from outside.
    const strict = await open(name, { colorScheme });
    holds(`${name} ${colorScheme}: no errors and no requests`, strict.trouble.length === 0, strict.trouble.slice(0, 3).join("; "));
    const background = await strict.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const bright = Number(/\d+/.exec(background)[0]) > 128;
    holds(`${name} follows the ${colorScheme} theme`, bright === (colorScheme === "light"), background);
    await strict.close();
    const loose = await open(name, { colorScheme, bypassCSP: true });
    const found = await serious(loose.page);
    holds(`${name} ${colorScheme}: no serious violation`, found.length === 0, found.join("\n  "));
    await loose.close();
  }
  const phone = await open(name, { viewport: { width: 375, height: 800 } });
  const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
  holds(`${name} fits a phone`, width <= 375, String(width));
  await phone.close();
}

const charts = (page, place) => page.locator(`${place} svg[role=img]`).count();

// Sorting, filtering, and a layer picked by keyboard.
if (names.includes("fail.html")) {
  const { page, trouble, close } = await open("fail.html");
  const first = () => page.locator("#layers-table tbody tr:visible th").first().innerText();
  const cells = (column) => page.locator(`#layers-table tbody tr:visible td:nth-child(${column})`).allInnerTexts();
  const titles = await page.locator("#layers-table thead th").allInnerTexts();
  const column = titles.findIndex((title) => title.startsWith("relative_update")) + 1;
  const header = page.locator(`#layers-table thead th:nth-child(${column})`);
  await header.getByRole("button").focus();
  await page.keyboard.press("Enter");
  holds("the header says how it sorts", (await header.getAttribute("aria-sort")) === "descending");
  const numbers = (await cells(column)).map((text) => Number(text.replace(/[^\d.e-]/g, "")));
  holds("the table sorts by numbers", numbers.length > 2 && numbers.every((value, at) => at === 0 || !(value > numbers[at - 1])), numbers.join(" "));
  await page.keyboard.press("Enter");
  holds("and the other way", (await header.getAttribute("aria-sort")) === "ascending");

  await page.locator("#filter-text").fill("layers.1 DOWN");
  const shown = await page.locator("#layers-table tbody tr:visible th").allInnerTexts();
  holds("the filter takes every word, in any case", shown.length > 0 && shown.every((name) => name.includes("layers.1.") && name.includes("down")), shown.join(" "));
  holds("the filter says how many", (await page.locator("#filter-count").innerText()).startsWith(`${shown.length} of `));
  await page.locator("#filter-text").fill("");
  await page.locator("#filter-level").selectOption("fail");
  holds("the filter of levels", (await cells(2)).every((text) => text.includes("fail")));
  await page.locator("#filter-level").selectOption("");

  await page.locator("#layers-table tbody tr:visible button").nth(3).focus();
  const name = await page.locator("#layers-table tbody tr:visible button").nth(3).innerText();
  await page.keyboard.press("Enter");
  holds("a layer is picked by keyboard", (await page.locator("#layer-name").innerText()) === name, name);
  holds("which is said", (await page.locator("#layer-said").textContent()).includes(name));
  holds("and the focus follows", await page.evaluate(() => document.activeElement.id === "layer-heading"));
  const before = await page.locator("#layer-name").innerText();
  await page.locator("#layer-next").focus();
  await page.keyboard.press("Space");
  holds("the next layer", (await page.locator("#layer-name").innerText()) !== before);
  await page.locator("#layer-select").selectOption({ index: 2 });
  holds("a layer is picked from the list", (await page.locator("#layer-name").innerText()) === (await page.locator("#layer-select option:checked").innerText()));
  await page.locator("#findings button[data-layer]").first().click();
  holds("a finding opens its layer", (await page.locator("#layer-name").innerText()) === (await page.locator("#findings button[data-layer]").first().innerText()));

  for (const place of ["#depth-charts", "#spectrum", "#update", "#heat"]) {
    holds(`${place} has a chart`, (await charts(page, place)) > 0);
    const label = await page.locator(`${place} svg[role=img]`).first().getAttribute("aria-label");
    holds(`${place} is told in words`, (label ?? "").length > 20 && !label.includes("undefined") && !label.includes("NaN"), label);
  }
  await page.locator("#depth-metric").selectOption("stable_rank");
  holds("another metric over depth", (await page.locator("#depth-charts svg[role=img]").first().getAttribute("aria-label")).startsWith("stable_rank"));
  const bad = await page.evaluate(() => [...document.querySelectorAll("svg path, svg rect, svg circle")].filter((mark) => /NaN|Infinity/.test(mark.outerHTML)).length);
  holds("no mark lies at NaN", bad === 0, String(bad));
  await page.emulateMedia({ media: "print" });
  holds("paper needs no buttons", !(await page.locator("#layer-next").isVisible()));
  await page.emulateMedia({ media: "screen" });
  holds("no trouble on the way", trouble.length === 0, trouble.join("; "));
  holds("first row is a layer", (await first()).length > 0);
  await close();
}

if (names.includes("runs.html")) {
  const { page, trouble, close } = await open("runs.html");
  for (const place of ["#history-charts", "#flow-charts"]) holds(`${place} has a chart`, (await charts(page, place)) > 0);
  holds("marks are listed", (await page.locator("#flow li").allInnerTexts()).some((text) => text.includes("alpha falls below 3")));
  const otherMetric = await page.locator("#flow-charts figure").nth(1).locator("svg[role=img]").getAttribute("aria-label");
  holds("a mark stands in its metric's chart alone", !otherMetric.includes("alpha falls below 3"), otherMetric);
  holds("runs and checkpoints: no trouble", trouble.length === 0, trouble.join("; "));
  await close();
}

// Hostile names: as many elements as a page without them has, and the names to be read.
if (names.includes("hostile.html")) {
  const { page, trouble, close } = await open("hostile.html");
  holds("no element comes out of a name", (await page.locator("img, iframe, [onerror], [onclick]").count()) === 0);
  holds("three scripts", (await page.locator("script").count()) === 3);
  const options = await page.locator("#layer-select option").allInnerTexts();
  holds("the name is there to read", options.some((text) => text.includes("<img src=x onerror=alert(1)>")), options.join(" "));
  for (const option of await page.locator("#layer-select option").evaluateAll((all) => all.map((one) => one.value))) await page.locator("#layer-select").selectOption(option);
  holds("nothing acted", trouble.length === 0, trouble.join("; "));
  await close();
}

await runsHold({ open, holds, charts, names });
await valuesHold({ open, holds, names });

// Without scripts the verdict and the findings are there.
if (names.includes("fail.html")) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(pathToFileURL(join(folder, "fail.html")).href);
  holds("the verdict needs no scripts", await page.getByRole("heading", { level: 1 }).isVisible());
  holds("nor do the findings", (await page.locator("#findings article").count()) > 0);
  holds("what needs scripts is away", !(await page.locator("#layers").isVisible()));
  await context.close();
}

// Many layers: not a test, a figure for the docs.
if (names.includes("many.html")) {
  const { page, close } = await open("many.html");
  const times = await page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const time = async (act) => { const from = performance.now(); act(); document.body.offsetHeight; await frame(); return Math.round(performance.now() - from); };
    const buttons = document.querySelectorAll("#layers-table thead button");
    const filter = document.getElementById("filter-text");
    const sort = await time(() => buttons[buttons.length - 1].click());
    const filtered = await time(() => { filter.value = "layers.1"; filter.dispatchEvent(new Event("input", { bubbles: true })); });
    return { rows: document.querySelectorAll("#layers-table tbody tr").length, sort, filter: filtered };
  });
  holds("all layers have a row", times.rows >= 500, JSON.stringify(times));
  console.log(`${times.rows} layers: sorted in ${times.sort} ms, filtered in ${times.filter} ms`);
  await close();
}

await browser.close();
console.log(`${checks - failures} of ${checks} hold`);
process.exit(failures === 0 ? 0 : 1);
