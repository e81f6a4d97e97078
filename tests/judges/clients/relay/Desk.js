// The documents of a review desk, as its components would declare them. Only relay-compiler reads this file. In a real
// frontend Relay's Babel plugin replaces each tag with an import of the compiled document. relay.mjs imports that
// directly.

import { graphql } from 'relay-runtime';

export const query = graphql`
  query DeskQuery($count: Int!, $filter: CustomerFilter) {
    ...Desk_queue @arguments(count: $count, filter: $filter)
  }
`;

export const queue = graphql`
  fragment Desk_queue on Query
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }, filter: { type: "CustomerFilter" })
  @refetchable(queryName: "DeskQueuePaginationQuery") {
    customers(first: $count, after: $cursor, filter: $filter, sort: { by: CREATED_AT, order: ASC })
      @connection(key: "Desk_customers", filters: ["filter"]) {
      totalCount
      edges { node { id ...Desk_row } }
    }
  }
`;

export const row = graphql`
  fragment Desk_row on Customer {
    id
    name
    status
    updatedAt
  }
`;

export const review = graphql`
  fragment Desk_review on Customer @refetchable(queryName: "DeskReviewRefetchQuery") {
    name
    complianceProfile {
      __typename
      ... on IndividualComplianceProfile { ssn }
      ... on BusinessComplianceProfile { ein }
    }
    review @catch(to: RESULT) { identity { decision reasons { check decision } } }
  }
`;

export const customer = graphql`
  query DeskCustomerQuery($id: ID!) {
    node(id: $id) {
      __typename
      ... on Customer @alias(as: "customer") { ...Desk_row ...Desk_review }
    }
  }
`;

// Every payload has `userErrors`, so one fragment and one component serve all forms.
export const problems = graphql`
  fragment Desk_problems on MutationPayload {
    userErrors { code message path }
  }
`;

export const decide = graphql`
  mutation DeskDecideMutation($input: DecideCustomerReviewInput!) {
    decideCustomerReview(input: $input) {
      customer { ...Desk_row }
      ...Desk_problems
    }
  }
`;

export const unmask = graphql`
  mutation DeskUnmaskMutation($input: UnmaskCustomerInput!) {
    unmaskCustomer(input: $input) {
      unmaskedCustomer {
        customerId
        complianceProfile { __typename ... on UnmaskedIndividualComplianceProfile { ssn } }
      }
      ...Desk_problems
    }
  }
`;

export const remove = graphql`
  mutation DeskDeleteMutation($input: DeleteCustomerInput!, $connections: [ID!]!) {
    deleteCustomer(input: $input) {
      deletedCustomerId @deleteEdge(connections: $connections) @deleteRecord
      userErrors { code message path }
    }
  }
`;
