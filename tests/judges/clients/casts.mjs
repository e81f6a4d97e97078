// Checks that the TypeScript here has no casts: no `as` except `as const`, no `any`, no `!`, and no comment that
// suppresses compiler errors. `@ts-expect-error` is allowed, because it fails if there is no error.

import { readFileSync, readdirSync } from 'node:fs';
import { parse } from '@babel/parser';
import { expect, expectEqual, finish } from '../report.mjs';

const ESCAPES = {
  TSAsExpression: (node) => node.typeAnnotation.typeName?.name !== 'const',
  TSTypeAssertion: () => true,
  TSNonNullExpression: () => true,
  TSAnyKeyword: () => true,
};

for (const folder of ['page', 'src']) {
  for (const name of readdirSync(folder).filter((name) => /(?<!\.d)\.ts$/.test(name))) {
    const found = escapes(readFileSync(`${folder}/${name}`, 'utf8'));
    expect(`${folder}/${name} has no cast`, found.length === 0, found);
  }
}

// Checks that the search can fail.
const planted = 'const a = b as C;\nconst d = e!;\nconst f: any = 1;\n// @ts-ignore\nconst g = h as const;\n';
expectEqual('the search finds casts', escapes(planted), ['1 TSAsExpression', '2 TSNonNullExpression', '3 TSAnyKeyword', '4 @ts-ignore']);
finish('casts');

function escapes(text) {
  const { program, comments } = parse(text, { sourceType: 'module', plugins: ['typescript'] });
  const silenced = comments.filter(({ value }) => /@ts-(ignore|nocheck)/.test(value));
  const nodes = [...walk(program)].filter((node) => ESCAPES[node.type]?.(node));
  return [
    ...nodes.map((node) => `${node.loc.start.line} ${node.type}`),
    ...silenced.map((comment) => `${comment.loc.start.line} ${comment.value.trim()}`),
  ];
}

function* walk(node) {
  if (Array.isArray(node)) for (const item of node) yield* walk(item);
  else if (typeof node?.type === 'string') {
    yield node;
    for (const value of Object.values(node)) yield* walk(value);
  }
}
