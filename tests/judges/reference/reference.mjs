// Compares the gateway with graphql-js. For thousands of random documents, many of them invalid, the gateway must
// accept the same documents as graphql-js, and its response to a query must equal the response of graphql-js over the
// same data.
//
//   GATEWAY_URL=… [FEDERATION_URL=…] node reference.mjs [--documents N] [--seed N] [--only N] [--all]
//
// Both URLs are of gateways over a sandbox with `auth.mode = "passthrough"` and long times to live, the second one with
// `graphql.federation`. The script prints one document for each kind of failure, reduced to a small document that still
// fails in the same way. `--all` prints every document. `--seed S --only N` repeats document N of seed S.
//
// The script compares the verdict and its reason (syntax, validation, variables, operation name). For queries it also
// compares `data` as JSON with the order of its keys, and the set of paths that an error made null. Known differences
// are left out:
//   - Custom scalars. graphql-js accepts any value for them. The generator makes valid values. If a change to
//     the document leaves another value, the verdict is not compared.
//   - null for a nullable variable with a default in `@include` or `@skip`. The gateway rejects the request, graphql-js
//     fails the parent field.
//   - Operations without a root type in the schema. The specification rejects the document; graphql-js 16 fails later.
//   - `includeDeprecated` of introspection: `Boolean! = false` in the specification, nullable in graphql-js 16.
//   - `__typename` and a field of another shape under one response key, on types that exclude each other. The
//     specification rejects the document, graphql-js ignores the type of `__typename`.
//   - Strings with two spellings under one response key. graphql-js treats `"a"` and `"""a"""` as different values.
//   - graphql-js's own limit on nested introspection, and the descriptions of the built-in scalars.
//   - Which of several errors is reported if they make the same path null. The specification does not define this.
//   - Documents over a limit of the gateway (OPERATION_TOO_LARGE). More than one in fifty is a failure.

