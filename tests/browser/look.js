// Opens HTML files in one Chromium and says what it saw, one line of JSON for each.
// usage: node look.js CHROMIUM [--pictures FOLDER] FILE.html…
import { createRequire } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axe = createRequire(import.meta.url)("axe-core");
const [executablePath, ...words] = process.argv.slice(2);
const pictures = words[0] === "--pictures" ? words.splice(0, 2)[1] : null;

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
});

async function violations(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html.slice(0, 200)}`);
}

async function look(file) {
  const seen = { file: basename(file), console: [], requests: [], wide: [], axe: [] };
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const url = pathToFileURL(file).href;
  page.on("console", (message) => seen.console.push(message.text()));
  page.on("pageerror", (error) => seen.console.push(String(error)));
  page.on("dialog", (dialog) => {
    seen.console.push(`dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== url) seen.requests.push(request.url());
  });
  await page.goto(url);
  // The dark scheme changes colours only: it is looked at where the content is fixed.
  const changing = /^(scenario|hostile)-/.test(basename(file));
  for (const scheme of changing ? ["light"] : ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    seen.axe.push(...(await violations(page)).map((told) => `${scheme} ${told}`));
    const color = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    seen[scheme] = color;
    for (const width of [1280, 320]) {
      await page.setViewportSize({ width, height: 900 });
      const [needs, has] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      if (needs > has) seen.wide.push(`${scheme} ${width}: ${needs} > ${has}`);
      if (pictures) {
        const path = `${pictures}/${basename(file, ".html")}-${scheme}-${width}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  }
  await page.keyboard.press("End");
  await page.waitForFunction(() => scrollY + innerHeight >= document.body.scrollHeight - 2);
  seen.ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((e) => e.id));
  seen.elements = await page.evaluate(() => [
    ...new Set([...document.querySelectorAll("*")].map((e) => e.localName)),
  ]);
  seen.cut = await page.evaluate(() =>
    [...document.querySelectorAll("svg text")]
      .filter((text) => {
        const box = text.getBBox();
        return box.x < -1 || box.x + box.width > 361;
      })
      .map((text) => text.textContent),
  );
  seen.handlers = await page.evaluate(() =>
    [...document.querySelectorAll("*")].flatMap((e) =>
      e.getAttributeNames().filter((name) => name.startsWith("on") || name === "href"),
    ),
  );
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const pdf = await page.pdf({ preferCSSPageSize: true });
  seen.pages = pdf.toString("latin1").match(/\/Type ?\/Page\b/g).length;
  await context.close();
  return seen;
}

const waiting = [...words];
async function lookOn() {
  for (let file = waiting.shift(); file; file = waiting.shift())
    console.log(JSON.stringify(await look(file)));
}
await Promise.all([lookOn(), lookOn()]);
await browser.close();
