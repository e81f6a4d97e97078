// GraphQL Inspector's coverage: the fields that the operations in the documents and in the tests select. A root field
// that none of them selects fails this judge. Other unused fields are listed.

import { readFileSync } from 'node:fs';
import { coverage } from '@graphql-inspector/core';
import {
  KnownFragmentNamesRule,
  NoUnusedFragmentsRule,
  Source,
  buildSchema,
  getNamedType,
  print,
  specifiedRules,
  validate,
} from 'graphql';
import { expect, expectEqual, finish } from '../report.mjs';
import { documentsOf, filesOf, withoutClientDirectives } from './documents.mjs';
import { everythingOf } from './selection.mjs';

const root = process.env.PROJECT_ROOT;
const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
// A fragment can be in another file than the operation that spreads it.
const apart = [KnownFragmentNamesRule, NoUnusedFragmentsRule];
const rules = specifiedRules.filter((rule) => !apart.includes(rule));

const shown = covered(['README.md', 'docs']);
const used = covered(['README.md', 'docs', 'tests'], schema, [everything()]);
console.log(`documents: ${shown.summary}\nwith the tests: ${used.summary}`);
console.log(`never used:${used.unused.map((line) => `\n  ${line}`).join('') || ' nothing'}`);
expectEqual('every root field is used', used.unusedRoots, []);
expect('documents were found', used.documents > 100 && shown.documents > 5, [used.documents, shown.documents]);

// Checks that the coverage can fail.
const grown = buildSchema(`${readFileSync('schema.graphql', 'utf8')}\nextend type Query { neverAsked: Int }`);
expectEqual('the coverage finds an unused root field', covered(['docs'], grown).unusedRoots.includes('Query.neverAsked'), true);
finish('coverage');

/** The operations of everything.mjs, which are generated from the schema and are in no file. */
function everything() {
  const asked = { Query: ['viewer', 'customerPage', 'customerReview'], Mutation: ['unmaskCustomer', 'deleteCustomer'] };
  const operations = Object.entries(asked).map(([of, names]) => {
    const fields = names.map((name) => `${name} ${everythingOf(getNamedType(schema.getType(of).getFields()[name].type), schema)}`);
    return `${of.toLowerCase()} ${of} { ${fields.join(' ')} }`;
  });
  return new Source(operations.join('\n'), 'everything.mjs');
}

function covered(places, of = schema, more = []) {
  const sources = [...places.flatMap((place) => filesOf(`${root}/${place}`)).flatMap((file) => sourcesOf(file, of)), ...more];
  const { types, stats } = coverage(of, sources);
  const roots = [of.getQueryType(), of.getMutationType(), of.getSubscriptionType()].filter(Boolean).map(({ name }) => name);
  const gaps = Object.entries(types).map(([name, { children }]) => {
    const fields = Object.keys(children).filter((field) => children[field].hits === 0);
    return { name, fields, whole: fields.length === Object.keys(children).length };
  });
  return {
    documents: sources.length,
    summary: `${sources.length} documents use ${stats.numFieldsCovered} of ${stats.numFields} fields of ${stats.numTypesCovered} of ${stats.numTypes} types`,
    unused: gaps.filter(({ fields }) => fields.length > 0).map(({ name, fields, whole }) => (whole ? name : `${name}: ${fields.join(', ')}`)),
    unusedRoots: gaps.filter(({ name }) => roots.includes(name)).flatMap(({ name, fields }) => fields.map((field) => `${name}.${field}`)),
  };
}

/** The valid documents of a file. Documents with `__type` are left out, because GraphQL Inspector fails on them. */
function sourcesOf(file, schema) {
  const sent = documentsOf(file).map(({ document }) => withoutClientDirectives(document, schema));
  const right = sent.filter((document) => validate(schema, document, rules).length === 0);
  const texts = right.map((document) => print(document)).filter((text) => !text.includes('__type('));
  return texts.map((text, at) => new Source(text, `${file}#${at}`));
}
