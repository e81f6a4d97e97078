// Apollo's gateway over two subgraphs: the running gateway and notes about its customers. The sandbox counts calls.

import apollo from '@apollo/composition';
import { ApolloGateway, LocalGraphQLDataSource, RemoteGraphQLDataSource } from '@apollo/gateway';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { expect, expectEqual, finish } from './report.mjs';
import { CUSTOMERS, NOTES, services, withNode } from './subgraphs.mjs';

const { GATEWAY_URL, SANDBOX_URL } = process.env;
const KEY = { authorization: 'Bearer sandbox' };
const [ADA, REX, RHEA] = [1, 3, 6].map((number) => `0190b2de-7c11-7c3a-8f10-00000000000${number}`);
const UNKNOWN = '0190b2de-7c11-7c3a-8f10-00000000ffff';
const CUSTOMER = 'GET /v1/customers/{id}';
const REVIEW = 'GET /v1/customers/{id}/review';
const LIST = 'GET /v1/customers';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

const notes = (id) => [`a note about ${id.slice(-4)}`];
const Customer = { __resolveReference: ({ id }) => ({ id }), notes: ({ id }) => notes(id) };
const noted = () => [ADA, REX, ADA, UNKNOWN].map((id) => ({ id }));

/** A router over the gateway and one other subgraph. It forwards the caller's headers. */
async function router(sdl, resolvers) {
  const { supergraphSdl, errors } = apollo.composeServices(services({ notes: sdl }));
  expectEqual('the supergraph composes', errors ?? [], []);
  const other = buildSubgraphSchema({ typeDefs: parse(sdl), resolvers });
  const gateway = new ApolloGateway({
    supergraphSdl,
    logger: quiet,
    buildService: ({ name }) => (name === 'notes' ? new LocalGraphQLDataSource(other) : ours()),
  });
  const { schema, executor } = await gateway.load();
  return async (query, { variables = {}, headers = KEY } = {}) => {
    await fetch(`${SANDBOX_URL}/_sandbox/calls`, { method: 'DELETE' });
    const { data, errors } = await executor({
      request: { query, variables },
      document: parse(query),
      queryHash: query,
      operationName: undefined,
      context: { headers },
      metrics: {},
      logger: quiet,
      schema,
    });
    const calls = (await (await fetch(`${SANDBOX_URL}/_sandbox/calls`)).json()).calls;
    return { data: JSON.parse(JSON.stringify(data ?? null)), errors: errors ?? [], calls };
  };
}

function ours() {
  return new RemoteGraphQLDataSource({
    url: GATEWAY_URL,
    willSendRequest({ request, context }) {
      // Bypasses the gateway's cache, so that every read makes upstream calls.
      const headers = { ...context.headers, 'cache-control': 'no-cache' };
      for (const [name, value] of Object.entries(headers)) request.http.headers.set(name, value);
    },
  });
}

const ask = await router(NOTES, { Query: { noted }, Customer });

const served = await fetch(GATEWAY_URL, {
  method: 'POST',
  headers: { ...KEY, 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ _service { sdl } }' }),
});
expectEqual('the gateway serves the schema that the binary prints', (await served.json()).data?._service.sdl.trim(), CUSTOMERS.trim());

{
  const { data, errors, calls } = await ask('{ noted { id notes externalId createdAt } }');
  const [ada, rex, again, unknown] = data.noted;
  expectEqual('no errors', errors, []);
  expect('fields of both subgraphs', ada.createdAt && rex.createdAt, data);
  expectEqual('a customer that occurs twice', again, ada);
  expectEqual('an unknown customer with non-null fields', unknown, null);
  expectEqual('each customer costs one call', calls, { [CUSTOMER]: 3 });
}
{
  const { data, errors, calls } = await ask('{ noted { id notes externalId } }');
  expectEqual('an unknown customer with nullable fields', data.noted[3], {
    id: UNKNOWN, notes: notes(UNKNOWN), externalId: null,
  });
  expectEqual('an unknown customer causes no error', [errors, calls], [[], { [CUSTOMER]: 3 }]);
}
{
  const { data, errors, calls } = await ask('{ noted { notes name review { identity { decision } } } }');
  expectEqual('the decision of a screening', data.noted[1]?.review.identity.decision, 'ACCEPT');
  expectEqual('a review and its customer cost one call', [errors, calls], [[], { [REVIEW]: 3 }]);
}
{
  const { data, errors, calls } = await ask('{ customers(first: 3) { nodes { id name notes } pageInfo { hasNextPage } } }');
  const found = data.customers.nodes.every((node) => node.name && node.notes[0] === notes(node.id)[0]);
  expect('the rows of a list have notes', found && data.customers.nodes.length === 3, data);
  expectEqual('a list costs one call', [errors, calls], [[], { [LIST]: 1 }]);
}
{
  const fault = { customer_id: REX, fault: { status: 500 } };
  await fetch(`${SANDBOX_URL}/_sandbox/faults`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(fault),
  });
  const { data, errors } = await ask('{ noted { id notes externalId } }');
  await fetch(`${SANDBOX_URL}/_sandbox/faults`, { method: 'DELETE' });
  expectEqual('one error', errors.map(({ extensions }) => extensions.code), ['UPSTREAM_ERROR']);
  expectEqual('the data of the other subgraph is complete', data.noted.map((one) => one?.notes), [ADA, REX, ADA, UNKNOWN].map(notes));
}
{
  const mutation = `mutation ($input: CreateCustomerInput!) {
    createCustomer(input: $input) { customer { id name notes } userErrors { code } }
  }`;
  const input = {
    name: 'Fay Example', type: 'INDIVIDUAL', email: 'fay.federation@example.test', phone: '+12025550188',
    device: { ipAddress: '0.0.0.0' },
  };
  const { data, errors } = await ask(mutation, { variables: { input } });
  expectEqual('a mutation succeeds', [errors, data.createCustomer.userErrors], [[], []]);
  expectEqual('the created customer has notes', data.createCustomer.customer.notes, notes(data.createCustomer.customer.id));
}
{
  const { data, errors, calls } = await ask('{ noted { id name } }', { headers: {} });
  expectEqual('a request without credentials is rejected', errors[0]?.extensions.code, 'UNAUTHENTICATED');
  expectEqual('a rejected request has no data and makes no calls', [data.noted, calls], [[null, null, null, null], {}]);
}

// A subgraph that overrides `node`. It finds the type from the form of the id, and the router resolves customers as
// entities.
const takesNode = await router(withNode('@override(from: "customers")'), {
  Query: { node: (_, { id }) => (id.startsWith('note:') ? { id, __typename: 'Note' } : { id, __typename: 'Customer' }) },
  Note: { text: ({ id }) => id },
  Customer,
});
{
  const query = 'query ($id: ID!) { node(id: $id) { __typename id ... on Customer { name notes } ... on Note { text } } }';
  const customer = await takesNode(query, { variables: { id: RHEA } });
  expectEqual('a customer by node', [customer.data.node, customer.calls], [
    { __typename: 'Customer', id: RHEA, name: 'Rhea Example', notes: notes(RHEA) },
    { [CUSTOMER]: 1 },
  ]);
  const note = await takesNode(query, { variables: { id: 'note:1' } });
  expectEqual('a note by node', [note.data.node, note.calls], [{ __typename: 'Note', id: 'note:1', text: 'note:1' }, {}]);
}
finish('supergraph');
