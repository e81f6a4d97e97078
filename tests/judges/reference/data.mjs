// The data of a gateway for graphql-js. Simple queries read it from the same gateway: one root field each, arguments as
// variables, no aliases, no fragments except on the members of a union.

import { GraphQLError, getNamedType, isCompositeType, isAbstractType, isLeafType, isUnionType } from 'graphql';

const BATCH = 25;

/** One gateway and one caller. */
export class Gateway {
  #responses = new Map();

  constructor(url, key) {
    this.url = url;
    this.key = key;
  }

  async post(body) {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${this.key}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    return response.json();
  }

  /** The data of a query, read once. Throws the first error, so that graphql-js reports it for the resolved field. */
  async read(query, variables = {}) {
    const key = JSON.stringify([query, variables]);
    if (!this.#responses.has(key)) this.#responses.set(key, this.post({ query, variables }));
    const response = await this.#responses.get(key);
    if (response.errors) throw new GraphQLError(response.errors[0].message, { extensions: response.errors[0].extensions });
    return response.data;
  }
}

/** A selection of all fields of a type and of the types below, without those that lead back to a type above. */
export function everything(schema, type, above = []) {
  const parts = [];
  if (isAbstractType(type)) {
    parts.push('__typename');
    for (const member of schema.getPossibleTypes(type))
      parts.push(`... on ${member.name} ${everything(schema, member, above)}`);
  }
  for (const field of Object.values(isUnionType(type) ? {} : type.getFields())) {
    const inner = getNamedType(field.type);
    if (isLeafType(inner)) parts.push(field.name);
    else if (isCompositeType(inner) && ![...above, type].includes(inner)) {
      parts.push(`${field.name} ${everything(schema, inner, [...above, type])}`);
    }
  }
  return `{ ${parts.join(' ')} }`;
}

/** Customers by id with all their fields. The customer of a review is the same object. */
export class Customers {
  #records = new Map();

  constructor(gateway, schema) {
    this.gateway = gateway;
    this.fields = everything(schema, schema.getType('Customer'));
  }

  async load(ids) {
    for (let at = 0; at < ids.length; at += BATCH) {
      const some = ids.slice(at, at + BATCH);
      const loaded = await Promise.all(some.map((id) => this.#one(id)));
      some.forEach((id, index) => this.#records.set(id, loaded[index]));
    }
  }

  async #one(id) {
    const { customer } = await this.gateway.read(`query($id: ID!) { customer(id: $id) ${this.fields} }`, { id });
    customer.__typename = 'Customer';
    if (customer.review) customer.review.customer = customer;
    return customer;
  }

  async get(id) {
    if (!this.#records.has(id)) this.#records.set(id, this.#one(id));
    return this.#records.get(id);
  }
}

/** The resolvers of `Query`. All other fields are properties of what these return. */
export function resolvers(gateway, customers, schema) {
  const viewer = everything(schema, schema.getType('Viewer'));
  const record = (found) => (found ? customers.get(found.id) : null);
  return {
    customer: async ({ id }) =>
      record((await gateway.read('query($id: ID!) { customer(id: $id) { id } }', { id })).customer),
    customerByExternalId: async ({ externalId }) => {
      const query = 'query($externalId: String!) { customerByExternalId(externalId: $externalId) { id } }';
      return record((await gateway.read(query, { externalId })).customerByExternalId);
    },
    customerReview: async ({ customerId }) => {
      const query = 'query($id: ID!) { customerReview(customerId: $id) { customer { id } } }';
      const found = (await gateway.read(query, { id: customerId })).customerReview;
      if (!found) return null;
      const customer = await customers.get(found.customer.id);
      return customer.review;
    },
    node: async ({ id }) => record((await gateway.read('query($id: ID!) { node(id: $id) { id } }', { id })).node),
    nodes: async ({ ids }) => {
      const found = (await gateway.read('query($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })).nodes;
      return found.map(record);
    },
    customers: async (args) => {
      const declared =
        'query($first: Int, $after: String, $last: Int, $before: String, $filter: CustomerFilter, $sort: CustomerSort)';
      const given = 'first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort';
      const pageInfo = everything(schema, schema.getType('PageInfo'));
      const fields = `totalCount pageInfo ${pageInfo} edges { cursor node { id } }`;
      const { customers: found } = await gateway.read(`${declared} { customers(${given}) { ${fields} } }`, args);
      const nodes = await Promise.all(found.edges.map(({ node }) => record(node)));
      return { ...found, nodes, edges: found.edges.map(({ cursor }, at) => ({ cursor, node: nodes[at] })) };
    },
    customerPage: async (args) => {
      const declared = 'query($number: Int!, $size: Int!, $filter: CustomerFilter, $sort: CustomerSort)';
      const meta = everything(schema, schema.getType('PageMeta'));
      const given = 'number: $number, size: $size, filter: $filter, sort: $sort';
      const query = `${declared} { customerPage(${given}) { nodes { id } meta ${meta} } }`;
      const { customerPage: found } = await gateway.read(query, args);
      return { ...found, nodes: await Promise.all(found.nodes.map(record)) };
    },
    viewer: async () => (await gateway.read(`{ viewer ${viewer} }`)).viewer,
    _service: async () => (await gateway.read('{ _service { sdl } }'))._service,
    _entities: async ({ representations }) =>
      representations.map(async (representation) => {
        const query = 'query($r: _Any!) { _entities(representations: [$r]) { ... on Customer { id } } }';
        return record((await gateway.read(query, { r: representation }))._entities[0]);
      }),
  };
}
