// Runs the examples of the documents. Every GraphQL block is sent to a gateway with a freshly reset sandbox and must
// return no error. Every other code block of docs/frontend.md must be part of a file in this folder, which runs.

import { readFileSync, readdirSync } from 'node:fs';
import { Kind, buildSchema, isNonNullType, parse, typeFromAST } from 'graphql';
import { expect, expectEqual, finish } from '../report.mjs';
import { startGateway } from './gateway.mjs';

const root = process.env.PROJECT_ROOT;
const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
// A customer in review, so that a decision is possible.
const RHEA = '0190b2de-7c11-7c3a-8f10-000000000006';

const names = readdirSync(`${root}/docs`).filter((name) => name.endsWith('.md')).sort();
const documents = ['README.md', ...names.map((name) => `docs/${name}`)];
const gateway = await startGateway({ GATEWAY__CACHE__ENABLED: 'false' });
let operations = 0;
for (const file of documents) {
  const blocks = blocksOf(readFileSync(`${root}/${file}`, 'utf8'));
  for (const [at, block] of blocks.entries()) {
    const where = `${file}:${block.line}`;
    if (block.language === 'graphql') await run(where, block.text, variablesAfter(blocks[at + 1]));
    if (block.language === 'sh') for (const body of curls(where, block.text)) await run(where, body.query, body.variables);
  }
}
await gateway.stop();
expect('operations were found', operations > 10, operations);

const sources = readdirSync('.', { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && !/node_modules|\/gql|__generated__|\/bin/.test(entry.parentPath ?? entry.path))
  .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
  .filter((path) => /\.(ts|mjs|js|sh|json)$/.test(path) && !/(docs\.mjs|package-lock\.json|\.d\.m?ts)$/.test(path));
const texts = sources.map((path) => flat(readFileSync(path, 'utf8')));
const shown = blocksOf(readFileSync(`${root}/docs/frontend.md`, 'utf8')).filter(({ language, variables }) => language !== 'graphql' && !variables);
for (const { text, line } of shown) {
  const pieces = text.split(/^\s*\/\/ …\n/m).map((piece) => flat(piece).trim());
  expect(`docs/frontend.md:${line} is part of a file that runs`, texts.some((source) => pieces.every((piece) => source.includes(piece))), text);
}
expect('the search does not find a missing block', !texts.some((source) => source.includes(flat('const nowhere = 1;'))));
expect('blocks were found', shown.length > 10, shown.length);
console.log(`${operations} operations of ${documents.length} documents ran; ${shown.length} other blocks of docs/frontend.md are part of files that run`);
finish('docs');

/** The fenced blocks with their line numbers. A JSON block directly after a GraphQL block contains its variables. */
function blocksOf(text) {
  const blocks = [...text.matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```/gm)].map((match) => ({
    language: match[1],
    text: match[2],
    line: text.slice(0, match.index).split('\n').length,
  }));
  for (const [at, block] of blocks.entries()) {
    block.variables = block.language === 'json' && blocks[at - 1]?.language === 'graphql';
  }
  return blocks;
}

function variablesAfter(next) {
  return next?.variables ? JSON.parse(next.text) : {};
}

/** The request bodies of the curl commands in a text. */
function curls(where, text) {
  const bodies = [...text.matchAll(/\/graphql[^']*'content-type: application\/json'[^']*-d '([^']*)'/g)].map((match) => {
    try {
      return JSON.parse(match[1]);
    } catch (error) {
      expect(`${where} sends JSON`, false, String(error));
      return {};
    }
  });
  return bodies.filter(({ query }) => query);
}

async function run(where, query, given = {}) {
  const document = parse(query);
  const definition = document.definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  // A subscription returns a stream of events and is not run here. schema.mjs validates it.
  if (!definition || definition.operation === 'subscription') return;
  operations += 1;
  await gateway.control('POST', 'reset');
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables: { ...needed(definition, given), ...given } }),
  });
  const { data, errors } = await response.json();
  expectEqual(`${where} runs without an error`, [response.status, errors], [200, undefined]);
  expectEqual(`${where} has no user errors`, [...userErrors(data)], []);
}

/** Values for required variables that the document does not give: Rhea's id for `ID!`, 5 for `Int!`. */
function needed({ variableDefinitions }, given) {
  const required = variableDefinitions.filter(({ type, defaultValue }) => isNonNullType(typeFromAST(schema, type)) && !defaultValue);
  const missing = required.filter(({ variable }) => !(variable.name.value in given));
  const values = missing.map(({ variable, type }) => {
    const name = String(typeFromAST(schema, type));
    if (name === 'ID!') return [variable.name.value, RHEA];
    if (name === 'Int!') return [variable.name.value, 5];
    throw new Error(`add a JSON block with $${variable.name.value} after the operation`);
  });
  return Object.fromEntries(values);
}

function* userErrors(data) {
  for (const [name, value] of Object.entries(data ?? {})) {
    if (name === 'userErrors') yield* value;
    else if (value && typeof value === 'object') yield* userErrors(value);
  }
}

/** The text without indentation, because a block has another indentation in a document than in its file. */
function flat(text) {
  return text.replace(/^[ \t]+/gm, '').replace(/^#!.*\n/, '');
}
