// Runs the GraphQL clients urql and graphql-request against the gateway with its embedded sandbox.
// No test reads data that another test changes. The sandbox loses all data when it stops.

import { randomUUID } from 'node:crypto';
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { GraphQLClient, gql } from 'graphql-request';
import { expect, expectEqual, finish } from './report.mjs';

const url = process.env.GATEWAY_URL;
const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const REVIEW_ROUTE = 'GET /v1/customers/{id}/review';

const CUSTOMER = gql`
  query Customer($id: ID!) {
    customer(id: $id) {
      id
      name
      complianceProfile { __typename ... on IndividualComplianceProfile { ssn } }
      review { identity { decision reasons { check decision } } }
    }
  }
`;
const CREATE = gql`
  mutation Create($input: CreateCustomerInput!) {
    createCustomer(input: $input) {
      customer { id status }
      userErrors { code message path }
    }
  }
`;
const DECIDE = gql`
  mutation Decide($input: DecideCustomerReviewInput!) {
    decideCustomerReview(input: $input) {
      customer { id status }
      userErrors { code message path }
    }
  }
`;
const LIST = gql`
  query List($after: String) {
    customers(first: 100, after: $after) {
      totalCount
      nodes { id }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const REVIEWS = gql`
  query Reviews {
    customers(first: 3, filter: { statuses: [REVIEW] }) {
      nodes { id name status review { identity { decision } } }
    }
  }
`;

const person = (by, changes = {}) => ({
  name: `Judge ${by}`,
  type: 'INDIVIDUAL',
  email: `judge.${by}.${randomUUID().slice(0, 8)}@example.test`,
  phone: '+12025550181',
  device: { ipAddress: '203.0.113.80' },
  config: { processingMethod: 'INLINE', sandboxOutcome: 'REVIEW' },
  ...changes,
});

/** Each client as a function from a document, variables and headers to data and errors. */
const clients = {
  urql: urql(false),
  'urql by GET': urql('force'),
  'graphql-request': request({}),
  'graphql-request by GET': request({ method: 'GET', jsonSerializer: JSON }),
};

for (const [name, ask] of Object.entries(clients)) {
  await reads(name, ask);
  await partialFailure(name, ask);
  await errorExtensions(name, ask);
}
for (const name of ['urql', 'graphql-request']) {
  await writes(name, clients[name]);
  await userErrors(name, clients[name]);
  await pages(name, clients[name]);
}
await mutationByGet();
finish('client');

function urql(preferGetMethod) {
  const client = new Client({ url, exchanges: [cacheExchange, fetchExchange], preferGetMethod });
  return async (document, variables, headers) => {
    const kind = document.trimStart().startsWith('mutation') ? 'mutation' : 'query';
    const context = { requestPolicy: 'network-only', fetchOptions: { headers } };
    const { data, error } = await client[kind](document, variables, context).toPromise();
    if (error?.networkError) throw error.networkError;
    return { data, errors: error?.graphQLErrors ?? [] };
  };
}

function request(options) {
  const client = new GraphQLClient(url, { errorPolicy: 'all', ...options });
  return async (query, variables, headers) => {
    try {
      const { data, errors } = await client.rawRequest(query, variables, headers);
      return { data, errors: errors ?? [] };
    } catch (error) {
      // If the whole request fails, the status is not 2xx, and the client throws an error with the response.
      if (!error.response?.errors) throw error;
      return { data: error.response.data, errors: error.response.errors };
    }
  };
}

async function reads(client, ask) {
  const { data, errors } = await ask(CUSTOMER, { id: ADA });
  expectEqual(`${client}: a customer is read without errors`, errors, []);
  expectEqual(`${client}: the name`, data?.customer?.name, 'Ada Example');
  expectEqual(`${client}: the SSN is masked`, data?.customer?.complianceProfile, {
    __typename: 'IndividualComplianceProfile',
    ssn: '***-**-****',
  });
  expect(`${client}: the review has reasons`, data?.customer?.review?.identity?.reasons?.length > 0, data);
  const unknown = await ask(CUSTOMER, { id: randomUUID() });
  expectEqual(`${client}: an unknown customer is null without an error`, [unknown.data, unknown.errors], [
    { customer: null },
    [],
  ]);
}

async function writes(client, ask) {
  const created = await ask(CREATE, { input: person(client) });
  const { customer, userErrors } = created.data.createCustomer;
  expectEqual(`${client}: the customer is created in review`, [customer?.status, userErrors], ['REVIEW', []]);
  const decided = await ask(DECIDE, { input: { customerId: customer.id, decision: 'VERIFIED' } });
  expectEqual(`${client}: the decision has no user errors`, decided.data.decideCustomerReview.userErrors, []);
  expectEqual(`${client}: the payload's status`, decided.data.decideCustomerReview.customer.status, 'VERIFIED');
  const read = await ask('query Status($id: ID!) { customer(id: $id) { status } }', { id: customer.id });
  expectEqual(`${client}: a read returns the new status`, read.data.customer.status, 'VERIFIED');
  const again = await ask(DECIDE, { input: { customerId: customer.id, decision: 'REJECTED' } });
  const codes = again.data.decideCustomerReview.userErrors.map(({ code }) => code);
  expectEqual(`${client}: a second decision is rejected`, codes, ['NOT_IN_REVIEW']);
}

