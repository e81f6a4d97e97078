// Apollo Client 4: reads by POST and by GET, the normalised cache, paging, errors, partial failure, persisted queries.

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { expect, expectEqual, finish } from '../../report.mjs';
import { startGateway } from '../gateway.mjs';
import { cache } from './apollo-cache.js';
import type { CustomerFilter } from './gql/graphql.js';
import { BREAKDOWN, CREATE, CUSTOMER, DECIDE, QUEUE, REVIEWS, UNMASK } from './operations.js';
import { FROM_VITE, comes, recorder, refusedToPages } from './recorder.js';

const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const RHEA = '0190b2de-7c11-7c3a-8f10-000000000006';
const HASHED = { sha256: async (text: string) => hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))) };

const complaints: string[] = [];
console.warn = console.error = (...words) => complaints.push(words.join(' '));

const gateway = await startGateway();
await reads();
await readsByGet();
await pages();
await decides();
await partialFailure();
await errors();
await unmasks();
await batches();
await hashesWithoutPersistedQueries();
await gateway.stop();
await automaticPersistedQueries();
await otherOrigins();
await trustedDocuments();
expectEqual('Apollo logs no warnings', complaints, []);
finish('apollo (@apollo/client 4)');

function hex(digest: ArrayBuffer) {
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function clientOf(link: ApolloLink) {
  return new ApolloClient({ cache: cache(), link });
}

async function reads() {
  const { fetch, seen } = recorder();
  const client = clientOf(new HttpLink({ uri: gateway.url, fetch }));
  const { data } = await client.query({ query: CUSTOMER, variables: { id: ADA } });
  expectEqual('a customer is read', data?.customer?.name, 'Ada Example');
  const profile = data?.customer?.complianceProfile;
  expectEqual('the type of the union', profile?.__typename, 'IndividualComplianceProfile');
  await client.query({ query: CUSTOMER, variables: { id: ADA } });
  expectEqual('the second read is served from the cache', seen.map(({ method }) => method), ['POST']);

  // Another view selects other fields of the same review, module and check. The cache keeps the fields of both views.
  await client.query({ query: BREAKDOWN, variables: { id: ADA } });
  await client.query({ query: CUSTOMER, variables: { id: ADA }, fetchPolicy: 'network-only' });
  for (const query of [CUSTOMER, BREAKDOWN]) {
    const cached = client.cache.readQuery<unknown, { id: string }>({ query, variables: { id: ADA } });
    expect('a view of the review does not evict another view', cached !== null, cached);
  }
  expect('a screening is cached by its own id', JSON.stringify(client.cache.extract()).includes('"IdentityReview:'));
  expectEqual('the gateway made one upstream call', await gateway.calls(), { 'GET /v1/customers/{id}/review': 1 });
}

async function readsByGet() {
  const { fetch, seen } = recorder();
  const client = clientOf(new HttpLink({ uri: gateway.url, fetch, useGETForQueries: true }));
  const { data } = await client.query({ query: CUSTOMER, variables: { id: RHEA } });
  expectEqual('a customer is read by GET', data?.customer?.name, 'Rhea Example');
  const input = { customerId: crypto.randomUUID(), decision: 'VERIFIED' } as const;
  const decided = await client.mutate({ mutation: DECIDE, variables: { input } });
  expectEqual('the decision on an unknown customer', decided.data?.decideCustomerReview.userErrors.map(({ code }) => code), ['NOT_FOUND']);
  expectEqual('a query uses GET and a mutation POST', seen.map(({ method }) => method), ['GET', 'POST']);
}

async function pages() {
  const client = clientOf(new HttpLink({ uri: gateway.url }));
  const filter: CustomerFilter = { statuses: ['REVIEW'] };
  const variables = { first: 20, filter };
  const queue = client.watchQuery({ query: QUEUE, variables });
  const shown = queue.subscribe(() => {});
  let { data } = await queue.refetch();
  const sizes = [data?.customers.edges.length];
  while (data?.customers.pageInfo.hasNextPage && sizes.length < 10) {
    await queue.fetchMore({ variables: { after: data.customers.pageInfo.endCursor } });
    data = client.cache.readQuery({ query: QUEUE, variables }) ?? undefined;
    sizes.push(data?.customers.edges.length);
  }
  shown.unsubscribe();
  const ids = new Set(data?.customers.edges.map(({ node }) => node.id));
  expectEqual('each window appends its rows', sizes, [20, 40, data?.customers.totalCount]);
  expectEqual('the list contains every row once', ids.size, data?.customers.totalCount);
  const other = await client.query({ query: QUEUE, variables: { first: 5, filter: { statuses: ['VERIFIED'] } } });
  expectEqual('another filter has its own list', other.data?.customers.edges.length, 5);
}

async function decides() {
  const { fetch, seen, hold } = recorder();
  const client = clientOf(new HttpLink({ uri: gateway.url, fetch }));
  const id = await newcomer(client);
  const { data: before } = await client.query({ query: CUSTOMER, variables: { id } });
  expectEqual('the new customer is in review', before?.customer?.status, 'REVIEW');

  const shown: unknown[] = [];
  const watched = client.watchQuery({ query: CUSTOMER, variables: { id }, fetchPolicy: 'cache-only' });
  const subscription = watched.subscribe(({ data }) => shown.push(data?.customer?.status));
  seen.length = 0;
  const input = { customerId: id, decision: 'VERIFIED', reason: 'documents seen' } as const;
  const release = hold();
  const deciding = client.mutate({
    mutation: DECIDE,
    variables: { input },
    optimisticResponse: {
      __typename: 'Mutation',
      decideCustomerReview: {
        __typename: 'DecideCustomerReviewPayload',
        customer: { __typename: 'Customer', id, status: input.decision, updatedAt: new Date().toISOString() },
        userErrors: [],
      },
    },
  });
  expect('the optimistic status is shown before the response', await comes(() => shown.at(-1) === 'VERIFIED'), shown);
  release();
  const { data } = await deciding;
  subscription.unsubscribe();
  expectEqual('the decision has no user errors', data?.decideCustomerReview.userErrors, []);
  expectEqual('the status changes once', shown.filter((status, at) => status !== shown[at - 1]), ['REVIEW', 'VERIFIED']);
  expectEqual('the decision takes one request', seen.length, 1);
  const cached = client.cache.readQuery({ query: CUSTOMER, variables: { id } })?.customer;
  expectEqual('the cache has the status of the response', [cached?.status, cached?.updatedAt], ['VERIFIED', data?.decideCustomerReview.customer?.updatedAt]);

  // A rejected decision: the optimistic status is reverted.
  const again = await client.mutate({
    mutation: DECIDE,
    variables: { input: { ...input, decision: 'REJECTED' } },
    optimisticResponse: {
      __typename: 'Mutation',
      decideCustomerReview: {
        __typename: 'DecideCustomerReviewPayload',
        customer: { __typename: 'Customer', id, status: 'REJECTED', updatedAt: new Date().toISOString() },
        userErrors: [],
      },
    },
  });
  expectEqual('a second decision is rejected', again.data?.decideCustomerReview.userErrors.map(({ code }) => code), ['NOT_IN_REVIEW']);
  expectEqual('the cache has the first decision', client.cache.readQuery({ query: CUSTOMER, variables: { id } })?.customer?.status, 'VERIFIED');
}

async function newcomer(client: ApolloClient) {
  const input = {
    name: 'Judge Apollo',
    type: 'INDIVIDUAL',
    email: `judge.apollo.${crypto.randomUUID().slice(0, 8)}@example.test`,
    phone: '+12025550123',
    device: { ipAddress: '0.0.0.0' },
    config: { sandboxOutcome: 'REVIEW' },
  } as const;
  const { data } = await client.mutate({ mutation: CREATE, variables: { input } });
  const id = data?.createCustomer.customer?.id;
  if (id === undefined) throw new Error(JSON.stringify(data));
  return id;
}

async function partialFailure() {
  const client = clientOf(new HttpLink({ uri: gateway.url }));
  const whole = await client.query({ query: REVIEWS });
  const id = whole.data?.customers.edges[1]?.node.id;
  await gateway.control('POST', 'faults', {
    route: 'GET /v1/customers/{id}/review',
    customer_id: id,
    fault: { status: 500 },
  });
  const fresh = { fetchPolicy: 'network-only', context: { headers: { 'cache-control': 'no-cache' } } } as const;
  const { data, error } = await client.query({ query: REVIEWS, errorPolicy: 'all', ...fresh });
  await gateway.control('DELETE', 'faults');

  const rows = data?.customers?.edges?.map((edge) => edge?.node);
  expectEqual('every row is returned', rows?.map((row) => row?.id), whole.data?.customers.edges.map(({ node }) => node.id));
  expectEqual('one review is null', rows?.map((row) => row?.review === null), [false, true, false]);
  // Which fields are missing, and why: ['customers', 'edges', 1, 'node', 'review'] and UPSTREAM_ERROR.
  const told = CombinedGraphQLErrors.is(error) ? error.errors : [];
  const missing = told.map(({ path, extensions }) => ({ path, code: extensions?.code, retryable: extensions?.retryable }));
  expectEqual('one error with its path and code', missing, [
    { path: ['customers', 'edges', 1, 'node', 'review'], code: 'UPSTREAM_ERROR', retryable: true },
  ]);
}

async function errors() {
  const client = clientOf(new HttpLink({ uri: gateway.url }));
  const large = client.query({ query: QUEUE, variables: { first: 1000 } });
  const error: unknown = await large.then(() => undefined, (error: unknown) => error);
  expectEqual('a rejected operation throws CombinedGraphQLErrors', codes(error), ['BAD_USER_INPUT']);
}

/** The codes of an error of Apollo's; docs/errors.md says what to do about each. */
function codes(error: unknown) {
  return CombinedGraphQLErrors.is(error) ? error.errors.map(({ extensions }) => extensions?.code) : [];
}

async function unmasks() {
  const client = clientOf(new HttpLink({ uri: gateway.url }));
  const input = { id: ADA, reason: 'customer called about the tax form' };
  const { data } = await client.mutate({ mutation: UNMASK, variables: { input } });
  const profile = data?.unmaskCustomer.unmaskedCustomer?.complianceProfile;
  const ssn = profile?.__typename === 'UnmaskedIndividualComplianceProfile' ? profile.ssn : undefined;
  expect('the SSN is unmasked', /^\d{3}-\d{2}-\d{4}$/.test(ssn ?? ''), data);
  expect('the cache does not contain the SSN', !JSON.stringify(client.cache.extract()).includes(ssn ?? ''), 'it is cached');
}

/**
 * The gateway rejects batches. The link first compares the number of results with the number of operations, so its own
 * error message is about that number. The message of the gateway is in `result`.
 */
async function batches() {
  const client = clientOf(new BatchHttpLink({ uri: gateway.url, batchInterval: 5 }));
  const queries = [ADA, RHEA].map((id) => client.query({ query: CUSTOMER, variables: { id } }));
  const results = await Promise.allSettled(queries);
  expectEqual('both operations of a batch are rejected', results.map(({ status }) => status), ['rejected', 'rejected']);
  const reason: unknown = results[0]?.status === 'rejected' ? results[0].reason : undefined;
  const body = reason instanceof Error && 'result' in reason ? JSON.stringify(reason.result) : String(reason);
  expect('the response gives the reason', body.includes('Batches are not taken: send one operation in each request.'), body);
}

/** A gateway without automatic persisted queries reports that, and the client stops sending hashes. */
async function hashesWithoutPersistedQueries() {
  const { fetch, seen } = recorder();
  const client = clientOf(new PersistedQueryLink(HASHED).concat(new HttpLink({ uri: gateway.url, fetch })));
  for (const id of [ADA, RHEA]) {
    const { data } = await client.query({ query: CUSTOMER, variables: { id } });
    expectEqual('the customer, read with the text of the query', data?.customer?.id, id);
  }
  expectEqual('the client sends the hash once', seen.map(({ body }) => body.includes('"query"')), [false, true, true]);
}

async function automaticPersistedQueries() {
  const gateway = await startGateway({ GATEWAY__DOCUMENTS__AUTOMATIC_MAX_BYTES: '1000000' });
  const { fetch, seen } = recorder();
  const hashed = new PersistedQueryLink({ ...HASHED, useGETForHashedQueries: true });
  const client = clientOf(hashed.concat(new HttpLink({ uri: gateway.url, fetch })));
  for (const id of [ADA, RHEA]) {
    const { data } = await client.query({ query: CUSTOMER, variables: { id } });
    expectEqual('the customer, read with the hash of the query', data?.customer?.id, id);
  }
  // The client sends the text once and then only the hash.
  expectEqual('the client sends the text once', seen.map(({ method, body }) => [method, body.includes('"query"')]), [
    ['GET', false],
    ['POST', true],
    ['GET', false],
  ]);
  await gateway.stop();
}

/** Requests of a page on Vite's development server, with every way in which the client sends them. */
async function otherOrigins() {
  const gateway = await startGateway(FROM_VITE);
  const { fetch, seen } = recorder();
  const headers = { authorization: 'Bearer of-the-user', 'gateway-report-upstream': '1' };
  const fresh = { fetchPolicy: 'network-only', context: { headers: { 'cache-control': 'no-cache' } } } as const;
  for (const useGETForQueries of [false, true]) {
    const link = new HttpLink({ uri: gateway.url, fetch, headers, useGETForQueries });
    for (const sending of [link, new PersistedQueryLink(HASHED).concat(link)]) {
      await clientOf(sending).query({ query: CUSTOMER, variables: { id: ADA }, ...fresh });
    }
  }
  expect('the client sends requests', seen.length >= 4, seen);
  expectEqual('CORS allows every header of the client', await refusedToPages(gateway.url, seen), []);
  expectEqual('CORS rejects a header that is not listed', await refusedToPages(gateway.url, [{ method: 'POST', url: '', body: '', headers: ['x-other'] }]), ['x-other']);
  await gateway.stop();
}

async function trustedDocuments() {
  const gateway = await startGateway({
    GATEWAY__DOCUMENTS__MODE: 'only',
    GATEWAY__DOCUMENTS__MANIFEST: 'persisted-query-manifest.json',
  });
  const { fetch, seen } = recorder();
  const trusted = new PersistedQueryLink(
    generatePersistedQueryIdsFromManifest({
      loadManifest: async () => (await import('../persisted-query-manifest.json', { with: { type: 'json' } })).default,
    }),
  );
  const client = clientOf(trusted.concat(new HttpLink({ uri: gateway.url, fetch })));
  const { data } = await client.query({ query: CUSTOMER, variables: { id: ADA } });
  expectEqual('a document of the manifest runs with its id', data?.customer?.name, 'Ada Example');
  const id = await newcomer(client);
  const input = { customerId: id, decision: 'VERIFIED' } as const;
  const decided = await client.mutate({ mutation: DECIDE, variables: { input } });
  expectEqual('a mutation of the manifest runs with its id', decided.data?.decideCustomerReview.customer?.status, 'VERIFIED');
  expectEqual('the client sends no text', seen.map(({ body }) => body.includes('"query"')), [false, false, false]);

  const untrusted = clientOf(new HttpLink({ uri: gateway.url }));
  const error: unknown = await untrusted.query({ query: CUSTOMER, variables: { id: ADA } }).then(() => undefined, (error: unknown) => error);
  expectEqual('a text that is not in the manifest is rejected', codes(error), ['PERSISTED_QUERY_NOT_FOUND']);
  await gateway.stop();
}
