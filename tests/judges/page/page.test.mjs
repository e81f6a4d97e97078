// Browser tests of the playground in Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import axe from 'axe-core';

import { Desk, launch } from './browser.mjs';

const { SANDBOX_URL, CONTROL_URL, PASSTHROUGH_URL, REAL_URL } = process.env;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const open = async (url = SANDBOX_URL, look = {}) => (await Desk.open(browser, url, look)).ready();

test('the page opens with the built-in tabs and shows the upstream and the caller', async () => {
  const desk = await open();
  assert.deepEqual(await desk.tabs(), ['CustomerWithReview', 'ReviewQueue', 'CreateCustomer', 'Unmask']);
  assert.match(await desk.query(), /^# Costs 1 upstream call/);
  assert.match(await desk.text('.graphiql-editor-tool'), /0190b2de-7c11-7c3a-8f10-000000000006/);
  assert.equal(await desk.page.locator('.playground-upstream').textContent(), 'Sandbox: made-up people');
  await desk.costs('–', '–');
  await desk.page.getByRole('button', { name: 'Sandbox user' }).click();
  assert.equal(await desk.page.getByRole('list', { name: 'Permissions' }).getByRole('listitem').count(), 6);
  await desk.close();
});

test('the index redirects to the playground', async () => {
  const desk = await open();
  await desk.page.goto(SANDBOX_URL);
  assert.equal(desk.page.url(), `${SANDBOX_URL}/graphiql`);
  await desk.close();
});

test('a run shows its response and its upstream calls', async () => {
  const desk = await open();
  await desk.run('Rhea Example');
  assert.match(await desk.result(), /"decision": "REVIEW"/);
  assert.doesNotMatch(await desk.result(), /extensions/, 'the response is shown without the upstream report');
  await desk.costs(1, 1);
  await desk.run('Rhea Example');
  await desk.costs(1, 0);
  await desk.write('{ nothing }');
  await desk.run('GRAPHQL_VALIDATION_FAILED');
  // No operation ran.
  await desk.costs('–', '–');
  await desk.close({ complaints: [/status of 400/] });
});

test('a failed list does not null the viewer', async () => {
  const desk = await open();
  const control = async (method, path, body) => {
    const response = await fetch(`${CONTROL_URL}/_sandbox/${path}`, { method, body: JSON.stringify(body) });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  };
  await control('POST', 'faults', { route: 'GET /v1/customers', fault: { status: 503 } });
  try {
    await desk.write('{ customers(first: 1) { totalCount } viewer { permissions } }');
    await desk.run('UPSTREAM_ERROR');
    assert.match(await desk.result(), /"customers": null/);
    assert.match(await desk.result(), /"permissions": \[/);
    await desk.picture('one-part-failed');
  } finally {
    await control('DELETE', 'faults');
  }
  await desk.close();
});

test('every tab runs, by the run button or at the cursor', async () => {
  const desk = await open();
  await desk.goto('ReviewQueue');
  await desk.run('totalCount');
  await desk.goto('Unmask');
  await desk.run('unmaskedCustomer');
  await desk.goto('CreateCustomer');
  await desk.runOperation('CreateCustomer', 'Tess Example');
  await desk.runOperation('Decide', 'decideCustomerReview');
  assert.match(await desk.result(), /"status": "VERIFIED"/);
  await desk.runLastOperation('SeeItVerified', '"customer": {');
  assert.match(await desk.result(), /"status": "VERIFIED"/);
  await desk.costs(1, 1);
  await desk.close();
});

test('a field name is completed', async () => {
  const desk = await open();
  await desk.write('query Names { customers(first: 2) { nodes {  } } }');
  for (let i = 0; i < 6; i += 1) await desk.page.keyboard.press('ArrowLeft');
  await desk.page.keyboard.type('exter');
  const offer = desk.page.locator('.suggest-widget .monaco-list-row', { hasText: 'externalId' });
  await offer.first().waitFor();
  await desk.picture('completion');
  await desk.page.keyboard.press('Enter');
  await desk.page.locator('.graphiql-query-editor .view-lines', { hasText: 'externalId' }).waitFor();
  assert.match((await desk.query()).replaceAll('\n', ''), /nodes { externalId } }/);
  await desk.run('externalId');
  await desk.close();
});

test('an unknown field is underlined, and a known field shows its description', async () => {
  const desk = await open();
  await desk.write('{ customers { totalCount nodez { id } } }');
  await desk.page.locator('.squiggly-error').first().waitFor();
  await desk.page.getByText('totalCount').first().hover();
  await desk.page.locator('.monaco-hover', { hasText: 'How many customers match' }).waitFor();
  await desk.close();
});

test('the documentation can be browsed and searched', async () => {
  const desk = await open();
  await desk.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const docs = desk.page.locator('.graphiql-doc-explorer');
  await docs.getByRole('link', { name: 'Query', exact: true }).click();
  await docs.getByRole('link', { name: 'customers', exact: true }).waitFor();
  await desk.page.getByRole('combobox').fill('reasons');
  await desk.page.getByRole('option', { name: /IdentityReview\W*reasons/ }).first().click();
  await docs.getByText('every check whose decision is not').first().waitFor();
  await desk.picture('docs');
  await desk.close();
});

test('the explorer adds a field to a query that runs', async () => {
  const desk = await open();
  await desk.write('query Me { viewer { subject } }');
  await desk.page.getByRole('button', { name: 'Show GraphiQL Explorer' }).click();
  const field = desk.page.locator('.docExplorerWrap [data-field-name=permissions]');
  await field.first().click();
  await desk.page.locator('.graphiql-query-editor .view-lines', { hasText: 'permissions' }).waitFor();
  await desk.picture('explorer');
  await desk.run('CUSTOMERS_READ');
  await desk.close();
});

test('prettify keeps the comments', async () => {
  const desk = await open();
  await desk.write('# why\nquery  A {viewer{subject}}');
  await desk.page.getByRole('button', { name: /^Prettify/ }).click();
  await desk.page.waitForFunction(() => document.querySelectorAll('.graphiql-query-editor .view-line').length > 4);
  assert.match(await desk.query(), /^# why\nquery A {\n {2}viewer {\n/);
  await desk.close();
});

test('the token panel opens, and the token is sent but not stored', async () => {
  const desk = await open(PASSTHROUGH_URL);
  const field = desk.page.getByLabel('Bearer token');
  // The panel opens without a click because the gateway requires a token.
  await field.waitFor();
  await desk.picture('token');
  const token = 'a-unique-test-token';
  await field.fill(token);
  await desk.page.keyboard.press('Enter');
  await desk.page.getByRole('button', { name: 'Token: in use' }).waitFor();
  await desk.page.getByRole('button', { name: 'API key holder' }).waitFor();
  await desk.page.getByRole('tab', { name: 'CustomerWithReview' }).waitFor();
  await desk.run('Rhea Example');
  const last = desk.requests.findLast((request) => request.url().endsWith('/graphql'));
  assert.equal((await last.allHeaders()).authorization, `Bearer ${token}`);
  assert.equal(await field.inputValue(), '');
  assert.ok(!(await desk.stored()).includes(token));
  await desk.page.waitForTimeout(700);
  assert.ok(!(await desk.stored()).includes(token));
  await desk.page.reload();
  await desk.ready();
  await desk.page.getByRole('button', { name: 'Token: none' }).waitFor();
  assert.ok(!(await desk.stored()).includes(token) && !(await desk.page.content()).includes(token));
  await desk.close({ complaints: [/401/] });
});

test('tabs survive a reload; an unmasking tab keeps only its document', async () => {
  const desk = await open();
  await desk.write('query Mine($a: ID!) { customer(id: $a) { name } }');
  await desk.goto('Unmask');
  await desk.run('ipAddress');
  const response = await desk.result();
  const members = [/"ssn": "([^"]+)"/, /"dob": "([^"]+)"/, /"ipAddress": "([^"]+)"/];
  const clear = members.map((member) => member.exec(response)[1]);
  await desk.page.locator('.graphiql-editor-tool .view-lines').first().click();
  await desk.page.keyboard.press('Control+End');
  await desk.page.keyboard.press('ArrowUp');
  await desk.page.keyboard.press('Home');
  await desk.page.keyboard.type('"secret": "typed by hand", ');
  // GraphiQL writes to the storage half a second after the last change.
  await desk.page.waitForTimeout(1200);
  const stored = await desk.stored();
  assert.ok(stored.includes('unmaskCustomer') && stored.includes('query Mine'), 'documents are stored');
  for (const secret of [...clear, 'typed by hand', 'tax form']) assert.ok(!stored.includes(secret), secret);
  await desk.page.reload();
  await desk.ready();
  assert.deepEqual(await desk.tabs(), ['Mine', 'ReviewQueue', 'CreateCustomer', 'Unmask']);
  assert.equal(await desk.tab('Unmask').getAttribute('aria-selected'), 'true');
  assert.match(await desk.query(), /unmaskCustomer/);
  assert.match(await desk.text('.graphiql-editor-tool'), /tax form/, 'the built-in tab has its variables again');
  assert.equal(await desk.result(), '');
  await desk.goto('Mine');
  assert.match(await desk.query(), /query Mine/);
  await desk.close();
});

test('a real upstream has no tab with writes, and only layout settings are stored', async () => {
  const desk = await open(REAL_URL);
  assert.equal(await desk.page.locator('.playground-upstream').textContent(), 'Real upstream: real people');
  assert.deepEqual(await desk.tabs(), ['ReviewQueue']);
  await desk.page.keyboard.press('Escape');
  await desk.write('{ customers(filter: { email: "somebody@example.com" }) { totalCount } }');
  await desk.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await desk.page.waitForTimeout(1200);
  const stored = await desk.stored();
  assert.ok(stored.includes('visiblePlugin'), 'layout settings are stored');
  assert.ok(!/somebody|customers/.test(stored), stored);
  await desk.picture('real');
  await desk.close({ complaints: [/401/] });
});

test('the header can be used with the keyboard', async () => {
  const desk = await open();
  const who = desk.page.getByRole('button', { name: 'Sandbox user' });
  await desk.page.keyboard.press('Tab');
  assert.ok(await who.evaluate((button) => button === document.activeElement));
  await desk.page.keyboard.press('Enter');
  const panel = desk.page.getByRole('list', { name: 'Permissions' });
  await panel.waitFor();
  await desk.page.keyboard.press('Escape');
  await panel.waitFor({ state: 'hidden' });
  await desk.page.keyboard.press('Tab');
  await desk.page.keyboard.press('Enter');
  await desk.page.getByLabel('Bearer token').waitFor();
  assert.equal(await desk.page.evaluate(() => document.activeElement?.id), 'playground-token-field');
  await desk.close();
});

for (const width of [1280, 390]) {
  for (const theme of ['light', 'dark']) {
    test(`the page works at ${width} pixels, ${theme}`, async () => {
      const desk = await open(SANDBOX_URL, { width, theme, height: width < 500 ? 844 : 800 });
      const header = () => desk.page.locator('.playground-header').boundingBox();
      const before = await header();
      await desk.picture(`${width}-${theme}-open`);
      await desk.run('Rhea Example');
      assert.deepEqual(await header(), before, 'the header does not move or change size');
      await desk.picture(`${width}-${theme}`);
      const overflow = await desk.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, 'the page does not scroll horizontally');
      for (const part of ['.graphiql-query-editor', '.result-window']) {
        const box = await desk.page.locator(part).boundingBox();
        assert.ok(box.width > 250 && box.height > 150 && box.x >= 0 && box.x + box.width <= width, `${part} ${JSON.stringify(box)}`);
      }
      await soundness(desk, ['.playground-header']);
      for (const button of ['Sandbox user', 'Token: none']) {
        await desk.page.getByRole('button', { name: button }).click();
        await desk.picture(`${width}-${theme}-${button.split(':')[0].toLowerCase()}`);
        await soundness(desk, ['.playground-panel:popover-open']);
        await desk.page.keyboard.press('Escape');
      }
      await desk.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
      await desk.page.locator('.graphiql-doc-explorer').waitFor();
      await desk.picture(`${width}-${theme}-docs`);
      await desk.close();
    });
  }
}

/** Checks that axe finds no serious or critical violation in the given elements. */
async function soundness(desk, include) {
  await desk.page.evaluate(axe.source);
  const { violations } = await desk.page.evaluate((include) => globalThis.axe.run({ include }), include);
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
}
