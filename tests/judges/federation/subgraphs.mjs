// The gateway's schema, and other subgraphs as another team would write them: notes about customers.

import { readFileSync } from 'node:fs';
import { parse } from 'graphql';

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@override", "@shareable"])`;

/** What the gateway prints for composition. */
export const CUSTOMERS = readFileSync('customers.graphql', 'utf8');

/** Adds a field to the gateway's customers, and lists some of them. */
export const NOTES = `
  ${LINK}
  type Query { noted: [Customer]! }
  type Customer @key(fields: "id") { id: ID! notes: [String!]! }
`;

/** Has lists of its own, with Relay's `PageInfo`, and a scalar that the gateway has as well. */
export const LISTS = `
  ${LINK}
  scalar DateTime
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Query { notes: NoteConnection! }
  type NoteConnection { pageInfo: PageInfo! nodes: [Note!]! }
  type Note { text: String! writtenAt: DateTime! }
`;

/** Has a `node` of its own; `directive` is what it says about it. */
export const withNode = (directive) => `
  ${LINK}
  interface Node { id: ID! }
  type Query { node(id: ID!): Node ${directive} }
  type Note implements Node @key(fields: "id") { id: ID! text: String! }
  type Customer implements Node @key(fields: "id") { id: ID! notes: [String!]! }
`;

/** Subgraphs as composers take them. */
export const services = (others) =>
  Object.entries({ customers: CUSTOMERS, ...others }).map(([name, sdl]) => ({
    name,
    url: `http://${name}.invalid/graphql`,
    typeDefs: parse(sdl),
  }));
