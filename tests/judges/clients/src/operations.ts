// The operations of a review desk. Apollo and urql send the same documents.

import { graphql } from './gql/index.js';

export const CUSTOMER = graphql(`
  query Customer($id: ID!) {
    customer(id: $id) {
      id
      name
      status
      updatedAt
      complianceProfile {
        __typename
        ... on IndividualComplianceProfile { dob ssn }
        ... on BusinessComplianceProfile { ein legalBusinessName }
      }
      review {
        identity {
          reviewId
          decision
          breakdown { email { decision } }
          reasons { check decision messages { code message } }
        }
      }
    }
  }
`);

export const BREAKDOWN = graphql(`
  query Breakdown($id: ID!) {
    customer(id: $id) {
      id
      review {
        customer { id createdAt }
        identity { reviewId breakdown { email { riskScore } phone { riskScore } } }
      }
    }
  }
`);

export const QUEUE = graphql(`
  query Queue($first: Int!, $after: String, $filter: CustomerFilter) {
    customers(first: $first, after: $after, filter: $filter, sort: { by: CREATED_AT, order: ASC }) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { node { id name status updatedAt } }
    }
  }
`);

export const REVIEWS = graphql(`
  query Reviews {
    customers(first: 3, filter: { statuses: [REVIEW] }) {
      edges { node { id name status review { identity { reviewId decision } } } }
    }
  }
`);

export const CREATE = graphql(`
  mutation Create($input: CreateCustomerInput!) {
    createCustomer(input: $input) {
      customer { id name status updatedAt }
      userErrors { code message path }
    }
  }
`);

export const DECIDE = graphql(`
  mutation Decide($input: DecideCustomerReviewInput!) {
    decideCustomerReview(input: $input) {
      customer { id status updatedAt }
      userErrors { code message path }
    }
  }
`);

export const UPDATE = graphql(`
  mutation Update($input: UpdateCustomerInput!) {
    updateCustomer(input: $input) {
      customer { id name updatedAt }
      userErrors { code message path }
    }
  }
`);

export const UNMASK = graphql(`
  mutation Unmask($input: UnmaskCustomerInput!) {
    unmaskCustomer(input: $input) {
      unmaskedCustomer {
        customerId
        complianceProfile { __typename ... on UnmaskedIndividualComplianceProfile { ssn } }
      }
      userErrors { code message path }
    }
  }
`);
