// The gateway's subgraph schema, and subgraphs that another team could write: notes about customers.

import { readFileSync } from 'node:fs';
import { parse } from 'graphql';

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@override", "@shareable"])`;

/** The output of `customers-gateway schema --federation`. */
export const CUSTOMERS = readFileSync('customers.graphql', 'utf8');

/** Adds a field to the gateway's customers, and has a list of customers. */
export const NOTES = `
  ${LINK}
  type Query { noted: [Customer]! }
  type Customer @key(fields: "id") { id: ID! notes: [String!]! }
`;

/** Has its own connection with Relay's `PageInfo`, and a scalar that the gateway also has. */
export const LISTS = `
  ${LINK}
  scalar DateTime
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Query { notes: NoteConnection! }
  type NoteConnection { pageInfo: PageInfo! nodes: [Note!]! }
  type Note { text: String! writtenAt: DateTime! }
`;

/** Has its own `node` field with the given directive. */
export const withNode = (directive) => `
  ${LINK}
  interface Node { id: ID! }
  type Query { node(id: ID!): Node ${directive} }
  type Note implements Node @key(fields: "id") { id: ID! text: String! }
  type Customer implements Node @key(fields: "id") { id: ID! notes: [String!]! }
`;

/** The subgraphs in the form that composers accept. */
export const services = (others) =>
  Object.entries({ customers: CUSTOMERS, ...others }).map(([name, sdl]) => ({
    name,
    url: `http://${name}.invalid/graphql`,
    typeDefs: parse(sdl),
  }));
