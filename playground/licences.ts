// Writes `licences.txt`: the licence notices of every package with code, styles or fonts in the bundle.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Plugin } from 'vite';

/** Licences that require only their notice. A package with another licence fails the build and needs a review. */
const GOOD = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'OFL-1.1', 'Python-2.0']);

/** One plugin for the page and one for its workers, which are separate bundles. The page's plugin writes the file. */
export function licences(): { page: Plugin; worker: () => Plugin } {
  const packages = new Set<string>();
  const note = (id: string) => {
    const root = packageOf(id);
    if (root) packages.add(root);
  };
  return {
    page: {
      name: 'licences',
      moduleParsed: ({ id }) => note(id),
      generateBundle(_options, bundle) {
        // Style sheets load the fonts, so fonts are assets and not modules.
        for (const file of Object.values(bundle)) {
          if (file.type === 'asset') file.originalFileNames.forEach((name) => note(join(this.environment.config.root, name)));
        }
        const notices = [...packages].map(noticeOf).sort();
        this.emitFile({ type: 'asset', fileName: 'licences.txt', source: notices.join(`\n${'-'.repeat(80)}\n\n`) });
      },
    },
    worker: () => ({ name: 'licences-of-workers', moduleParsed: ({ id }) => note(id) }),
  };
}

/** The folder of the package that contains a module. */
function packageOf(id: string): string | undefined {
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
}

function noticeOf(root: string): string {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  if (!GOOD.has(license)) throw new Error(`${name} has the licence ${license}: review it, then add it to licences.ts`);
  const files = readdirSync(root).filter((file) => /^(licen[cs]e|notice|thirdpartynotices)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(root, file), 'utf8').trim());
  if (texts.length === 0) {
    if (license !== 'MIT') throw new Error(`${name} does not contain the text of its licence ${license}`);
    texts.push(MIT(typeof author === 'string' ? author : `the authors of ${name}`));
  }
  return `${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`;
}

/** For the few packages that name this licence but do not contain its text. */
const MIT = (authors: string) => `MIT License

Copyright (c) ${authors}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
