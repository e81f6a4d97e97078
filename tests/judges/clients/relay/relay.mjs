// Relay: its compiler accepts the schema, a connection loads more rows, a fragment refetches by `node(id:)`, mutations
// update the store, and the gateway runs only the documents that the compiler persisted.

import { createRequire } from 'node:module';
import relay from 'relay-runtime';
import { expect, expectEqual, finish } from '../../report.mjs';
import { startGateway } from '../gateway.mjs';

const { ConnectionHandler, Environment, Network, RecordSource, Store } = relay;
const artifact = (name) => createRequire(import.meta.url)(`./__generated__/${name}.graphql.js`);

const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const gateway = await startGateway({
  GATEWAY__DOCUMENTS__MODE: 'only',
  GATEWAY__DOCUMENTS__MANIFEST: 'relay/persisted-queries.json',
});
const sent = [];
const environment = environmentOf({});
const filter = { statuses: ['REVIEW'] };

await loadsMore();
await refetches();
await decides();
await unmasks();
await deletes();
await partialFailure();
await gateway.stop();
finish('relay (relay-compiler, relay-runtime)');

function environmentOf(headers) {
  return new Environment({ network: Network.create((params, variables) => ask(params, variables, headers)), store: new Store(new RecordSource()) });
}

/** Sends a compiled document, which has an id and no text. */
async function ask({ id, text, name }, variables, headers) {
  expect(`${name} is sent with its id`, id !== null && text === null, { id, text });
  sent.push(name);
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify({ documentId: id, variables }),
  });
  return response.json();
}

async function run(name, variables, into = environment) {
  const operation = relay.createOperationDescriptor(artifact(name), variables);
  into.retain(operation);
  await relay.fetchQuery(into, artifact(name), variables).toPromise();
  return into.lookup(operation.fragment).data;
}

/** The data that a component with the fragment receives. */
function read(fragment, reference, from = environment) {
  return from.lookup(relay.getSingularSelector(artifact(fragment), reference)).data;
}

async function loadsMore() {
  const variables = { count: 20, filter };
  let page = read('Desk_queue', await run('DeskQuery', variables));
  const sizes = [page.customers.edges.length];
  const { paginationRequest, paginationMetadata } = relay.getPaginationMetadata(artifact('Desk_queue'), 'Desk_queue');
  while (page.customers.pageInfo.hasNextPage && sizes.length < 10) {
    const { endCursor } = page.customers.pageInfo;
    const more = relay.getPaginationVariables('forward', 20, endCursor, variables, {}, paginationMetadata);
    page = read('Desk_queue', await run(paginationRequest.params.name, more));
    sizes.push(page.customers.edges.length);
  }
  expectEqual('each window appends its rows', sizes, [20, 40, page.customers.totalCount]);
  const rows = page.customers.edges.map(({ node }) => read('Desk_row', node));
  expectEqual('the list contains every row once', new Set(rows.map(({ id }) => id)).size, page.customers.totalCount);
  expect('every row has the fields of its fragment', rows.every(({ name, status }) => name.length > 0 && status === 'REVIEW'), rows);
}

async function refetches() {
  const { node } = await run('DeskCustomerQuery', { id: ADA });
  expectEqual('the type of the node', node.__typename, 'Customer');
  const { identifierInfo, refetchableRequest } = relay.getRefetchMetadata(artifact('Desk_review'), 'Desk_review');
  expectEqual('a fragment refetches by the id', [identifierInfo.identifierField, identifierInfo.identifierQueryVariableName], ['id', 'id']);
  const again = await run(refetchableRequest.params.name, { id: ADA });
  const { name, complianceProfile, review } = read('Desk_review', again.node);
  expectEqual('the name and the type of the union', [name, complianceProfile.__typename], ['Ada Example', 'IndividualComplianceProfile']);
  expect('the review has reasons', review.ok && review.value.identity.reasons.length > 0, review);
  const unknown = await run('DeskCustomerQuery', { id: crypto.randomUUID() });
  expectEqual('an unknown customer is null', unknown.node, null);
}

