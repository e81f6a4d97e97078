// Examples of frontend tests against the sandbox: a reset before each test, a slow response, a failed review.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

const { GATEWAY_URL = 'http://127.0.0.1:4000', SANDBOX_URL = 'http://127.0.0.1:4010' } = process.env;
const REX = '0190b2de-7c11-7c3a-8f10-000000000003';

const sandbox = async (method, path, body) => {
  const answer = await fetch(`${SANDBOX_URL}/_sandbox/${path}`, { method, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer;
};
beforeEach(() => sandbox('POST', 'reset'));

async function ask(query, variables) {
  const response = await fetch(`${GATEWAY_URL}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

const CUSTOMER = 'query Customer($id: ID!) { customer(id: $id) { name status review { identity { decision } } } }';

test('a failed review leaves the customer on the page', async () => {
  const fault = { status: 503, retry_after: 2 };
  await sandbox('POST', 'faults', { route: 'GET /v1/customers/{id}/review', customer_id: REX, fault });
  const { data, errors } = await ask(CUSTOMER, { id: REX });
  assert.equal(data.customer.name, 'Rex Example');
  assert.equal(data.customer.review, null);
  assert.equal(errors[0].extensions.retryable, true);
});

test('a reset restores the data', async () => {
  const remove = 'mutation Remove($id: ID!) { deleteCustomer(input: { id: $id }) { deletedCustomerId } }';
  const { data } = await ask(remove, { id: REX });
  assert.equal(data.deleteCustomer.deletedCustomerId, REX);
  assert.equal((await ask(CUSTOMER, { id: REX })).data.customer, null);
  await sandbox('POST', 'reset');
  assert.equal((await ask(CUSTOMER, { id: REX })).data.customer.name, 'Rex Example');
});

test('a slow gateway shows a spinner', async () => {
  await sandbox('PUT', 'latency', { ms: 400 });
  const shown = ['nothing'];
  const asking = ask(CUSTOMER, { id: REX }).then(() => shown.push('the customer'));
  await new Promise((resolve) => setTimeout(() => resolve(shown.push('a spinner')), 50));
  await asking;
  assert.deepEqual(shown, ['nothing', 'a spinner', 'the customer']);
});

test('a page costs one upstream call', async () => {
  await ask('{ customers(first: 20) { nodes { id name status } } }');
  const { calls } = await (await sandbox('GET', 'calls')).json();
  assert.deepEqual(calls, { 'GET /v1/customers': 1 });
});
