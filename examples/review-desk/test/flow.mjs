// The flow of the review desk in Chromium: the built app, the gateway and its sandbox. Only the clock is simulated.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { preview } from 'vite';

const { SANDBOX_URL, SCREENSHOTS, CHROMIUM = '/usr/bin/chromium' } = process.env;
const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const LIST = 'GET /v1/customers';
const READ_REVIEW = 'GET /v1/customers/{id}/review';
const DECIDE = 'PATCH /v1/customers/{id}/review';
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const sandbox = async (method, path, body) => {
  const headers = { authorization: 'Bearer sandbox', 'content-type': 'application/json' };
  const response = await fetch(SANDBOX_URL + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json().catch(() => null);
};
const fault = (fault) => sandbox('POST', '/_sandbox/faults', fault);
const calls = async () => (await sandbox('GET', '/_sandbox/calls')).calls;

const server = await preview({ preview: { open: false }, logLevel: 'warn' });
const [desk] = server.resolvedUrls.local;
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-US' });
const page = await context.newPage();
await page.clock.install();

const seen = { requests: [], complaints: [] };
page.on('request', (request) => seen.requests.push(request));
page.on('pageerror', (error) => seen.complaints.push(String(error)));
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && seen.complaints.push(message.text()));

const rows = page.locator('.row');
const row = (name) => rows.filter({ has: page.getByRole('link', { name, exact: true }) });
const tab = (name) => page.getByRole('navigation', { name: 'By status' }).getByRole('link', { name });
const status = page.locator('.dossier-head .mark');
const decision = page.getByRole('region', { name: 'Decision' });
const profile = page.getByRole('region', { name: 'Profile' });
const see = (locator) => locator.waitFor({ timeout: 15_000 });
const gone = (locator) => locator.waitFor({ state: 'detached', timeout: 15_000 });
const text = async (locator, expected) => {
  await see(locator.filter({ hasText: expected }).first()).catch(async () => {
    assert.fail(`expected ${expected}, found: ${await locator.allInnerTexts()}`);
  });
};

/**
 * Holds the request of an operation until the returned function is called. It does not use `page.route`, because that
 * makes Chromium send `no-cache` with every request, and the gateway then bypasses its cache.
 */
async function hold(operation) {
  const devtools = await context.newCDPSession(page);
  devtools.on('Fetch.requestPaused', ({ requestId, request }) => {
    if (JSON.parse(request.postData).operationName !== operation) devtools.send('Fetch.continueRequest', { requestId });
  });
  await devtools.send('Fetch.enable', { patterns: [{ urlPattern: '*/graphql' }] });
  return () => devtools.send('Fetch.disable').then(() => devtools.detach());
}

