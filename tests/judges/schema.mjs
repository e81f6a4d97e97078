// Checks with graphql-js that schema.graphql is valid, that the running gateway serves exactly this schema, and that
// every operation in the documents is valid.

import { readFileSync, readdirSync, existsSync } from 'node:fs';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  isSpecifiedDirective,
  lexicographicSortSchema,
  parse,
  printSchema,
  validate,
  validateSchema,
} from 'graphql';
import { expect, expectEqual, finish } from './report.mjs';

const written = buildSchema(readFileSync('schema.graphql', 'utf8'));
expectEqual('schema.graphql is valid', validateSchema(written).map(String), []);
const types = Object.values(written.getTypeMap()).filter((type) => !type.name.startsWith('__'));
console.log(`schema.graphql: ${types.length} types`);

const served = buildClientSchema(await introspect());
// The engine adds a general description of schemas to introspection, but not to the SDL that it exports.
served.description = undefined;
firstDifference(printed(served), printed(written));
const undescribed = [...describable(served)].filter(([, item]) => !item.description).map(([name]) => name);
expectEqual('everything in the served schema has a description', undescribed, []);

const documents = ['README.md', ...(existsSync('docs') ? readdirSync('docs').sort().map((name) => `docs/${name}`) : [])];
for (const file of documents.filter((name) => name.endsWith('.md'))) {
  if (existsSync(file)) checkOperations(file);
  else console.log(`${file}: missing, skipped`);
}
finish('schema');

async function introspect() {
  const query = getIntrospectionQuery({
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  });
  const response = await fetch(process.env.GATEWAY_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  expectEqual('introspection has no errors', [response.status, errors], [200, undefined]);
  return data;
}

function printed(schema) {
  return printSchema(lexicographicSortSchema(schema)).split('\n');
}

function firstDifference(served, written) {
  const line = served.findIndex((text, at) => text !== written[at]);
  const same = line === -1 && served.length === written.length;
  const detail = `line ${line + 1} sorted: served "${served[line]}", schema.graphql has "${written[line]}"`;
  expect('the gateway serves schema.graphql', same, detail);
  console.log(`introspection: ${served.length} lines of SDL compared, descriptions included`);
}

/** Every type, field, argument, enum value and directive that the project defines, with its name. */
function* describable(schema) {
  for (const directive of schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive))) {
    yield [`@${directive.name}`, directive];
  }
  const builtIn = ['String', 'Int', 'Float', 'Boolean', 'ID'];
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__') || builtIn.includes(type.name)) continue;
    yield [type.name, type];
    for (const value of type.getValues?.() ?? []) yield [`${type.name}.${value.name}`, value];
    for (const field of Object.values(type.getFields?.() ?? {})) {
      yield [`${type.name}.${field.name}`, field];
      for (const argument of field.args ?? []) yield [`${type.name}.${field.name}(${argument.name})`, argument];
    }
  }
}

/** Validates the operations in blocks fenced as ```graphql. Blocks with type definitions are skipped. */
function checkOperations(file) {
  const text = readFileSync(file, 'utf8');
  let operations = 0;
  for (const fence of text.matchAll(/^ *```graphql[^\n]*\n([\s\S]*?)^ *```/gm)) {
    const line = text.slice(0, fence.index).split('\n').length;
    let document;
    try {
      document = parse(fence[1]);
    } catch (error) {
      expect(`${file}:${line}`, false, String(error));
      continue;
    }
    const executable = ({ kind }) => kind === 'OperationDefinition' || kind === 'FragmentDefinition';
    if (!document.definitions.every(executable)) continue;
    operations += 1;
    expectEqual(`${file}:${line} is valid`, validate(written, document).map((error) => error.message), []);
  }
  console.log(`${file}: ${operations} operations`);
}
