// GraphQL Inspector: checks that schema.graphql has no breaking change against tests/contract.graphql. Additions are
// allowed.

import { readFileSync } from 'node:fs';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildASTSchema, buildSchema, parse } from 'graphql';
import { expect, expectEqual, finish } from './report.mjs';

// Types of the contract that the gateway does not serve yet. A type is compared as soon as the schema has it.
const NOT_SERVED_YET = ['Subscription', 'CustomerEvent', 'CustomerEventType'];

const text = readFileSync('tests/contract.graphql', 'utf8');
const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));

const missing = NOT_SERVED_YET.filter((name) => !schema.getType(name));
const changes = await diff(contractWithout(missing), schema);
const of = (level) => changes.filter(({ criticality }) => criticality.level === level);
for (const { message } of of(CriticalityLevel.Breaking)) expect('the contract holds', false, message);
for (const { message } of of(CriticalityLevel.Dangerous)) console.log(`dangerous, not breaking: ${message}`);
expectEqual('breaking changes', of(CriticalityLevel.Breaking).length, 0);
console.log(`contract: ${of(CriticalityLevel.NonBreaking).length} additions; not served yet: ${missing.join(', ') || 'none'}`);

// Checks that the diff can fail: a schema without one field and without one non-null guarantee.
const broken = text.replace('  externalId: String\n', '').replace('status: CustomerStatus!', 'status: CustomerStatus');
const found = (await diff(buildSchema(text), buildSchema(broken))).map(({ path, type }) => `${type} ${path}`);
expectEqual('the diff detects breaking changes', found.sort(), [
  'FIELD_REMOVED Customer.externalId',
  'FIELD_TYPE_CHANGED Customer.status',
]);
finish('contract');

function contractWithout(names) {
  const document = parse(text);
  const definitions = document.definitions.filter((definition) => !names.includes(definition.name?.value));
  return buildASTSchema({ ...document, definitions });
}
