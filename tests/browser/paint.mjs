// How long each page of a running coordinator takes to its first paint in a real browser, with nothing in its cache.
// Usage: node paint.mjs URL [LOADS OF EACH PAGE]

import { chromium } from 'playwright-core';

const site = new URL(process.argv[2]);
const loads = Number(process.argv[3] ?? 9);
if (!Number.isInteger(loads) || loads < 1) {
  console.error('error: the number of loads is a whole number from 1');
  process.exit(2);
}

/** A small telephone on a slow network: what Lighthouse calls slow 4G, with a processor four times slower than this one. */
const TELEPHONE = { processor: 4, latency: 150, bytesPerSecond: 1_638_400 / 8 };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** One load in a new context: times of the first paint and of the end of loading in ms, and bytes on the way. */
async function load(path, telephone) {
  const viewport = telephone ? { width: 390, height: 844 } : { width: 1280, height: 900 };
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  if (telephone) {
    const { processor, latency, bytesPerSecond } = TELEPHONE;
    await session.send('Emulation.setCPUThrottlingRate', { rate: processor });
    const conditions = { offline: false, latency, downloadThroughput: bytesPerSecond, uploadThroughput: bytesPerSecond };
    await session.send('Network.emulateNetworkConditions', conditions);
  }
  const answer = await page.goto(new URL(path, site).href, { waitUntil: 'load' });
  if (answer.status() !== 200) throw new Error(`${path}: ${answer.status()}`);
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
  const seen = await page.evaluate(() => {
    const [navigation] = performance.getEntriesByType('navigation');
    const resources = performance.getEntriesByType('resource');
    return {
      paint: performance.getEntriesByName('first-paint')[0].startTime,
      content: performance.getEntriesByName('first-contentful-paint')[0].startTime,
      loaded: navigation.loadEventStart,
      bytes: [navigation, ...resources].reduce((sum, entry) => sum + entry.encodedBodySize, 0),
    };
  });
  await context.close();
  return seen;
}

const middle = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const padded = (cells) => console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(22) : String(cell).padStart(10))).join(' '));

const start = await browser.newPage();
await start.goto(site.href);
const pages = await start.locator('nav[aria-label="Pages"] a').evaluateAll((all) =>
  all.map((a) => [a.textContent.trim(), new URL(a.href).pathname + new URL(a.href).search]));
pages.push(['A release', await start.locator('a[href^="/programmes/"]').first().getAttribute('href')]);
await start.close();

for (const telephone of [false, true]) {
  const { processor, latency, bytesPerSecond } = TELEPHONE;
  const where = telephone
    ? `a telephone: 390 pixels, processor ${processor} times slower, ${latency} ms and ${bytesPerSecond * 8 / 1e6} Mbit/s away`
    : 'a desktop: 1,280 pixels, over loopback';
  console.log(`\n${loads} loads of each page on ${where}; milliseconds`);
  padded(['page', 'bytes', 'paint', 'worst', 'content', 'worst', 'loaded', 'worst']);
  for (const [name, path] of pages) {
    const seen = [];
    for (let count = 0; count < loads; count += 1) seen.push(await load(path, telephone));
    const both = (key) => [middle(seen.map((each) => each[key])), Math.max(...seen.map((each) => each[key]))].map(Math.round);
    padded([name, seen[0].bytes, ...both('paint'), ...both('content'), ...both('loaded')]);
  }
}
await browser.close();
