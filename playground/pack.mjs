// Prepares dist/ for embedding into the gateway: compresses each file with brotli and lists the hashes of the sources.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Not compressed: fonts, which are compressed already, and the page, in which the gateway replaces placeholders. */
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
// The format of `sha256sum --check`.
writeFileSync('dist/sources.sha256', sources.map((path) => `${hash(path)}  ${path}\n`).join(''));
