// Chromium as the tests use it: it can reach this machine alone, and what it asks for and complains about is written down.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const PICTURES = process.env.PICTURES ?? 'pictures';
/** GraphiQL reads a document a tenth of a second after it changed, and names its tab by it. */
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
      // No name is looked up: a request that tried to leave would fail, and be seen.
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    ],
  });

/** A page of its own, as somebody sees it for the first time. */
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
    // What a worker may not do is told here as well.
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** Until the editor stands, the schema is known and the gateway has said who one is. */
  async ready() {
    await this.page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await this.page.locator('.graphiql-spinner').waitFor({ state: 'detached' });
    await this.page.waitForFunction(() => !document.querySelector('[popovertarget=playground-who]')?.textContent?.includes('…'));
    return this;
  }

  /** Nobody else was asked for anything, and nothing was refused or broke. */
  async close({ complaints = [] } = {}) {
    const others = this.requests.map((request) => request.url()).filter((url) => !/^(data:|blob:)/.test(url));
    assert.deepEqual(others.filter((url) => new URL(url).origin !== this.url), []);
    const unexpected = this.complaints.filter((said) => !complaints.some((expected) => expected.test(said)));
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

  /** What an editor shows; it draws no line that is out of sight. */
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

  /** Puts another document into the editor, as if it were pasted. */
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

  /** Runs what is there, and waits until the answer to that holds a text. */
  async run(expected) {
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.getByRole('button', { name: /^Execute query/ }).click();
    await (await answered).finished();
    await this.shows(expected);
  }

  /** Runs one of several operations, chosen from the menu of the button. */
  async runOperation(name, expected) {
    await this.page.getByRole('button', { name: /^Execute query/ }).click();
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.getByRole('menuitem', { name }).click();
    await (await answered).finished();
    // A menu that closes gives the focus back to its button: a key that is pressed before that goes to the button.
    await this.page.getByRole('menu').waitFor({ state: 'detached' });
    await this.shows(expected);
  }

  /** Runs the last operation of the document: the cursor stands in it. */
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

  /** Waits until the header shows what a run cost: planned and made. */
  async costs(...numbers) {
    const shown = (expected) =>
      [...document.querySelectorAll('.playground-cost dd')].map((number) => number.textContent).join() === expected;
    await this.page.waitForFunction(shown, numbers.join(), { timeout: 15_000 });
  }

  /** Everything that the browser would still have after the page is closed. */
  async kept() {
    const { cookies, origins } = await this.context.storageState({ indexedDB: true });
    const session = await this.page.evaluate(() => JSON.stringify({ ...sessionStorage }));
    return JSON.stringify({ cookies, origins }) + session + this.page.url();
  }
}
