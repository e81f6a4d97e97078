// urql with a graphcache that has the schema: paging, partial results, optimistic decisions, partial failure and
// trusted documents.

import { Client, type Exchange, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { minifyIntrospectionQuery } from '@urql/introspection';
import { type IntrospectionQuery, getIntrospectionQuery } from 'graphql';
import { expect, expectEqual, finish } from '../../report.mjs';
import { startGateway } from '../gateway.mjs';
import type { CreateCustomerInput, CustomerFilter, QueueQueryVariables } from './gql/graphql.js';
import { CREATE, CUSTOMER, DECIDE, QUEUE, REVIEWS, UNMASK } from './operations.js';
import { FROM_VITE, comes, recorder, refusedToPages } from './recorder.js';
import { cache } from './urql-cache.js';

const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const BLUE_KETTLE = '0190b2de-7c11-7c3a-8f10-000000000002';

const complaints: string[] = [];
console.warn = console.error = (...words) => complaints.push(words.join(' '));

const gateway = await startGateway();
const schema = minifyIntrospectionQuery(await introspect(gateway.url));
await reads();
await pages();
await partialResults();
await decides();
await oneOf();
await partialFailure();
await unmasks();
await gateway.stop();
await otherOrigins();
await trustedDocuments();
expectEqual('graphcache logs no warnings', complaints, []);
finish('urql (@urql/core 6, graphcache)');

async function introspect(url: string): Promise<IntrospectionQuery> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: getIntrospectionQuery({ descriptions: false, oneOf: true }) }),
  });
  const { data }: { data: IntrospectionQuery } = await response.json();
  return data;
}

function clientOf(fetching: typeof fetch = fetch, url = gateway.url, ...more: Exchange[]) {
  // The default sends queries with GET. Then the logs of proxies would contain e-mail addresses from filters.
  const preferGetMethod = false;
  return new Client({ url, preferGetMethod, fetch: fetching, exchanges: [cache(schema), ...more, fetchExchange] });
}

async function reads() {
  const { fetch, seen } = recorder();
  const client = clientOf(fetch);
  for (const [id, typename] of [[ADA, 'IndividualComplianceProfile'], [BLUE_KETTLE, 'BusinessComplianceProfile']] as const) {
    const { data, error } = await client.query(CUSTOMER, { id });
    expectEqual('a customer is read with the type of its union', [error, data?.customer?.complianceProfile?.__typename], [undefined, typename]);
  }
  const again = await client.query(CUSTOMER, { id: ADA });
  expectEqual('the second read is served from the cache', again.data?.customer?.name, 'Ada Example');
  expectEqual('the requests use POST', seen.map(({ method }) => method), ['POST', 'POST']);
}

async function pages() {
  const client = clientOf();
  const filter: CustomerFilter = { statuses: ['REVIEW'] };
  const sizes = [];
  let [after, total]: [string | null, number] = [null, 0];
  do {
    const variables: QueueQueryVariables = { first: 20, after, filter };
    const { data } = await client.query(QUEUE, variables);
    sizes.push(data?.customers.edges.length);
    total = data?.customers.totalCount ?? 0;
    after = data?.customers.pageInfo.hasNextPage ? data.customers.pageInfo.endCursor : null;
  } while (after !== null && sizes.length < 10);
  expectEqual('each window appends its rows', sizes, [20, 40, total]);
}

async function partialResults() {
  const client = clientOf();
  const { data } = await client.query(QUEUE, { first: 3, filter: { statuses: ['REVIEW'] } });
  const row = data?.customers.edges[1]?.node;
  const id = row?.id ?? '';
  const shown: unknown[] = [];
  await new Promise<void>((resolve) => {
    const { unsubscribe } = client.query(CUSTOMER, { id }).subscribe(({ data, stale }) => {
      shown.push([stale, data?.customer?.name, data?.customer?.review != null]);
      if (!stale) queueMicrotask(() => (unsubscribe(), resolve()));
    });
  });
  expectEqual('the fields of the list are shown before the other fields arrive', shown, [
    [true, row?.name, false],
    [false, row?.name, true],
  ]);
}

async function decides() {
  const { fetch, seen, hold } = recorder();
  const client = clientOf(fetch);
  const created = await client.mutation(CREATE, { input: person('decide') });
  const id = created.data?.createCustomer.customer?.id ?? '';
  const shown: unknown[] = [];
  const watching = client.query(CUSTOMER, { id }).subscribe(({ data }) => shown.push(data?.customer?.status));
  await client.query(CUSTOMER, { id });
  seen.length = 0;
  const release = hold();
  const deciding = client.mutation(DECIDE, { input: { customerId: id, decision: 'VERIFIED' } }).toPromise();
  expect('the optimistic status is shown before the response', await comes(() => shown.at(-1) === 'VERIFIED'), shown);
  release();
  const decided = await deciding;
  expectEqual('the decision has no user errors', decided.data?.decideCustomerReview.userErrors, []);
  expectEqual('the status changes once', shown.filter((status, at) => status !== shown[at - 1]), ['REVIEW', 'VERIFIED']);
  expectEqual('the decision takes one request', seen.length, 1);

  const again = await client.mutation(DECIDE, { input: { customerId: id, decision: 'REJECTED' } });
  expectEqual('a second decision is rejected', again.data?.decideCustomerReview.userErrors.map(({ code }) => code), ['NOT_IN_REVIEW']);
  const cached = client.readQuery(CUSTOMER, { id });
  expectEqual('the optimistic status of the rejected decision is reverted', cached?.data?.customer?.status, 'VERIFIED');
  watching.unsubscribe();
}

