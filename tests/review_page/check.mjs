// Opens every page of a folder in headless Chromium and says what is wrong with it. Called by ./run.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [, , folder, shots] = process.argv;
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
// Milliseconds: twice what the largest page takes on two busy processors.
const loadWithin = 4000;
const faults = [];

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags });
// The first page pays for the browser's own start.
await (await browser.newPage()).goto('about:blank');

// A page as a reader has it: scripts off.
async function asReader(file, name, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, javaScriptEnabled: false });
  const page = await context.newPage();
  page.on('console', (message) => faults.push(`${name} ${width}: console: ${message.text()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) faults.push(`${name} ${width}: asked for ${request.url()}`);
  });
  const start = Date.now();
  await page.goto(`file://${file}`);
  const took = Date.now() - start;
  if (took > loadWithin) faults.push(`${name} ${width}: took ${took} ms to load`);
  await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`) });
  await context.close();
  return took;
}

// A page as a tester has it: with the means to measure.
async function measured(file, name) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
  const page = await context.newPage();
  let counted = 0;
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.goto(`file://${file}`);
    // Folded parts are judged too, but for the files of the tree, which are alike.
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => {
      if (!one.closest('.tree')) one.open = true;
    }));
    // Of long lists and tables, thirty lines are judged: the others are like them, and a rule about
    // contrast takes minutes for tens of thousands of elements.
    await page.evaluate(() => document.querySelectorAll(':is(li, tr, details):nth-child(n + 31)').forEach((one) => {
      one.remove();
    }));
    await page.addScriptTag({ path: 'node_modules/axe-core/axe.min.js' });
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    counted += passes.length;
    for (const { impact, id, help, nodes } of violations) {
      faults.push(`${name} ${colorScheme}: ${impact} ${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
    }
  }
  if (counted < 20) faults.push(`${name}: axe looked at almost nothing (${counted} rules)`);
  await page.goto(`file://${file}`);
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => {
    if (!one.closest('.tree')) one.open = true;
  }));
  for (const width of [1280, 768, 360]) {
    await page.setViewportSize({ width, height: 800 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) faults.push(`${name}: ${over} px wider than a screen of ${width}`);
  }
  await context.close();
}

// The keyboard reaches a folder of the tree and opens it.
async function byKeyboard(file, name) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`file://${file}`);
  const summary = page.locator('.tree summary').first();
  const before = await summary.evaluate((one) => one.parentElement.open);
  await summary.focus();
  await page.keyboard.press('Enter');
  const after = await summary.evaluate((one) => one.parentElement.open);
  if (before === after) faults.push(`${name}: Enter does not open or close a folder`);
  await page.goto(`file://${file}`);
  await page.keyboard.press('Tab');
  const first = await page.evaluate(() => document.activeElement?.className);
  if (first !== 'skip') faults.push(`${name}: Tab does not reach the skip link first`);
  await context.close();
}

const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));
if (pages.length < 4) faults.push(`only ${pages.length} pages in ${folder}`);
for (const page of pages) {
  const [file, name] = [join(folder, page), page.replace('.html', '')];
  const times = [];
  for (const width of [1280, 768, 360]) {
    for (const scheme of ['light', 'dark']) times.push(await asReader(file, name, width, scheme));
  }
  await measured(file, name);
  await byKeyboard(file, name);
  console.log(`${name}: loaded in ${Math.max(...times)} ms at most`);
}
await browser.close();
faults.forEach((fault) => console.error(`wrong: ${fault}`));
process.exit(faults.length > 0 ? 1 : 0);
