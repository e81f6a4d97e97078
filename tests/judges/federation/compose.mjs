// Composition by Apollo's and by The Guild's composer: the gateway alone, beside others, and where names collide.

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
  expect(`${name}: there are marks of personal data`, marks(CUSTOMERS) > 50, marks(CUSTOMERS));
  expectEqual(`${name}: every mark of personal data is in the supergraph`, marks(alone.sdl), marks(CUSTOMERS));

  const withNotes = composed({ notes: NOTES });
  expectEqual(`${name}: another subgraph adds to customers`, withNotes.codes, []);
  const customer = buildSchema(withNotes.sdl, { assumeValidSDL: true }).getType('Customer').getFields();
  expect(`${name}: a customer has the fields of both`, customer.notes && customer.status, Object.keys(customer));

  expectEqual(`${name}: PageInfo is shared`, composed({ lists: LISTS }).codes, []);

  // Two subgraphs cannot both answer `node`, and marking it as shared would send an id to whichever is asked first.
  expectEqual(`${name}: node collides`, composed({ notes: withNode('') }).codes, ['INVALID_FIELD_SHARING']);
  expectEqual(`${name}: node is not to share`, composed({ notes: withNode('@shareable') }).codes, ['INVALID_FIELD_SHARING']);
  const taken = composed({ notes: withNode('@override(from: "customers")') });
  expectEqual(`${name}: another subgraph can take node over`, taken.codes, []);
}

const definitions = parse(CUSTOMERS).definitions.map(({ name }) => name?.value);
const machinery = definitions.filter((name) => name?.startsWith('_'));
expectEqual('what routers ask is not in the printed schema', machinery, []);
finish('composition');
