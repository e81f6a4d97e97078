// Makes dist/ what the gateway embeds: each file compressed once, here, and a list of the sources that it was made of.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Already compressed; and the page itself, which the gateway fills in. */
const AS_IT_IS = /\.(woff2|html)$/;
const NOT_A_SOURCE = new Set(['dist', 'node_modules']);

function* files(folder, below = '') {
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) yield* files(folder, path);
    else yield path;
  }
}

for (const path of [...files('dist')].filter((path) => !AS_IT_IS.test(path))) {
  const raw = readFileSync(join('dist', path));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length };
  writeFileSync(join('dist', `${path}.br`), brotliCompressSync(raw, { params }));
  rmSync(join('dist', path));
}

const sources = [...files('.')].filter((path) => !NOT_A_SOURCE.has(path.split('/')[0])).sort();
const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
// As `sha256sum --check` reads it.
writeFileSync('dist/sources.sha256', sources.map((path) => `${hash(path)}  ${path}\n`).join(''));