async function userErrors(client, ask) {
  const { data, errors } = await ask(CREATE, { input: person(client, { email: 'nobody', phone: '12' }) });
  expectEqual(`${client}: invalid input causes no GraphQL errors`, errors, []);
  const problems = data.createCustomer.userErrors.map(({ code, path }) => [code, path.join('.')]).sort();
  expectEqual(`${client}: all user errors are returned together`, problems, [
    ['INVALID', 'input.email'],
    ['INVALID', 'input.phone'],
  ]);
}

/** One review fails: its row keeps all other fields, the other rows have their reviews, and there is one error. */
async function partialFailure(client, ask) {
  const { data } = await ask(REVIEWS);
  const [, { id }] = data.customers.nodes;
  await control('POST', 'faults', { route: REVIEW_ROUTE, customer_id: id, fault: { status: 500 } });
  // A cache entry would hide the fault, so this request bypasses the cache.
  const failed = await ask(REVIEWS, {}, { 'cache-control': 'no-cache' });
  await control('DELETE', 'faults');
  const rows = failed.data?.customers?.nodes ?? [];
  const whole = (row) => [row.id, row.name, row.status];
  expectEqual(`${client}: every row is complete`, rows.map(whole), data.customers.nodes.map(whole));
  expectEqual(`${client}: one review is null`, rows.map((row) => row.review === null), [false, true, false]);
  const seen = failed.errors.map(({ path, extensions }) => [path.join('.'), extensions.code]);
  expectEqual(`${client}: there is one error with its path`, seen, [['customers.nodes.1.review', 'UPSTREAM_ERROR']]);
}

/** Every error has a code, a request id and whether a retry can succeed. */
async function errorExtensions(client, ask) {
  const invalid = await ask('query Invalid { customer(id: 1) { shoeSize } }');
  expectEqual(`${client}: an unknown field`, summaryOf(invalid), ['GRAPHQL_VALIDATION_FAILED', false, true]);
  const variable = await ask(CUSTOMER, {});
  expectEqual(`${client}: a missing variable`, summaryOf(variable), ['BAD_USER_INPUT', false, true]);
  const route = 'GET /v1/customers';
  await control('POST', 'faults', { route, fault: { status: 429, retry_after: 7 } });
  const limited = await ask('query Count { customers { totalCount } }', {}, { 'cache-control': 'no-cache' });
  await control('DELETE', 'faults');
  expectEqual(`${client}: the upstream's rate limit`, summaryOf(limited), ['UPSTREAM_RATE_LIMITED', true, true]);
  expectEqual(`${client}: the rate limit has retryAfterSeconds`, limited.errors[0]?.extensions.retryAfterSeconds, 7);
}

/** The code, whether the error is retryable, and whether its request id is well formed. */
function summaryOf({ errors }) {
  const { code, retryable, requestId } = errors[0]?.extensions ?? {};
  return [code, retryable, /^[0-9a-f-]{36}$/.test(requestId)];
}

async function pages(client, ask) {
  const ids = new Set();
  let [after, requests] = [null, 0];
  for (;;) {
    const { totalCount, nodes, pageInfo } = (await ask(LIST, { after })).data.customers;
    nodes.forEach(({ id }) => ids.add(id));
    requests += 1;
    after = pageInfo.endCursor;
    if (!pageInfo.hasNextPage || requests > 50) {
      expectEqual(`${client}: the pages contain every customer once`, ids.size, totalCount);
      expectEqual(`${client}: the number of pages`, requests, Math.ceil(totalCount / 100));
      return;
    }
  }
}

async function mutationByGet() {
  const query = encodeURIComponent('mutation { deleteCustomer(input: { id: "1" }) { deletedCustomerId } }');
  const response = await fetch(`${url}?query=${query}`);
  expectEqual('a mutation by GET is rejected', [response.status, response.headers.has('allow')], [405, true]);
}

/** Calls the sandbox's control API. */
async function control(method, path, body) {
  const response = await fetch(`${process.env.SANDBOX_URL}/_sandbox/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the sandbox's control API returned ${response.status} to ${method} ${path}`);
}