import { readFileSync } from 'node:fs';
import {
  GraphQLBoolean,
  GraphQLNonNull,
  Kind,
  TypeInfo,
  __Type,
  buildClientSchema,
  buildSchema,
  execute,
  getIntrospectionQuery,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isIntrospectionType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  parse,
  specifiedRules,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { expect, finish } from '../report.mjs';
import { Customers, Gateway, resolvers } from './data.mjs';
import { Generator } from './generate.mjs';
import { mutate } from './mutate.mjs';
import { Random } from './random.mjs';
import { shrink } from './shrink.mjs';

const option = (word, otherwise) => {
  const at = process.argv.indexOf(`--${word}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const SEED = option('seed', 1);
const DOCUMENTS = option('documents', 2500);
const ONLY = option('only', undefined);
const ALL = process.argv.includes('--all');
const CONCURRENCY = 8;
/** How many failures are reduced, and how many requests each of them may take. */
const MAX_REDUCED = 40;
const MAX_REDUCE_REQUESTS = 600;
const NAMED = [1, 2, 3, 4, 5, 6].map((at) => `0190b2de-7c11-7c3a-8f10-${String(at).padStart(12, '0')}`);

// ---- gateway and reference -----------------------------------------------------------------------------------------

const targets = [await connect(process.env.GATEWAY_URL, buildSchema(readFileSync('schema.graphql', 'utf8')))];
if (process.env.FEDERATION_URL) {
  const gateway = new Gateway(process.env.FEDERATION_URL, 'reference-reads');
  const schema = buildClientSchema(await gateway.read(getIntrospectionQuery({ oneOf: true })));
  targets.push({ ...(await connect(process.env.FEDERATION_URL, schema)), federation: true });
}

/** A gateway, and graphql-js's schema, data and resolvers for the same. */
async function connect(url, schema) {
  const gateway = new Gateway(url, 'reference-reads');
  const list = `query($after: String) {
    customers(first: 100, after: $after) {
      edges { cursor node { id name email } }
      pageInfo { hasNextPage endCursor }
    }
  }`;
  const edges = [];
  for (let after = null, more = true; more;) {
    const { customers: window } = await gateway.read(list, { after });
    edges.push(...window.edges);
    after = window.pageInfo.endCursor;
    more = window.pageInfo.hasNextPage;
  }
  const customers = new Customers(gateway, schema);
  await customers.load(edges.map(({ node }) => node.id));
  prepare(schema);
  for (const type of Object.values(schema.getTypeMap()).filter(isSpecifiedScalarType)) {
    const read = await gateway.read('query($name: String!) { __type(name: $name) { description } }', {
      name: type.name,
    });
    type.description = read.__type?.description;
  }
  // Mutations use another key, and so another data set. They do not change the data of the queries.
  const writes = new Gateway(url, 'reference-writes');
  return { gateway, writes, schema, samples: samples(schema, edges), root: resolvers(gateway, customers, schema) };
}

/** Values for arguments by their names, and for scalars by the names of their types. */
function samples(schema, edges) {
  const ids = [...NAMED, ...NAMED, ...edges.slice(0, 6).map(({ node }) => node.id)];
  ids.push('0190b2de-7c11-7c3a-8f10-0000000fffff', 'no-uuid');
  const cursors = [...edges.slice(0, 4).map(({ cursor }) => cursor), 'no-cursor'];
  const names = edges.slice(0, 8).map(({ node }) => node.name.split(' ')[0]);
  const types = Object.values(schema.getTypeMap());
  const own = types.filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
  return {
    id: ids,
    ids,
    customerId: ids,
    externalId: ['ada-1', 'blue-kettle-2', 'rex-3', 'nobody'],
    after: cursors,
    before: cursors,
    name: [...names, ...own.map((type) => type.name)],
    email: edges.slice(0, 3).map(({ node }) => node.email),
    search: names,
    ID: ids,
    String: ['', 'text', 'ümlaut', 'a "quote"', 'line\nbreak', '\u{1F600}'],
    DateTime: ['2020-01-01T00:00:00Z', '2026-07-07T06:21:44+02:00', '2030-01-01T00:00:00.5Z'],
    Date: ['2026-07-07'],
    _Any: [
      ...NAMED.slice(0, 3).map((id) => ({ __typename: 'Customer', id })),
      { id: NAMED[3], __typename: 'Customer' },
      { __typename: 'Customer', id: 'no-uuid' },
      { __typename: 'Other', id: NAMED[0] },
      { __typename: 'Customer' },
      {},
    ],
  };
}

/** Adds the parts that a schema from SDL or introspection lacks. */
function prepare(schema) {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isUnionType(type)) type.resolveType = (value) => value.__typename;
  }
  schema.getType('Node').resolveType = () => 'Customer';
  const any = schema.getType('_Any');
  if (any) any.parseLiteral = literalValue;
  const introspected = Object.values(__Type.getFields()).flatMap(({ args }) => args);
  for (const argument of introspected.filter(({ name }) => name === 'includeDeprecated')) {
    argument.type = new GraphQLNonNull(GraphQLBoolean);
  }
}

function literalValue(node, variables) {
  switch (node.kind) {
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, literalValue(value, variables)]));
    case Kind.LIST:
      return node.values.map((value) => literalValue(value, variables));
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.VARIABLE:
      return variables?.[node.name.value] ?? null;
    default:
      return node.value;
  }
}

// ---- the comparison ------------------------------------------------------------------------------------------------

const RULES = specifiedRules.filter(({ name }) => name !== 'MaxIntrospectionDepthRule');
const REASONS = {
  GRAPHQL_PARSE_FAILED: 'syntax',
  GRAPHQL_VALIDATION_FAILED: 'validation',
  BAD_USER_INPUT: 'variables',
  BAD_REQUEST: 'operation name',
};

/** graphql-js's verdict: `{ refused, rule, why }`, or `{ document, operation }`. */
function verdict(schema, { text, variables, operationName }) {
  let document;
  try {
    document = visit(parse(text), { StringValue: (node) => ({ ...node, block: false }) });
  } catch (error) {
    const [{ line, column }] = error.locations;
    return { refused: 'syntax', why: `${error.message} at line ${line}, column ${column}` };
  }
  const [invalid] = validate(schema, document, RULES);
  if (invalid) {
    const rule = RULES.find((one) => validate(schema, document, [one]).length > 0);
    return { refused: 'validation', rule: rule?.name, why: invalid.message };
  }
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const rootless = operations.find(({ operation }) => !schema.getRootType(operation));
  if (rootless)
    return { refused: 'validation', rule: 'KnownOperationTypes', why: `no root type: ${rootless.operation}` };
  const operation = getOperationAST(document, operationName);
  if (!operation) return { refused: 'operation name', why: 'no operation of this name, or no name for one of several' };
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (errors) return { refused: 'variables', why: errors[0].message };
  return { document, operation };
}

/** How gateway and reference differ on a request, as `{ kind, detail }`; undefined where they agree. */
async function difference(target, request) {
  const { schema, gateway, writes, root } = target;
  const { text: query, variables, operationName } = request;
  const reference = verdict(schema, request);
  const response = await (/mutation/.test(query) ? writes : gateway).post({ query, variables, operationName });
  const codes = (response.errors ?? []).map(({ extensions }) => extensions?.code);
  if (codes.includes('OPERATION_TOO_LARGE')) return { kind: undefined, unjudged: true };
  if (codes.includes('INTERNAL_SERVER_ERROR')) return { kind: 'internal error', detail: response };
  const refused = !('data' in response);
  if (refused && !reference.refused) {
    if (hasLooseValue(target, reference, request) || hasTypenameBesideField(reference)) return undefined;
    return { kind: `rejected, but valid: ${general(response.errors[0].message)}`, detail: response };
  }
  if (!refused && reference.refused) {
    const kind = `accepted, but rejected by ${reference.rule ?? `${reference.refused}: ${general(reference.why)}`}`;
    return { kind, detail: { reference: reference.why, response } };
  }
  if (refused) {
    const reason = REASONS[codes[0]] ?? codes[0];
    if (reason === reference.refused) return undefined;
    const kind = `rejected as ${reason}, but by the reference as ${reference.refused}`;
    return { kind, detail: { reference: reference.why, response } };
  }
  if (reference.operation.operation !== 'query') return undefined;
  const wanted = await execute({
    schema,
    document: reference.document,
    rootValue: root,
    variableValues: variables,
    operationName,
  });
  if (JSON.stringify(response.data) !== JSON.stringify(wanted.data)) {
    return {
      kind: `other data: ${firstDifference(response.data, wanted.data)}`,
      detail: { reference: wanted, response },
    };
  }
  if (nullPlaces(response) !== nullPlaces(wanted)) {
    return { kind: 'errors at other paths', detail: { reference: wanted, response } };
  }
  return undefined;
}

/** The paths that errors made null. For an error in a non-null field this is a path above that of the error. */
function nullPlaces({ data, errors = [] }) {
  const places = errors.map(({ path }) => {
    if (!path) return 'no path';
    let value = data;
    let depth = 0;
    while (depth < path.length && value !== null && value !== undefined) value = value[path[depth++]];
    return JSON.stringify(path.slice(0, depth));
  });
  return [...new Set(places)].sort().join(' ');
}

/** Whether a document has a value that only the gateway checks: a custom scalar, or null for a condition. */
function hasLooseValue({ schema, samples: known }, { document }, { variables }) {
  const info = new TypeInfo(schema);
  let found = false;
  const look = (node) => {
    const type = getNamedType(info.getInputType());
    const variable = node.kind === Kind.VARIABLE ? variables[node.name.value] : undefined;
    if (variable === null && info.getDirective()) found = true;
    if (!isScalarType(type) || isSpecifiedScalarType(type) || type.name === '_Any') return;
    const value = node.kind === Kind.STRING ? node.value : variable;
    if (![value].flat().every((one) => known[type.name].includes(one))) found = true;
  };
  const kinds = ['IntValue', 'FloatValue', 'StringValue', 'BooleanValue', 'EnumValue', 'ObjectValue', 'Variable'];
  visit(document, visitWithTypeInfo(info, Object.fromEntries(kinds.map((kind) => [kind, look]))));
  return found;
}

/** Whether one response key is used for `__typename` and for another field. */
function hasTypenameBesideField({ document }) {
  const keys = { typename: new Set(), field: new Set() };
  visit(document, {
    Field: ({ name, alias }) =>
      void keys[name.value === '__typename' ? 'typename' : 'field'].add((alias ?? name).value),
  });
  return [...keys.typename].some((key) => keys.field.has(key));
}

/** A message without names and numbers, so that all messages of one kind are equal. */
function general(message) {
  return message
    .replace(/ conflict because.*| Did you mean.*/s, '')
    .replace(/"[^"]*"|`[^`]*`/g, '…')
    .replace(/\d+/g, 'N')
    .slice(0, 110);
}

function firstDifference(got, wanted) {
  const isObject = (value) => value !== null && typeof value === 'object';
  if (!isObject(got) || !isObject(wanted)) {
    const kind = (value) => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);
    return kind(got) === kind(wanted) ? `another ${kind(got)}` : `${kind(got)} instead of ${kind(wanted)}`;
  }
  for (const key of Object.keys(wanted)) {
    if (!(key in got)) return 'a key is missing';
    if (JSON.stringify(got[key]) !== JSON.stringify(wanted[key])) return firstDifference(got[key], wanted[key]);
  }
  return Object.keys(got).length > Object.keys(wanted).length ? 'a key too many' : 'another order of keys';
}

// ---- the run -------------------------------------------------------------------------------------------------------

const WEIGHTS = { customer: 3, nodes: 2, node: 2, customers: 1.5, customerReview: 1.5, viewer: 0.7 };
const FEDERATION_WEIGHTS = { _entities: 6, _service: 0.2 };

const numbers = ONLY === undefined ? Array.from({ length: DOCUMENTS }, (_, at) => at) : [ONLY];
const failures = new Map();
const verdicts = new Map();
let unjudged = 0;
const started = Date.now();
await Promise.all(Array.from({ length: CONCURRENCY }, compareAll));
const seconds = ((Date.now() - started) / 1000).toFixed(0);
await report();

async function compareAll() {
  for (let number; (number = numbers.shift()) !== undefined;) {
    const target = targets.length > 1 && number % 6 === 5 ? targets[1] : targets[0];
    const request = make(target, number);
    const { refused, rule, why } = verdict(target.schema, request);
    if (ONLY !== undefined) console.log(JSON.stringify(request, undefined, 2), why ?? 'valid');
    const found = await difference(target, request).catch((error) => ({
      kind: 'no response',
      detail: String(error.stack),
    }));
    if (found?.unjudged) unjudged += 1;
    else verdicts.set(rule ?? refused, (verdicts.get(rule ?? refused) ?? 0) + 1);
    if (found?.kind)
      failures.set(found.kind, [...(failures.get(found.kind) ?? []), { number, target, request, ...found }]);
  }
}

function make(target, number) {
  const random = new Random(SEED, number);
  const root = random.chance(0.12) ? 'mutation' : 'query';
  const weights = target.federation ? FEDERATION_WEIGHTS : WEIGHTS;
  const generated = new Generator(random, target.schema, target.samples, { root, weights }).generate();
  return mutate(random, generated, target.schema);
}

async function report() {
  const kinds = [...failures].sort(([, one], [, other]) => other.length - one.length);
  let reduced = 0;
  for (const [kind, all] of kinds) {
    all.sort((one, other) => one.request.text.length - other.request.text.length);
    for (const failure of ALL ? all : all.slice(0, 1)) {
      const request = reduced++ < MAX_REDUCED ? await reduce(failure) : failure.request;
      const { detail } = (await difference(failure.target, request).catch(() => undefined)) ?? failure;
      const { text, variables, operationName, done } = request;
      const federation = failure.target.federation ? ' (federation)' : '';
      console.log(`\n--- ${kind}; ${all.length} of ${DOCUMENTS} documents`);
      console.log(`    --seed ${SEED} --only ${failure.number}${federation}; changed: ${done.join(', ') || 'nothing'}`);
      console.log(`${text}\nvariables ${JSON.stringify(variables)}, operationName ${JSON.stringify(operationName)}`);
      console.log(JSON.stringify(detail).slice(0, 1500));
    }
  }
  const valid = verdicts.get(undefined) ?? 0;
  const invalid = [...verdicts.values()].reduce((sum, count) => sum + count, -valid);
  console.log(
    `\n${valid} valid and ${invalid} invalid documents in ${seconds} s; ${unjudged} over a limit of the gateway`,
  );
  const reasons = [...verdicts].filter(([reason]) => reason).sort(([, one], [, other]) => other - one);
  console.log(`rejected by graphql-js: ${reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')}`);
  for (const [kind, all] of kinds) expect(kind, false, `${all.length} documents, such as --only ${all[0].number}`);
  expect(
    'gateway and graphql-js agree',
    failures.size === 0,
    `${[...failures.values()].flat().length} documents differ`,
  );
  if (ONLY === undefined) {
    expect('at least a third of the documents is valid, and a third is invalid', Math.min(valid, invalid) > DOCUMENTS / 3, {
      valid,
      invalid,
    });
    expect('few documents are over a limit', unjudged <= DOCUMENTS / 50, unjudged);
  }
  finish('reference');
}

/** The request of a failure, reduced to a small one that still fails in the same way. */
async function reduce({ kind, target, request }) {
  const { refused, rule } = verdict(target.schema, request);
  let left = MAX_REDUCE_REQUESTS;
  return shrink(request, async (candidate) => {
    const reference = verdict(target.schema, candidate);
    if (left <= 0 || reference.refused !== refused || reference.rule !== rule) return false;
    left -= 1;
    const found = await difference(target, candidate).catch(() => undefined);
    return found?.kind === kind;
  });
}