function commit(name, config) {
  return new Promise((resolve, reject) => {
    relay.commitMutation(environment, { mutation: artifact(name), onCompleted: resolve, onError: reject, ...config });
  });
}

async function decides() {
  const page = read('Desk_queue', await run('DeskQuery', { count: 5, filter }));
  const [{ node }] = page.customers.edges;
  const selector = relay.getSingularSelector(artifact('Desk_row'), node);
  const shown = [environment.lookup(selector).data.status];
  const subscription = environment.subscribe(environment.lookup(selector), ({ data }) => shown.push(data.status));
  sent.length = 0;
  const input = { customerId: node.id, decision: 'VERIFIED', reason: 'documents seen' };
  const deciding = commit('DeskDecideMutation', {
    variables: { input },
    optimisticResponse: {
      decideCustomerReview: {
        customer: { id: node.id, name: read('Desk_row', node).name, status: 'VERIFIED', updatedAt: new Date().toISOString() },
        userErrors: [],
      },
    },
  });
  expectEqual('the optimistic status is shown before the response', shown.at(-1), 'VERIFIED');
  const decided = await deciding;
  subscription.dispose();
  expectEqual('the decision has no user errors', read('Desk_problems', decided.decideCustomerReview).userErrors, []);
  expectEqual('the status changes once', shown.filter((status, at) => status !== shown[at - 1]), ['REVIEW', 'VERIFIED']);
  expectEqual('the decision takes one request', sent, ['DeskDecideMutation']);
  const again = await commit('DeskDecideMutation', { variables: { input: { ...input, decision: 'REJECTED' } } });
  const problems = read('Desk_problems', again.decideCustomerReview).userErrors;
  expectEqual('a second decision is rejected', problems.map(({ code }) => code), ['NOT_IN_REVIEW']);
}

async function unmasks() {
  const input = { id: ADA, reason: 'customer called about the tax form' };
  const { unmaskCustomer } = await commit('DeskUnmaskMutation', { variables: { input } });
  const { ssn } = unmaskCustomer.unmaskedCustomer.complianceProfile;
  expect('the SSN is unmasked', /^\d{3}-\d{2}-\d{4}$/.test(ssn), unmaskCustomer);
  // A payload stays in the store until a garbage collection, which only the unmounting of a component would start.
  environment.getStore().scheduleGC();
  const stored = () => JSON.stringify(environment.getStore().getSource().toJSON()).includes(ssn);
  for (let tries = 0; tries < 100 && stored(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect('the store does not contain the SSN', !stored(), 'it is stored');
}

async function deletes() {
  const page = read('Desk_queue', await run('DeskQuery', { count: 5, filter }));
  const [{ node }] = page.customers.edges;
  const connection = ConnectionHandler.getConnectionID('client:root', 'Desk_customers', { filter });
  await commit('DeskDeleteMutation', { variables: { input: { id: node.id }, connections: [connection] } });
  const operation = relay.createOperationDescriptor(artifact('DeskQuery'), { count: 5, filter });
  const after = read('Desk_queue', environment.lookup(operation.fragment).data);
  expectEqual('the row of the deleted customer leaves the list', after.customers.edges.some((edge) => edge.node.id === node.id), false);
}

async function partialFailure() {
  await gateway.control('POST', 'faults', { route: 'GET /v1/customers/{id}/review', customer_id: ADA, fault: { status: 500 } });
  const past = environmentOf({ 'cache-control': 'no-cache' });
  const { node } = await run('DeskCustomerQuery', { id: ADA }, past);
  await gateway.control('DELETE', 'faults');
  const { name, review } = read('Desk_review', node.customer, past);
  expectEqual('the customer is returned, and its review has an error', [name, review.ok], ['Ada Example', false]);
  expectEqual('the code of the error', review.errors?.map(({ extensions }) => [extensions.code, extensions.retryable]), [['UPSTREAM_ERROR', true]]);
}