function person(who: string): CreateCustomerInput {
  return {
    name: `Judge urql ${who}`,
    type: 'INDIVIDUAL',
    email: `judge.urql.${crypto.randomUUID().slice(0, 8)}@example.test`,
    phone: '+12025550123',
    device: { ipAddress: '0.0.0.0' },
    config: { sandboxOutcome: 'REVIEW' },
  };
}

async function oneOf() {
  const client = clientOf();
  const input: CreateCustomerInput = { ...person('one of'), complianceProfile: { individual: { dob: '1980-02-03', ssn: '900-12-3456' } } };
  const created = await client.mutation(CREATE, { input });
  expectEqual('a `@oneOf` input is accepted', created.data?.createCustomer.userErrors, []);
  const business: CreateCustomerInput = { ...input, complianceProfile: { business: { ein: '12-3456789' } } };
  const refused = await client.mutation(CREATE, { input: business });
  const paths = refused.data?.createCustomer.userErrors.map(({ path }) => path?.join('.'));
  expect('a profile of the other customer type is a user error', paths?.includes('input.complianceProfile.business') === true, paths);
}

async function partialFailure() {
  const client = clientOf();
  const context = { requestPolicy: 'network-only', fetchOptions: { headers: { 'cache-control': 'no-cache' } } } as const;
  const whole = await client.query(REVIEWS, {}, context);
  const id = whole.data?.customers.edges[1]?.node.id;
  await gateway.control('POST', 'faults', { route: 'GET /v1/customers/{id}/review', customer_id: id, fault: { status: 500 } });
  const { data, error } = await client.query(REVIEWS, {}, context);
  await gateway.control('DELETE', 'faults');
  expectEqual('one review is null, and every row is returned', data?.customers.edges.map(({ node }) => [node.name.length > 0, node.review === null]), [
    [true, false],
    [true, true],
    [true, false],
  ]);
  const reported = error?.graphQLErrors.map(({ path, extensions }) => [path?.join('.'), extensions.code, extensions.retryable]);
  expectEqual('one error with its path and code', reported, [['customers.edges.1.node.review', 'UPSTREAM_ERROR', true]]);
}

async function unmasks() {
  const client = clientOf();
  const { data } = await client.mutation(UNMASK, { input: { id: ADA, reason: 'customer called about the tax form' } });
  const profile = data?.unmaskCustomer.unmaskedCustomer?.complianceProfile;
  const ssn = profile?.__typename === 'UnmaskedIndividualComplianceProfile' ? profile.ssn : undefined;
  expect('the SSN is unmasked', /^\d{3}-\d{2}-\d{4}$/.test(ssn ?? ''), data);
  const masked = await client.query(CUSTOMER, { id: ADA });
  const cached = masked.data?.customer?.complianceProfile;
  expectEqual('the cached customer stays masked', cached?.__typename === 'IndividualComplianceProfile' && cached.ssn, '***-**-****');
}

async function otherOrigins() {
  const gateway = await startGateway(FROM_VITE);
  const { fetch, seen } = recorder();
  const fetchOptions = { headers: { authorization: 'Bearer of-the-user', 'cache-control': 'no-cache' } };
  for (const preferGetMethod of [false, true]) {
    const { error } = await clientOf(fetch, gateway.url).query(CUSTOMER, { id: ADA }, { fetchOptions, preferGetMethod });
    expectEqual('the client gets no error', error, undefined);
  }
  expectEqual('CORS allows every header of the client', await refusedToPages(gateway.url, seen), []);
  await gateway.stop();
}

/** graphql-codegen identifies a document by its hash, and the gateway runs only the documents of the manifest. */
async function trustedDocuments() {
  const gateway = await startGateway({
    GATEWAY__DOCUMENTS__MODE: 'only',
    GATEWAY__DOCUMENTS__MANIFEST: 'src/gql/persisted-documents.json',
  });
  const { fetch, seen } = recorder();
  const trusted = persistedExchange({
    enforcePersistedQueries: true,
    enableForMutation: true,
    preferGetForPersistedQueries: false,
    generateHash: async (_text, document) => hashOf(document),
  });
  const client = clientOf(fetch, gateway.url, trusted);
  const { data, error } = await client.query(CUSTOMER, { id: ADA });
  expectEqual('a document of the manifest runs with its id', [error, data?.customer?.name], [undefined, 'Ada Example']);
  const decided = await client.mutation(DECIDE, { input: { customerId: ADA, decision: 'VERIFIED' } });
  expectEqual('a mutation of the manifest runs with its id', decided.data?.decideCustomerReview.customer?.status, 'VERIFIED');
  expectEqual('the client sends no text', seen.map(({ method, body }) => [method, body.includes('"query"')]), [
    ['POST', false],
    ['POST', false],
  ]);
  await gateway.stop();
}

/** The id that graphql-codegen gives a document. */
function hashOf(document: object): string {
  const { __meta__: meta }: { __meta__?: { hash?: string } } = document;
  return meta?.hash ?? '';
}
