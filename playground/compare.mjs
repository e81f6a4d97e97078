// Compares the files of two bundles. Compressed files are compared after decompression, because another version of Node
// may compress the same content to other bytes.
//   usage: node compare.mjs FOLDER FOLDER

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

function contents(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1)).sort();
  const read = (path) => {
    const bytes = readFileSync(join(folder, path));
    return path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes;
  };
  return new Map(paths.map((path) => [path, read(path)]));
}

const [committed, built] = process.argv.slice(2).map(contents);
const wrong = [];
for (const path of new Set([...committed.keys(), ...built.keys()])) {
  const [one, other] = [committed.get(path), built.get(path)];
  if (!other) wrong.push(`${path} is not part of a build of the current sources`);
  else if (!one) wrong.push(`${path} is missing`);
  else if (!one.equals(other)) wrong.push(`${path} differs`);
}
if (wrong.length > 0) {
  console.error([...wrong, 'dist/ differs from a build of the current sources. Run: npm ci && npm run build'].join('\n'));
  process.exit(1);
}
console.log(`dist/ equals a build of the current sources: ${committed.size} files`);
