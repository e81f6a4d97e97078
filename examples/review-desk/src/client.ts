// The two GraphQL clients of this app: one with a normalised cache, and one without a cache for unmasked data.

import { cacheExchange, type OptimisticMutationResolver, type UpdateResolver } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';
import { Client, fetchExchange, type Exchange } from 'urql';
import type { MutationDecideCustomerReviewArgs } from './gql/graphql';
import schema from './gql/introspection';

/** Only types with an `id` are entities in the cache. All other objects are stored in their parent. */
const keys = Object.fromEntries(
  schema.__schema.types
    .filter((type) => 'fields' in type && !type.fields?.some((field) => field.name === 'id'))
    .map((type) => [type.name, () => null]),
);

/** The optimistic result until the gateway responds. A response with an error reverts it. */
const whileDeciding: OptimisticMutationResolver<MutationDecideCustomerReviewArgs> = ({ input }) => ({
  __typename: 'DecideCustomerReviewPayload',
  customer: { __typename: 'Customer', id: input.customerId, status: input.decision },
  userErrors: [],
});

/** Invalidates all lists, because cursors are positions: windows and counts change when a customer leaves a list. */
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
      // Shows a customer from a list at once, while the request for its other fields is in flight.
      customer: (_parent, { id }) => ({ __typename: 'Customer', id: String(id) }),
    },
  },
  optimistic: { decideCustomerReview: whileDeciding },
  updates: { Mutation: { decideCustomerReview: forgetLists } },
});

/** A production build sends document ids, so that it runs with `documents.mode = "only"`. */
const byId = persistedExchange({
  generateHash: async (_text, document) => documentId(document),
  enforcePersistedQueries: true,
  enableForMutation: true,
  preferGetForPersistedQueries: false,
});

/** The id of a document in the manifest of graphql-codegen. */
function documentId(document: object): string | null {
  const meta = '__meta__' in document ? document.__meta__ : null;
  if (typeof meta !== 'object' || meta === null || !('hash' in meta)) return null;
  return typeof meta.hash === 'string' ? meta.hash : null;
}

const network: Exchange[] = import.meta.env.PROD ? [byId, fetchExchange] : [fetchExchange];

/**
 * Sends `onError: "NULL"`: a failed field becomes null, and its siblings keep their values. So a root field of a
 * non-null type can be null in a response with errors. The generated types do not show this. urql has no option for
 * `onError`.
 */
const withOnError: typeof fetch = (url, init) => {
  const request: object = JSON.parse(String(init?.body));
  return fetch(url, { ...init, body: JSON.stringify({ ...request, onError: 'NULL' }) });
};

// Reads use POST too, because a search can contain a name, and logs often contain the URLs of requests.
const gateway = { url: '/graphql', preferGetMethod: false, fetch: withOnError };

/** For everything except unmasked data. */
export const client = new Client({ ...gateway, exchanges: [cache, ...network] });

/** For unmasked data: this client has no cache. */
export const uncachedClient = new Client({ ...gateway, exchanges: network });

/** Bypasses the caches of this app and of the gateway. For retry buttons. */
export const BYPASS_CACHES = {
  requestPolicy: 'network-only',
  fetchOptions: { headers: { 'cache-control': 'no-cache' } },
} as const;
