// What holds on the pages of a history.
export async function runsHold({ open, holds, charts, names }) {
  if (names.includes("nights.html")) await nights({ open, holds, charts });
  if (names.includes("nights-bases.html")) await bases({ open, holds, charts });
  if (names.includes("nights-hostile.html")) await hostile({ open, holds });
  if (names.includes("nights-many.html")) await many({ open, holds });
  for (const [name, count] of [["nights-none.html", 0], ["nights-one.html", 6]]) {
    if (!names.includes(name)) continue;
    const { page, trouble, close } = await open(name);
    holds(`${name} has as many charts as there are numbers`, (await charts(page, "#runs-charts")) === count);
    holds(`${name} has no mark at NaN`, (await broken(page)) === 0);
    holds(`${name}: no trouble`, trouble.length === 0, trouble.join("; "));
    await close();
  }
}

const broken = (page) => page.evaluate(() => [...document.querySelectorAll("svg *")].filter((mark) => /NaN|Infinity|undefined/.test(mark.cloneNode(false).outerHTML)).length);

async function nights({ open, holds, charts }) {
  const { page, trouble, close } = await open("nights.html");
  const visible = page.locator("#runs-table tbody tr:visible");
  const heading = await page.locator("h1").innerText();
  holds("the first line says the verdict and how many are open", /^Fail, \d+ runs open$/.test(heading), heading);
  holds("there is a chart for each metric", (await charts(page, "#runs-charts")) === 6);
  const labels = await page.locator("#runs-charts svg[role=img]").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
  holds("charts are told in words", labels.every((label) => /over 64 runs: .* limits .* outside; \d+ open/.test(label) && !/NaN|undefined/.test(label)), labels[0]);
  holds("no mark lies at NaN", (await broken(page)) === 0);

  // Verdicts differ by shape, and open nights by a ring.
  const shapes = await page.evaluate(() => {
    const first = document.querySelector("#runs-charts svg");
    return { dots: new Set([...first.querySelectorAll("path")].map((path) => path.getAttribute("d")).filter((d) => d && d.length < 200)).size, flags: [...first.querySelectorAll("text")].filter((text) => text.textContent === "⚑").length };
  });
  holds("acceptances are marked", shapes.flags === 2, JSON.stringify(shapes));

  await page.locator("#runs-role").selectOption("mlp.down");
  const ofRole = await page.locator("#runs-charts svg[role=img]").first().getAttribute("aria-label");
  holds("a role is picked", ofRole.startsWith("relative_update of mlp.down over 64 runs"), ofRole);
  const cell = () => page.locator("#runs-table tbody tr").first().locator("td").nth(3).innerText();
  const down = await cell();
  await page.locator("#runs-role").selectOption("");
  holds("the table follows the role", (await cell()) !== down, down);

  const header = page.locator("#runs-table thead th").nth(4);
  holds("the newest run is first", (await page.locator("#runs-table thead th").first().getAttribute("aria-sort")) === "descending");
  await header.getByRole("button").focus();
  await page.keyboard.press("Enter");
  const numbers = (await visible.locator("td:nth-child(5)").allInnerTexts()).map(Number);
  holds("the table sorts by numbers", (await header.getAttribute("aria-sort")) === "descending" && numbers.length === 64 && numbers.every((value, at) => at === 0 || value <= numbers[at - 1]), numbers.slice(0, 5).join(" "));

  await page.locator("#runs-standing").selectOption("person");
  const people = await visible.allInnerTexts();
  holds("runs that a person accepted are found", people.length === 2 && people.every((text) => text.includes("ana")), people.join("|"));
  await page.locator("#runs-standing").selectOption("open");
  const open_ = await visible.locator("td:nth-child(3)").allInnerTexts();
  holds("and open ones", open_.length > 2 && open_.every((text) => text === "open"), open_.join(" "));
  await page.locator("#runs-standing").selectOption("");
  await page.locator("#runs-text").fill("TOKENISER ana");
  holds("the filter takes every word of any column", (await visible.count()) === 1);
  holds("and says how many", (await page.locator("#runs-count").innerText()) === "1 of 64 runs");
  await page.locator("#runs-text").fill("");

  const chart = page.locator("#runs-charts svg").first();
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
  await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.5);
  holds("a night opens its row", (await page.locator("#runs-table tr.picked").count()) === 1);
  await page.emulateMedia({ media: "print" });
  holds("paper needs no filters", !(await page.locator("#runs-text").isVisible()));
  holds("no trouble on the way", trouble.length === 0, trouble.join("; "));
  await close();

  const silent = await open("nights.html", { javaScriptEnabled: false });
  holds("without scripts the table of runs is there", (await silent.page.locator("#runs-table tbody tr").count()) === 64 && await silent.page.locator("#runs-table").isVisible());
  holds("and no empty charts", !(await silent.page.locator("#nights").isVisible()));
  await silent.close();
}

async function bases({ open, holds, charts }) {
  const { page, trouble, close } = await open("nights-bases.html");
  holds("one metric was asked for", (await charts(page, "#runs-charts")) === 1);
  const label = () => page.locator("#runs-charts svg[role=img]").first().getAttribute("aria-label");
  holds("runs of the newest base are drawn alone", (await label()).startsWith("relative_update of mlp.down over 7 runs"), await label());
  await page.locator("#runs-group").selectOption({ index: 1 });
  holds("those of the other base too", (await label()).startsWith("relative_update of mlp.down over 9 runs"), await label());
  holds("the table has all", (await page.locator("#runs-table tbody tr").count()) === 16);
  holds("two bases: no trouble", trouble.length === 0, trouble.join("; "));
  await close();
}

async function hostile({ open, holds }) {
  const { page, trouble, close } = await open("nights-hostile.html");
  holds("no element comes out of a text of a history", (await page.locator("img, iframe, [onerror], [onclick]").count()) === 0 && (await page.locator("script").count()) === 3);
  const text = await page.locator("#runs-table").innerText();
  holds("the texts are there to read", text.includes("<img src=x onerror=alert(1)>") && text.includes("</script><script>alert(2)</script>"), text.slice(0, 200));
  holds("nothing acted on the history", trouble.length === 0, trouble.join("; "));
  await close();
}

async function many({ open, holds }) {
  const { page, close } = await open("nights-many.html");
  const times = await page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const time = async (act) => { const from = performance.now(); act(); document.body.offsetHeight; await frame(); return Math.round(performance.now() - from); };
    const roles = document.getElementById("runs-role");
    const filter = document.getElementById("runs-text");
    const role = await time(() => { roles.value = "mlp.down"; roles.dispatchEvent(new Event("change", { bubbles: true })); });
    const sort = await time(() => document.querySelectorAll("#runs-table thead button")[4].click());
    const filtered = await time(() => { filter.value = "pass"; filter.dispatchEvent(new Event("input", { bubbles: true })); });
    return { rows: document.querySelectorAll("#runs-table tbody tr").length, role, sort, filtered };
  });
  holds("400 runs have a row each", times.rows === 400, JSON.stringify(times));
  console.log(`${times.rows} runs: another role in ${times.role} ms, sorted in ${times.sort} ms, filtered in ${times.filtered} ms`);
  await close();
}
