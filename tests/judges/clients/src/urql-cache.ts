import { cacheExchange, type OptimisticMutationResolver } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import type { IntrospectionQuery } from 'graphql';
import type { DecideMutationVariables } from './gql/graphql.js';

// The optimistic result until the gateway responds. If the gateway rejects the decision, graphcache reverts it.
const decide: OptimisticMutationResolver<DecideMutationVariables> = ({ input }) => ({
  __typename: 'DecideCustomerReviewPayload',
  customer: { __typename: 'Customer', id: input.customerId, status: input.decision },
  userErrors: [],
});

export const cache = (schema: IntrospectionQuery) =>
  cacheExchange({
    schema,
    keys: embedded(schema),
    resolvers: {
      Query: {
        customers: relayPagination(),
        // A customer that a list has loaded is shown at once; its missing fields are null until they arrive.
        customer: (_parent, { id }) => ({ __typename: 'Customer', id }),
      },
    },
    optimistic: { decideCustomerReview: decide },
  });

// Types without an `id` are stored inside their parent: reviews, addresses, payloads and unmasked records.
function embedded({ __schema: { types } }: IntrospectionQuery) {
  const keyless = types.filter((type) => type.kind === 'OBJECT' && !type.fields.some(({ name }) => name === 'id'));
  return Object.fromEntries(keyless.map(({ name }) => [name, () => null]));
}
