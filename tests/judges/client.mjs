// GraphQL clients that frontends use, against the gateway over its embedded sandbox: urql and graphql-request.
// What one test changes another does not read; the sandbox forgets it all when it stops.

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

/** Each client as the one function that the tests need: a document and variables in, data and errors out. */
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
      // Where the whole request fails, its status is not 2xx, and the client throws what it has read.
      if (!error.response?.errors) throw error;
      return { data: error.response.data, errors: error.response.errors };
    }
  };
}

async function reads(client, ask) {
  const { data, errors } = await ask(CUSTOMER, { id: ADA });
  expectEqual(`${client}: a customer is read without errors`, errors, []);
  expectEqual(`${client}: its name`, data?.customer?.name, 'Ada Example');
  expectEqual(`${client}: its number is masked`, data?.customer?.complianceProfile, {
    __typename: 'IndividualComplianceProfile',
    ssn: '***-**-****',
  });
  expect(`${client}: its review has reasons`, data?.customer?.review?.identity?.reasons?.length > 0, data);
  const nobody = await ask(CUSTOMER, { id: randomUUID() });
  expectEqual(`${client}: nobody is null without an error`, [nobody.data, nobody.errors], [{ customer: null }, []]);
}

async function writes(client, ask) {
  const created = await ask(CREATE, { input: person(client) });
  const { customer, userErrors } = created.data.createCustomer;
  expectEqual(`${client}: created, waiting in review`, [customer?.status, userErrors], ['REVIEW', []]);
  const decided = await ask(DECIDE, { input: { customerId: customer.id, decision: 'VERIFIED' } });
  expectEqual(`${client}: decided`, decided.data.decideCustomerReview.userErrors, []);
  expectEqual(`${client}: the payload shows it`, decided.data.decideCustomerReview.customer.status, 'VERIFIED');
  const read = await ask('query Status($id: ID!) { customer(id: $id) { status } }', { id: customer.id });
  expectEqual(`${client}: and so does a read`, read.data.customer.status, 'VERIFIED');
  const again = await ask(DECIDE, { input: { customerId: customer.id, decision: 'REJECTED' } });
  const codes = again.data.decideCustomerReview.userErrors.map(({ code }) => code);
  expectEqual(`${client}: a second decision is refused`, codes, ['NOT_IN_REVIEW']);
}

async function userErrors(client, ask) {
  const { data, errors } = await ask(CREATE, { input: person(client, { email: 'nobody', phone: '12' }) });
  expectEqual(`${client}: what the caller can mend is data`, errors, []);
  const problems = data.createCustomer.userErrors.map(({ code, path }) => [code, path.join('.')]).sort();
  expectEqual(`${client}: all of it at once`, problems, [
    ['INVALID', 'input.email'],
    ['INVALID', 'input.phone'],
  ]);
}

/** One customer's review cannot be had: its row stays whole, the others have their reviews, and one error says so. */
async function partialFailure(client, ask) {
  const { data } = await ask(REVIEWS);
  const [, { id }] = data.customers.nodes;
  await control('POST', 'faults', { route: REVIEW_ROUTE, customer_id: id, fault: { status: 500 } });
  // What is kept needs no upstream that works, so this looks past it.
  const failed = await ask(REVIEWS, {}, { 'cache-control': 'no-cache' });
  await control('DELETE', 'faults');
  const rows = failed.data?.customers?.nodes ?? [];
  const whole = (row) => [row.id, row.name, row.status];
  expectEqual(`${client}: every row is whole`, rows.map(whole), data.customers.nodes.map(whole));
  expectEqual(`${client}: one review is missing`, rows.map((row) => row.review === null), [false, true, false]);
  const seen = failed.errors.map(({ path, extensions }) => [path.join('.'), extensions.code]);
  expectEqual(`${client}: one error, with its path`, seen, [['customers.nodes.1.review', 'UPSTREAM_ERROR']]);
}

/** Every error says which it is, of which request, and whether trying again can help. */
async function errorExtensions(client, ask) {
  const invalid = await ask('query Invalid { customer(id: 1) { shoeSize } }');
  expectEqual(`${client}: an unknown field is the caller's`, told(invalid), ['GRAPHQL_VALIDATION_FAILED', false, true]);
  const variable = await ask(CUSTOMER, {});
  expectEqual(`${client}: a missing variable too`, told(variable), ['BAD_USER_INPUT', false, true]);
  const route = 'GET /v1/customers';
  await control('POST', 'faults', { route, fault: { status: 429, retry_after: 7 } });
  const limited = await ask('query Count { customers { totalCount } }', {}, { 'cache-control': 'no-cache' });
  await control('DELETE', 'faults');
  expectEqual(`${client}: the upstream's limit is not`, told(limited), ['UPSTREAM_RATE_LIMITED', true, true]);
  expectEqual(`${client}: and says when`, limited.errors[0]?.extensions.retryAfterSeconds, 7);
}

function told({ errors }) {
  const { code, retryable, requestId } = errors[0]?.extensions ?? {};
  return [code, retryable, /^[0-9a-f-]{36}$/.test(requestId)];
}

async function pages(client, ask) {
  const ids = new Set();
  let [after, asked] = [null, 0];
  for (;;) {
    const { totalCount, nodes, pageInfo } = (await ask(LIST, { after })).data.customers;
    nodes.forEach(({ id }) => ids.add(id));
    asked += 1;
    after = pageInfo.endCursor;
    if (!pageInfo.hasNextPage || asked > 50) {
      expectEqual(`${client}: all pages together are all customers, each once`, ids.size, totalCount);
      expectEqual(`${client}: in as many pages as they need`, asked, Math.ceil(totalCount / 100));
      return;
    }
  }
}

async function mutationByGet() {
  const query = encodeURIComponent('mutation { deleteCustomer(input: { id: "1" }) { deletedCustomerId } }');
  const response = await fetch(`${url}?query=${query}`);
  expectEqual('a mutation by GET is refused', [response.status, response.headers.has('allow')], [405, true]);
}

/** The sandbox's control door. */
async function control(method, path, body) {
  const response = await fetch(`${process.env.SANDBOX_URL}/_sandbox/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the sandbox's control door answered ${response.status} to ${method} ${path}`);
}
