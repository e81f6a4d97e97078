// Selects every field of the schema for the sandbox's named customers, and checks the type of each value.

import { readFileSync } from 'node:fs';
import { buildSchema, getNamedType, isAbstractType, isObjectType, parse, validate } from 'graphql';
import { expect, expectEqual, finish } from '../report.mjs';
import { startGateway } from './gateway.mjs';
import { everythingOf, misfits } from './selection.mjs';

const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
const NAMED = [1, 2, 3, 4, 5, 6].map((number) => `0190b2de-7c11-7c3a-8f10-00000000000${number}`);
const UNKNOWN = '0190b2de-7c11-7c3a-8f10-000000000000';
const selection = (root, field) => everythingOf(getNamedType(schema.getType(root).getFields()[field].type), schema);

const gateway = await startGateway();
const [seen, selected] = [new Set(), new Set()];
await ask('query', 'viewer', 'viewer');
await ask('query', 'customers', 'customers(first: 2)');
await ask('query', 'customerPage', 'customerPage(size: 2)');
await ask('query', 'nodes', `nodes(ids: ["${NAMED[0]}", "${UNKNOWN}"])`);
for (const id of NAMED) {
  await ask('query', 'customer', `customer(id: "${id}")`);
  await ask('query', 'customerReview', `customerReview(customerId: "${id}")`);
  await ask('mutation', 'unmaskCustomer', `unmaskCustomer(input: { id: "${id}" })`);
}
await ask('mutation', 'unmaskCustomer', `unmaskCustomer(input: { id: "${UNKNOWN}" })`);
for (const id of [NAMED[4], UNKNOWN]) await ask('mutation', 'deleteCustomer', `deleteCustomer(input: { id: "${id}" })`);
for (const id of [NAMED[0], UNKNOWN]) {
  await ask('mutation', 'decideCustomerReview', `decideCustomerReview(input: { customerId: "${id}", decision: VERIFIED })`);
}
await gateway.stop();

// Every field has a value in at least one of the sandbox's customers, so no field may be null in all of them.
const fields = [...selected].flatMap((type) => Object.keys(type.getFields()).map((field) => `${type.name}.${field}`));
// In the sandbox mode a caller has neither a subject nor an account.
const EMPTY = ['Viewer.subject', 'Viewer.accountId'];
expectEqual('every field has a value at least once', fields.filter((field) => !seen.has(field) && !EMPTY.includes(field)), []);
console.log(`${seen.size} fields of ${selected.size} types had a value of their type`);

// Checks that the type check can fail.
const planted = { __typename: 'CustomerEdge', cursor: 1, node: null };
expectEqual('a value of another type is found', [...misfits(planted, schema.getType('CustomerEdge'), schema, new Set())], ['.cursor: 1 is not of type String', '.node: is null']);
finish('everything');

async function ask(kind, field, call) {
  const root = kind === 'query' ? 'Query' : 'Mutation';
  const query = `${kind} { ${call} ${selection(root, field)} }`;
  expectEqual(`${call} is valid`, validate(schema, parse(query)).map(String), []);
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  expectEqual(`${call} returns no errors`, errors, undefined);
  const type = schema.getType(root).getFields()[field].type;
  reach(getNamedType(type));
  const wrong = [...misfits(data?.[field], type, schema, seen, field)];
  expect(`every value of ${call} has its type`, wrong.length === 0, wrong.slice(0, 10));
}

/** Adds a type and all object types below it to `selected`. */
function reach(type) {
  if (selected.has(type)) return;
  if (isObjectType(type)) selected.add(type);
  const inside = isAbstractType(type) ? schema.getPossibleTypes(type) : Object.values(type.getFields?.() ?? {}).map(({ type }) => getNamedType(type));
  inside.forEach(reach);
}
