// The gateway as this app sees it: one client with a normalised cache, and one that remembers nothing.

import { cacheExchange, type OptimisticMutationResolver, type UpdateResolver } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';
import { Client, fetchExchange, type Exchange } from 'urql';
import type { MutationDecideCustomerReviewArgs } from './gql/graphql';
import schema from './gql/introspection';

/** Only what has an `id` is an entity of its own; all else lives inside its parent. */
const keys = Object.fromEntries(
  schema.__schema.types
    .filter((type) => 'fields' in type && !type.fields?.some((field) => field.name === 'id'))
    .map((type) => [type.name, () => null]),
);

/** What the screen shows until the gateway has answered; an answer that says no takes it back. */
const whileDeciding: OptimisticMutationResolver<MutationDecideCustomerReviewArgs> = ({ input }) => ({
  __typename: 'DecideCustomerReviewPayload',
  customer: { __typename: 'Customer', id: input.customerId, status: input.decision },
  userErrors: [],
});

/** Cursors are positions: once a customer has left a list, all its windows and counts are read anew. */
const forgetLists: UpdateResolver = (_payload, _arguments, cache, { optimistic }) => {
  if (optimistic) return;
  for (const { fieldName, arguments: given } of cache.inspectFields('Query')) {
    if (fieldName === 'customers') cache.invalidate('Query', fieldName, given);
  }
};

const cache = cacheExchange({
  schema,
  keys,
  resolvers: {
    Query: {
      customers: relayPagination(),
      // A customer that a list has shown is there at once, while its page asks for the rest.
      customer: (_parent, { id }) => ({ __typename: 'Customer', id: String(id) }),
    },
  },
  optimistic: { decideCustomerReview: whileDeciding },
  updates: { Mutation: { decideCustomerReview: forgetLists } },
});

/** A built app names its documents by id, so that it runs where `documents.mode` is "only". */
const byId = persistedExchange({
  generateHash: async (_text, document) => documentId(document),
  enforcePersistedQueries: true,
  enableForMutation: true,
  preferGetForPersistedQueries: false,
});

/** The id that graphql-codegen has given a document, as its manifest lists it. */
function documentId(document: object): string | null {
  const meta = '__meta__' in document ? document.__meta__ : null;
  if (typeof meta !== 'object' || meta === null || !('hash' in meta)) return null;
  return typeof meta.hash === 'string' ? meta.hash : null;
}

const network: Exchange[] = import.meta.env.PROD ? [byId, fetchExchange] : [fetchExchange];

/**
 * A field that fails is null where it stands and takes nothing else with it. Types cannot tell: where an answer has an
 * error, a field of the root can be null that its type says never is. urql has no option for `onError`.
 */
const withOnError: typeof fetch = (url, init) => {
  const request: object = JSON.parse(String(init?.body));
  return fetch(url, { ...init, body: JSON.stringify({ ...request, onError: 'NULL' }) });
};

// POST for reads as well: a search can hold a name, and addresses of requests end up in logs.
const gateway = { url: '/graphql', preferGetMethod: false, fetch: withOnError };

/** For everything but clear data. */
export const client = new Client({ ...gateway, exchanges: [cache, ...network] });

/** For clear data: without a cache there is nothing to forget. */
export const forgetful = new Client({ ...gateway, exchanges: network });

/** Past what the gateway keeps as well: for a button that says "again". */
export const AFRESH = {
  requestPolicy: 'network-only',
  fetchOptions: { headers: { 'cache-control': 'no-cache' } },
} as const;
