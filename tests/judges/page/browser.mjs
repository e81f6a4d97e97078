// Chromium for the page tests. It can reach only this machine. The tests record its requests and console messages.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const PICTURES = process.env.PICTURES ?? 'pictures';
/** Milliseconds: GraphiQL parses a changed document after 100 ms and then names the tab after its operation. */
const SETTLED = 400;
mkdirSync(PICTURES, { recursive: true });

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--no-pings',
      // Host names do not resolve, so a request to another host fails and is reported.
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    ],
  });

/** A page in a new browser context: no storage, no cookies. */
export class Desk {
  static async open(browser, url, { width = 1280, height = 800, theme = 'light' } = {}) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: 'reduce',
      hasTouch: width < 500,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const desk = new Desk(context, await context.newPage(), url);
    await desk.page.goto(`${url}/graphiql`);
    return desk;
  }

  constructor(context, page, url) {
    Object.assign(this, { context, page, url, requests: [], complaints: [] });
    context.on('request', (request) => this.requests.push(request));
    // Policy violations in workers are reported here as well.
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** Waits until the editor is shown, the schema is loaded and the header shows the caller. */
  async ready() {
    await this.page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await this.page.locator('.graphiql-spinner').waitFor({ state: 'detached' });
    await this.page.waitForFunction(() => !document.querySelector('[popovertarget=playground-who]')?.textContent?.includes('…'));
    return this;
  }

  /** Checks that every request went to the gateway and that the console has only the expected complaints. */
  async close({ complaints = [] } = {}) {
    const others = this.requests.map((request) => request.url()).filter((url) => !/^(data:|blob:)/.test(url));
    assert.deepEqual(others.filter((url) => new URL(url).origin !== this.url), []);
    const unexpected = this.complaints.filter((text) => !complaints.some((expected) => expected.test(text)));
    assert.deepEqual(unexpected, []);
    await this.context.close();
  }

  picture(name) {
    return this.page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  /** The names of the tabs. */
  tabs() {
    return this.page.locator('.graphiql-tab-button').allTextContents();
  }

  tab(name) {
    return this.page.getByRole('tab', { name });
  }

  /** The visible text of an editor. Monaco does not render lines that are scrolled out of view. */
  async text(editor) {
    const lines = await this.page.locator(`${editor} .view-lines .view-line`).evaluateAll((lines) =>
      lines.sort((one, other) => parseFloat(one.style.top) - parseFloat(other.style.top)).map((line) => line.textContent),
    );
    return lines.join('\n').replaceAll('\u00a0', ' ');
  }

  query() {
    return this.text('.graphiql-query-editor');
  }

  result() {
    return this.text('.result-window');
  }

  /** Replaces the document in the editor by pasting another one. */
  async write(document) {
    await this.page.locator('.graphiql-query-editor .view-lines').click();
    await this.page.keyboard.press('Control+A');
    await this.page.evaluate((text) => navigator.clipboard.writeText(text), document);
    await this.page.keyboard.press('Control+V');
    await this.page.waitForTimeout(SETTLED);
  }

  async goto(tab) {
    await this.tab(tab).click();
    await this.page.waitForTimeout(SETTLED);
  }

  /** Runs the document and waits until the shown response contains `expected`. */
  async run(expected) {
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.getByRole('button', { name: /^Execute query/ }).click();
    await (await answered).finished();
    await this.shows(expected);
  }

  /** Runs one of several operations from the menu of the run button. */
  async runOperation(name, expected) {
    await this.page.getByRole('button', { name: /^Execute query/ }).click();
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.getByRole('menuitem', { name }).click();
    await (await answered).finished();
    // A closing menu returns the focus to its button. A key pressed before that would go to the button.
    await this.page.getByRole('menu').waitFor({ state: 'detached' });
    await this.shows(expected);
  }

  /** Runs the last operation of the document by placing the cursor in it. */
  async runLastOperation(name, expected) {
    const editor = this.page.locator('.graphiql-query-editor');
    await editor.locator('.view-lines').click();
    await editor.locator('.monaco-editor.focused').waitFor();
    await this.page.keyboard.press('Control+End');
    await editor.locator('.view-line', { hasText: name }).waitFor();
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.keyboard.press('Control+Enter');
    const response = await answered;
    assert.equal(response.request().postDataJSON().operationName, name);
    await response.finished();
    await this.shows(expected);
  }

  async shows(expected) {
    const window = this.page.locator('.result-window .view-lines');
    await window.filter({ hasText: expected }).waitFor({ timeout: 15_000 });
  }

  /** Waits until the header shows these upstream calls: planned and made. */
  async costs(...numbers) {
    const shown = (expected) =>
      [...document.querySelectorAll('.playground-cost dd')].map((number) => number.textContent).join() === expected;
    await this.page.waitForFunction(shown, numbers.join(), { timeout: 15_000 });
  }

  /** Everything that the browser stores beyond the lifetime of the page. */
  async stored() {
    const { cookies, origins } = await this.context.storageState({ indexedDB: true });
    const session = await this.page.evaluate(() => JSON.stringify({ ...sessionStorage }));
    return JSON.stringify({ cookies, origins }) + session + this.page.url();
  }
}
