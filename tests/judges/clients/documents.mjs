// Finds GraphQL documents in fenced blocks, in `.graphql` files and in string literals.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Kind, parse, visit } from 'graphql';

const STRINGS = {
  md: /^ *```graphql[^\n]*\n([\s\S]*?)^ *```/gm,
  rs: /r#"([\s\S]*?)"#|"((?:[^"\\]|\\[\s\S])*)"/g,
  py: /"""([\s\S]*?)"""|"((?:[^"\\\n]|\\.)*)"/g,
};
const TEMPLATES = /`([^`]*)`|'((?:[^'\\\n]|\\.)*)'/g;
const KINDS = { ...STRINGS, js: TEMPLATES, mjs: TEMPLATES, ts: TEMPLATES, graphql: /^([\s\S]*)$/g };

/** The files below a folder that can contain GraphQL, or the file itself. */
export function filesOf(path) {
  if (kindOf(path) in KINDS) return [path];
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !/^(node_modules|target|\..*)$/.test(name));
  return entries.flatMap((entry) => {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) return filesOf(inside);
    return kindOf(entry.name) in KINDS ? [inside] : [];
  });
}

/** The documents in a file that contain only operations and fragments, as `{ text, line, document }`. */
export function documentsOf(file) {
  const source = readFileSync(file, 'utf8');
  const found = [];
  for (const match of source.matchAll(KINDS[kindOf(file)])) {
    const written = match.slice(1).find((group) => group !== undefined);
    const text = match[2] === undefined ? written : unescaped(written);
    const document = parsed(text) ?? parsed(text.replaceAll('{{', '{').replaceAll('}}', '}'));
    if (document) found.push({ text, document, line: source.slice(0, match.index).split('\n').length });
  }
  return found;
}

/** The document without the directives that a client's compiler removes. */
export function withoutClientDirectives(document, schema) {
  return visit(document, {
    Directive: (node) => (schema.getDirective(node.name.value) ? undefined : null),
  });
}

function kindOf(file) {
  return file.split('.').at(-1);
}

function unescaped(written) {
  return written.replace(/\\\n\s*/g, '').replace(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character));
}

function parsed(text) {
  if (!text.includes('{')) return undefined;
  try {
    const document = parse(text, { allowLegacyFragmentVariables: true });
    const executable = ({ kind }) => kind === Kind.OPERATION_DEFINITION || kind === Kind.FRAGMENT_DEFINITION;
    return document.definitions.every(executable) ? document : undefined;
  } catch {
    return undefined;
  }
}
