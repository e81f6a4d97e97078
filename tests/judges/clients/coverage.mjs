// GraphQL Inspector's coverage: which fields the documents show, and which the tests ask for. A root field that neither
// uses is one that nobody tried, and fails; other fields are listed.

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
// A fragment can stand in another file than what spreads it.
const apart = [KnownFragmentNamesRule, NoUnusedFragmentsRule];
const rules = specifiedRules.filter((rule) => !apart.includes(rule));

const shown = covered(['README.md', 'docs']);
const used = covered(['README.md', 'docs', 'tests'], schema, [everything()]);
console.log(`documents: ${shown.summary}\nwith the tests: ${used.summary}`);
console.log(`never used:${used.unused.map((line) => `\n  ${line}`).join('') || ' nothing'}`);
expectEqual('every root field is used', used.unusedRoots, []);
expect('something was looked at', used.documents > 100 && shown.documents > 5, [used.documents, shown.documents]);

// What is covered says something only where a gap is seen.
const grown = buildSchema(`${readFileSync('schema.graphql', 'utf8')}\nextend type Query { neverAsked: Int }`);
expectEqual('a gap is seen', covered(['docs'], grown).unusedRoots.includes('Query.neverAsked'), true);
finish('coverage');

/** What everything.mjs sends is made from the schema and stands in no file. */
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

/** Tests send wrong documents on purpose; those cover nothing. GraphQL Inspector breaks on `__type`. */
function sourcesOf(file, schema) {
  const sent = documentsOf(file).map(({ document }) => withoutClientDirectives(document, schema));
  const right = sent.filter((document) => validate(schema, document, rules).length === 0);
  const texts = right.map((document) => print(document)).filter((text) => !text.includes('__type('));
  return texts.map((text, at) => new Source(text, `${file}#${at}`));
}