const steps = {
  async 'the queue is sorted and counted, and a failed review affects one cell of its row'() {
    const { data } = await sandbox('GET', '/v1/customers?status=review&sort_by=created_at&sort_order=asc&page_size=3');
    const [, hugo, greta] = data;
    await fault({ route: READ_REVIEW, customer_id: hugo.id, times: 3, fault: { status: 503 } });
    await fault({ route: READ_REVIEW, customer_id: greta.id, times: 2, fault: { status: 503 } });
    await sandbox('DELETE', '/_sandbox/calls');
    const release = await hold('QueueReasons');
    await page.goto(desk);
    await see(row('Hugo Reed'));
    assert.equal(await page.getByText('Could not be loaded').count(), 0, 'no error while loading');
    await release();
    await text(tab('In review'), '52');
    await text(row('Cleo Thorne'), 'Reputation Seen too often lately');
    await text(row('Hugo Reed'), 'Could not be loaded');
    await text(row('Greta Garland'), 'Could not be loaded');
    assert.equal(await rows.count(), 20);
    assert.match(await rows.first().innerText(), /Cleo Thorne/);
    // One call for the list, five for the counts, one for the review of each row.
    assert.deepEqual(await calls(), { 'GET /v1/customers': 6, [READ_REVIEW]: 20 });
  },

  async 'the review of one row is loaded again'() {
    await row('Greta Garland').getByRole('button', { name: 'Try again' }).click();
    await see(row('Greta Garland').getByRole('button', { name: 'Try again' }));
    await row('Greta Garland').getByRole('button', { name: 'Try again' }).click();
    await text(row('Greta Garland'), 'Name is close to one on a watch list');
    await text(row('Hugo Reed'), 'Could not be loaded');
  },

  async paging() {
    await page.getByRole('button', { name: 'Show more' }).click();
    await text(page.getByRole('status'), '40 of 52');
    await text(row('Ada Example'), 'Fraud Identity may combine data of several people');
    assert.equal(await rows.count(), 40);
    assert.equal(new Set(await page.locator('.row-link').allInnerTexts()).size, 40);
  },

  async 'filters apply, and the search is not in the URL'() {
    await page.getByLabel('Type').selectOption('Company');
    await text(page.getByRole('status'), /^\d+ of \d+/);
    await gone(row('Cleo Thorne'));
    await page.getByLabel('Search').fill('harbor');
    await text(page.getByRole('status'), '2 of 2');
    assert.deepEqual(await page.locator('.row-link').allInnerTexts(), ['Harbor Roofing', 'Harbor Bakery']);
    await page.getByLabel('Created from').fill('2026-06-01');
    await text(page.getByRole('status'), '1 of 1');
    assert.equal(new URL(page.url()).search, '?type=BUSINESS&from=2026-06-01');
    await page.getByLabel('Search').fill('nobody of this name');
    await see(page.getByText('No customers match these filters.'));
    await tab('In review').click();
    await see(row('Cleo Thorne'));
  },

  async 'a page whose review fails shows all other data, and a retry loads the review'() {
    await row('Hugo Reed').getByRole('link').click();
    await see(page.getByRole('heading', { name: 'Hugo Reed' }));
    const problem = page.locator('.problem', { has: page.getByRole('alert') });
    await text(problem, 'The screening could not be loaded.');
    await text(problem, 'UPSTREAM_');
    await text(profile, '****-**-**');
    await problem.getByRole('button', { name: 'Try again' }).click();
    await see(page.getByRole('region', { name: 'Reasons for review' }).getByText('Watch lists'));
    await gone(problem);
    await page.getByRole('link', { name: '← Customers' }).click();
  },

  async 'keys move the focus through the queue'() {
    await see(row('Cleo Thorne'));
    for (const key of ['j', 'j', 'ArrowDown', 'k', 'k']) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    await see(page.getByRole('heading', { name: 'Cleo Thorne' }));
  },

  async 'a decision shows at once, is sent once, and the customer leaves the queue'() {
    await decision.getByRole('button', { name: 'Verify' }).click();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA', 'the empty field is focused');
    await decision.getByLabel('Reason').fill('documents seen');
    const release = await hold('Decide');
    await decision.getByRole('button', { name: 'Verify' }).click();
    await text(status, 'Verified');
    assert.equal(await decision.getByText('Decision saved.').count(), 0, 'the response is still held');
    await release();
    await see(decision.getByText('Decision saved.'));
    const [write, ...more] = await sandbox('GET', '/_sandbox/writes');
    assert.equal(more.length, 0);
    assert.equal(write.idempotency_key.length, 36);
    await see(decision.getByRole('link', { name: /Next: Hugo Reed/ }));
    await page.getByRole('link', { name: '← Customers' }).click();
    await text(tab('In review'), '51');
    await text(tab('Verified'), '123');
    await see(row('Hugo Reed'));
    assert.equal(await row('Cleo Thorne').count(), 0);
  },

  async 'a decision of unknown outcome is reverted on the screen, and retried with the same key'() {
    await row('Rosa Marsh').getByRole('link').click();
    await fault({ route: DECIDE, after_write: true, times: 1, fault: { status: 503 } });
    await decision.getByLabel('Reason').fill('name is on a list');
    await decision.getByRole('button', { name: 'Reject' }).click();
    await text(decision.getByRole('alert'), 'Trying again is safe');
    await text(status, 'In review');
    await decision.getByRole('button', { name: 'Try again' }).click();
    await see(decision.getByText('Decision saved.'));
    await text(status, 'Rejected');
    assert.equal((await sandbox('GET', '/_sandbox/writes')).length, 2, 'the decision took effect once');
  },

  async 'another user decided first'() {
    await decision.getByRole('link', { name: /Next/ }).click();
    await see(page.getByRole('heading', { name: 'Hugo Reed' }));
    const id = new URL(page.url()).pathname.split('/').at(-1);
    await sandbox('PATCH', `/v1/customers/${id}/review`, { status: 'verified' });
    await decision.getByLabel('Reason').fill('fine by me');
    await decision.getByRole('button', { name: 'Verify' }).click();
    await text(decision.getByRole('alert'), 'not waiting for a decision');
    await text(status, 'In review');
    await decision.getByRole('button', { name: 'Reload the customer' }).click();
    await text(decision, 'Nothing to decide');
    await text(status, 'Verified');
  },

  async 'unmasked data is shown for 30 seconds and then removed from memory'() {
    await page.goto(`${desk}customers/${ADA}`);
    await see(profile);
    await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1000));
    const unmask = async () => {
      await profile.getByRole('button', { name: 'Unmask …' }).click();
      await profile.getByLabel('Reason for unmasking').fill('she called about the tax form');
      await profile.getByRole('button', { name: 'Unmask for 30 s' }).click();
      await text(profile, /\d{3}-\d{2}-\d{4}/);
    };
    await unmask();
    const [ssn] = (await profile.innerText()).match(/\d{3}-\d{2}-\d{4}/);
    assert.equal(await inMemory(ssn), true, 'the memory search finds a text that is on the page');
    const hidden = async (how) => {
      await text(profile, '***-**-****');
      assert.ok(!(await page.content()).includes(ssn), `still in the page: ${how}`);
    };
    await text(profile.getByRole('timer'), 'Unmasked for 30 s');
    await page.clock.fastForward(20_000);
    await text(profile.getByRole('timer'), 'Unmasked for 10 s');
    await text(profile, ssn);
    await page.clock.fastForward(10_000);
    await hidden('the time is over');

    await unmask();
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await hidden('the tab was hidden');

    await unmask();
    await profile.getByRole('button', { name: 'Hide now' }).click();
    await hidden('the user pressed "Hide now"');

    await unmask();
    await page.getByRole('link', { name: '← Customers' }).click();
    await see(rows.first());
    await page.goBack();
    await hidden('the user left the page');

    assert.deepEqual(await stored(), { local: 0, session: 0, databases: 0, caches: 0, cookies: '' });
    assert.equal(await inMemory(ssn), false, 'still in memory');
    await page.clock.resume();
  },

  async 'a failed count does not affect the other four counts'() {
    const counts = page.getByRole('navigation', { name: 'By status' }).locator('.count');
    // `page.route` makes Chromium send `no-cache`, so that no count is served from the gateway's cache. The counts wait
    // until all other requests have finished, so that the injected fault hits one of the counts.
    await page.route('**/graphql', async (route) => {
      if (route.request().postDataJSON().operationName === 'Counts') {
        await see(page.locator('.risk').first());
        await fault({ route: LIST, times: 1, fault: { status: 503 } });
      }
      await route.continue();
    });
    await page.goto(desk);
    await see(counts.filter({ hasText: '?' }).first());
    const texts = await counts.allInnerTexts();
    assert.deepEqual([texts.length, texts.filter((count) => /^\d+$/.test(count)).length], [5, 4], `${texts}`);
    await page.unroute('**/graphql');
  },

  async 'every size and colour scheme: no serious axe violation, no horizontal scrolling'() {
    for (const [width, height] of [
      [1280, 960],
      [390, 844],
    ]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        for (const [name, path] of [
          ['queue', ''],
          ['customer', `customers/${ADA}`],
        ]) {
          await page.goto(desk + path);
          await see(page.locator('.risk').first());
          const { violations } = await page.evaluate(`${AXE}; axe.run()`);
          const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
          assert.deepEqual(
            serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
            [],
            `${name} ${colorScheme}`,
          );
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${name} is ${overflow} px wider than ${width}`);
          if (SCREENSHOTS && width === 1280)
            await page.screenshot({ path: `${SCREENSHOTS}/${name}-${colorScheme}.png` });
        }
      }
    }
  },

  async 'all requests go to one origin, GraphQL uses only POST, and the console is clean'() {
    for (const request of seen.requests) {
      assert.equal(new URL(request.url()).origin, new URL(desk).origin);
      if (request.url().includes('/graphql')) assert.equal(request.method(), 'POST');
    }
    // Chromium logs each response with a status of 5xx. The gateway's responses to executed operations have status 200.
    assert.deepEqual(seen.complaints, []);
  },
};

const stored = () =>
  page.evaluate(async () => ({
    local: localStorage.length,
    session: sessionStorage.length,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    cookies: document.cookie,
  }));

/** Whether the JavaScript heap of the page contains a text after garbage collection. */
async function inMemory(text) {
  const devtools = await context.newCDPSession(page);
  let found = false;
  let end = '';
  devtools.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => {
    found ||= (end + chunk).includes(text);
    end = chunk.slice(-text.length);
  });
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('HeapProfiler.takeHeapSnapshot');
  await devtools.detach();
  return found;
}

try {
  for (const [name, step] of Object.entries(steps)) {
    await step().catch(async (error) => {
      if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/failed.png` });
      error.message = `${name}: ${error.message}`;
      throw error;
    });
    console.log(`ok  ${name}`);
  }
} finally {
  await browser.close();
  await server.close();
}
