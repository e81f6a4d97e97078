// Composition with the composers of Apollo and The Guild: the gateway alone, with other subgraphs, and with colliding
// names.

import apollo from '@apollo/composition';
import { composeServices as theGuild } from '@theguild/federation-composition';
import { buildSchema, parse } from 'graphql';
import { expect, expectEqual, finish } from './report.mjs';
import { CUSTOMERS, LISTS, NOTES, services, withNode } from './subgraphs.mjs';

const composers = { Apollo: apollo.composeServices, 'The Guild': theGuild };
const marks = (sdl) => [...sdl.matchAll(/@pii\(class: [A-Z]+\)/g)].length;

for (const [name, compose] of Object.entries(composers)) {
  const composed = (others) => {
    const { supergraphSdl, errors } = compose(services(others));
    return { sdl: supergraphSdl, codes: [...new Set((errors ?? []).map(({ extensions }) => extensions?.code))] };
  };

  const alone = composed({});
  expectEqual(`${name}: the gateway alone composes`, alone.codes, []);
  expect(`${name}: the schema marks personal data`, marks(CUSTOMERS) > 50, marks(CUSTOMERS));
  expectEqual(`${name}: the supergraph has every @pii mark`, marks(alone.sdl), marks(CUSTOMERS));

  const withNotes = composed({ notes: NOTES });
  expectEqual(`${name}: another subgraph adds a field to Customer`, withNotes.codes, []);
  const customer = buildSchema(withNotes.sdl, { assumeValidSDL: true }).getType('Customer').getFields();
  expect(`${name}: Customer has the fields of both subgraphs`, customer.notes && customer.status, Object.keys(customer));

  expectEqual(`${name}: PageInfo is shareable`, composed({ lists: LISTS }).codes, []);

  // Two subgraphs cannot both resolve `node`. With `@shareable` the router would send an id to either of them.
  expectEqual(`${name}: node conflicts`, composed({ notes: withNode('') }).codes, ['INVALID_FIELD_SHARING']);
  expectEqual(`${name}: node is not shareable`, composed({ notes: withNode('@shareable') }).codes, ['INVALID_FIELD_SHARING']);
  const taken = composed({ notes: withNode('@override(from: "customers")') });
  expectEqual(`${name}: another subgraph can override node`, taken.codes, []);
}

const definitions = parse(CUSTOMERS).definitions.map(({ name }) => name?.value);
const federationTypes = definitions.filter((name) => name?.startsWith('_'));
expectEqual('the printed schema has no federation types', federationTypes, []);
finish('composition');
