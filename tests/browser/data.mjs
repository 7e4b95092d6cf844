// Routes, networks, comparison, protection, data and embedded charts of a running coordinator in a real browser.
// Usage: node data.mjs URL [FOLDER FOR SCREENSHOTS]

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const site = new URL(process.argv[2]);
const shots = process.argv[3];
if (shots) mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Opens `path` and fails on console errors, blocked content and requests to anywhere else. */
async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== site.origin) faults.push(`off-site: ${request.url()}`);
  });
  const response = await page.goto(new URL(path, site).href);
  return { context, page, faults, response };
}

let checks = 0;
async function check(name, work) {
  await work();
  checks += 1;
  console.log(`ok ${name}`);
}

/** Pages of this program that the running coordinator has something for. */
const wanted = ['routes', 'networks', 'msin', 'compare', 'protection', 'data'];
const overview = await open('/');
const links = await overview.page.locator('header nav a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
await overview.context.close();
const pages = wanted.flatMap((name) => links.filter((href) => href.split('?')[0] === `/${name}`));
const programmes = await (await fetch(new URL('/api/v1/programmes', site))).json();
const programme = programmes.programmes.find((each) => each.releases.length > 0);
const release = await (await fetch(new URL(programme.releases.at(-1).url, site))).json();
const list = release.tables.find((table) => table.dimensions.length === 1);
const embedded = `/embed/${programme.id}/${list.name}`;

await check('the navigation leads to routes, networks, comparison, protection and data', async () => {
  for (const name of ['routes', 'networks', 'compare', 'protection', 'data']) {
    assert.ok(pages.some((href) => href.startsWith(`/${name}`)), name);
  }
});

for (const path of [...pages, embedded]) {
  const name = path.split('?')[0].slice(1).replaceAll('/', '-');
  await check(`${name}: no fault, no axe violation, light and dark`, async () => {
    for (const colorScheme of ['light', 'dark']) {
      const { context, page, faults, response } = await open(path, { colorScheme });
      assert.equal(response.status(), 200);
      const { violations } = await new AxeBuilder({ page }).analyze();
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`), [], colorScheme);
      if (shots) await page.screenshot({ path: `${shots}/${name}-${colorScheme}.png`, fullPage: true });
      assert.deepEqual(faults, []);
      await context.close();
    }
  });
  await check(`${name}: fits a telephone, and paper`, async () => {
    const { context, page } = await open(path, { viewport: { width: 320, height: 640 } });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (shots) await page.screenshot({ path: `${shots}/${name}-phone.png`, fullPage: true });
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    await context.close();
    const paper = await open(path);
    const pdf = await paper.page.pdf({ format: 'A4', ...(shots ? { path: `${shots}/${name}.pdf` } : {}) });
    assert.ok(pdf.length > 10_000);
    await paper.context.close();
  });
  await check(`${name}: the same without JavaScript`, async () => {
    const plain = await open(path, { javaScriptEnabled: false });
    const scripted = await open(path);
    const text = async ({ page }) => (await page.locator('main').innerText()).replace(/\s+/g, ' ');
    assert.equal(await text(plain), await text(scripted));
    await plain.context.close();
    await scripted.context.close();
  });
}

await check('every file on the page Data is there, and not sent twice', async () => {
  const { context, page } = await open('/data');
  const files = await page.locator('a[href*="/releases/"]').evaluateAll((all) => all.map((a) => a.href));
  assert.ok(files.some((file) => file.endsWith('.parquet')));
  for (const file of new Set(files)) {
    const answer = await context.request.get(file);
    assert.equal(answer.status(), 200, file);
    const again = await context.request.get(file, { headers: { 'If-None-Match': answer.headers().etag } });
    assert.equal(again.status(), 304, file);
  }
  await context.close();
});

await browser.close();
console.log(`${checks} passed, 0 failed`);
