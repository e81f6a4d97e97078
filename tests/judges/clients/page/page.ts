// A frontend page with the generated types: no cast, no `any`, no `!` (casts.mjs checks this), and no client library.
// It is compiled with strict settings and then runs against a gateway that accepts only its documents.

import { expect, expectEqual, finish } from '../../report.mjs';
import { startGateway } from '../gateway.mjs';
import { type FragmentType, getFragmentData, graphql } from './gql/index.js';
import type {
  AddressInput,
  CreateCustomerInput,
  CustomerStatus,
  TypedDocumentString,
  UserErrorCode,
} from './gql/graphql.js';

const gateway = await startGateway({
  GATEWAY__DOCUMENTS__MODE: 'only',
  GATEWAY__DOCUMENTS__MANIFEST: 'page/gql/persisted-documents.json',
});

interface GraphQLError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; retryable: boolean; requestId: string };
}
type Answer<Data> = { data?: Data | null; errors?: GraphQLError[] };

async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
): Promise<Answer<Data>> {
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ documentId: document.__meta__?.hash, variables }),
  });
  return response.json();
}

const Row = graphql(`
  fragment Row on Customer {
    id
    name
    status
    createdAt
    complianceProfile {
      __typename
      ... on IndividualComplianceProfile { ssn }
      ... on BusinessComplianceProfile { ein legalBusinessName }
    }
  }
`);

const Queue = graphql(`
  query Queue($first: Int!, $after: String, $filter: CustomerFilter) {
    customers(first: $first, after: $after, filter: $filter, sort: { by: CREATED_AT, order: ASC }) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id ...Row }
    }
  }
`);

// A status that the gateway learns later is a line that does not compile here.
const LABELS: Record<CustomerStatus, string> = {
  PENDING: 'being screened',
  REVIEW: 'waits for you',
  VERIFIED: 'may transact',
  INACTIVE: 'switched off',
  REJECTED: 'may not transact',
  UNRECOGNIZED: 'see the upstream',
};

function line(masked: FragmentType<typeof Row>): string {
  const { name, status, createdAt, complianceProfile: profile } = getFragmentData(Row, masked);
  const number = (() => {
    switch (profile?.__typename) {
      case 'IndividualComplianceProfile': return profile.ssn;
      case 'BusinessComplianceProfile': return profile.ein;
      case undefined: return null;
    }
  })();
  return `${name} ${LABELS[status]} since ${createdAt.slice(0, 10)} (${number ?? 'no number'})`;
}

const queue = await ask(Queue, { first: 3, filter: { statuses: ['REVIEW'] } });
const lines = queue.data?.customers.nodes.map(line) ?? [];
// @ts-expect-error: fields of a fragment are only accessible through the fragment.
queue.data?.customers.nodes[0]?.name;
expectEqual('three lines', [queue.errors, lines.length], [undefined, 3]);
expect('each line has the label of the status', lines.every((text) => text.includes('waits for you since 20')), lines);
expect('each line has the masked number or "no number"', lines.every((text) => /\((\*\*\*-\*\*-\*\*\*\*|\*\*-\*{7}|no number)\)$/.test(text)), lines);

const Create = graphql(`
  mutation Create($input: CreateCustomerInput!) {
    createCustomer(input: $input) {
      customer { id ...Row }
      userErrors { code message path }
    }
  }
`);

interface UserError {
  code: UserErrorCode;
  message: string;
  path: string[] | null;
}

/** The message for each field of a form, by the field's path in the input: `email`, `address.zip`. */
function fieldErrors(userErrors: UserError[]): { fields: Map<string, string>; form: string[] } {
  const fields = new Map<string, string>();
  const form: string[] = [];
  for (const { message, path } of userErrors) {
    // A path begins with the name of the argument, `input`.
    const field = path?.slice(1).join('.');
    if (field) fields.set(field, message);
    else form.push(message);
  }
  return { fields, form };
}

const address: AddressInput = { address1: '1 Main Street', city: 'Reno', state: 'NV', zip: '89501' };
const input: CreateCustomerInput = {
  name: 'Paige Example',
  type: 'INDIVIDUAL',
  email: 'nobody',
  phone: '+12025550123',
  device: { ipAddress: '0.0.0.0' },
  address: { ...address, zip: '895' },
  complianceProfile: { individual: { dob: '1980-02-03', ssn: '900-12-3456' } },
  config: { sandboxOutcome: 'REVIEW' },
};

// The types allow neither both kinds of profile nor none.
// @ts-expect-error: `@oneOf` requires exactly one field.
const both: CreateCustomerInput = { ...input, complianceProfile: { individual: {}, business: {} } };
// @ts-expect-error: `@oneOf` requires exactly one field.
const neither: CreateCustomerInput = { ...input, complianceProfile: {} };
for (const wrong of [both, neither]) {
  const { errors } = await ask(Create, { input: wrong });
  expectEqual('the gateway rejects the same input', errors?.map(({ extensions }) => extensions.code), ['BAD_USER_INPUT']);
}

const refused = await ask(Create, { input });
const { fields, form } = fieldErrors(refused.data?.createCustomer.userErrors ?? []);
expectEqual('all wrong fields are returned together, by the names of the form', [[...fields.keys()].sort(), form], [['address.zip', 'email'], []]);

const created = await ask(Create, { input: { ...input, email: 'paige@example.test', address } });
const paige = created.data?.createCustomer.customer;
expectEqual('the corrected input is accepted', created.data?.createCustomer.userErrors, []);
expect('the line of the new customer', paige != null && line(paige).startsWith('Paige Example waits for you'), created);

const Decide = graphql(`
  mutation Decide($input: DecideCustomerReviewInput!) {
    decideCustomerReview(input: $input) {
      customer { id status updatedAt }
      userErrors { code message path }
    }
  }
`);
if (paige) {
  const decided = await ask(Decide, { input: { customerId: paige.id, decision: 'VERIFIED', reason: 'documents seen' } });
  expectEqual('the status after the decision', decided.data?.decideCustomerReview.customer?.status, 'VERIFIED');
  const again = await ask(Decide, { input: { customerId: paige.id, decision: 'REJECTED' } });
  expectEqual('a second decision is rejected', again.data?.decideCustomerReview.userErrors.map(({ code }) => code), ['NOT_IN_REVIEW']);
}

const large = await ask(Queue, { first: 1000 });
expectEqual('the code of a wrong argument', large.errors?.map(({ extensions }) => extensions.code), ['BAD_USER_INPUT']);

const other = await fetch(gateway.url, {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
  body: JSON.stringify({ query: '{ viewer { subject } }' }),
});
expectEqual('another document is rejected', other.status, 400);

await gateway.stop();
finish('page (graphql-codegen, strict TypeScript)');
