import { InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';

export const cache = () =>
  new InMemoryCache({
    typePolicies: {
      // One list for each filter and sort; `fetchMore` adds to it. It keeps `edges`, so ask for those, not for `nodes`.
      Query: { fields: { customers: relayStylePagination(['filter', 'sort']) } },
      // Parts of a customer that have no id: what two queries ask of them belongs together.
      CustomerReview: { merge: true },
      IdentityReview: { keyFields: ['reviewId'] },
      IdentityBreakdown: { merge: true },
      // A clear record has no id on purpose, so that nothing keeps it.
      Mutation: { fields: { unmaskCustomer: { merge: false } } },
    },
  });
