import { InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';

export const cache = () =>
  new InMemoryCache({
    typePolicies: {
      // One list for each filter and sort; `fetchMore` adds to it. It keeps `edges`, so ask for those, not for `nodes`.
      Query: { fields: { customers: relayStylePagination(['filter', 'sort']) } },
      // A screening is known by its own id; a refresh gives a new one.
      IdentityReview: { keyFields: ['reviewId'] },
      // Its parts have none: what two views ask of them belongs together.
      CustomerReview: { merge: true },
      IdentityBreakdown: { merge: true },
      IdentityCheck: { merge: true },
      KycCheck: { merge: true },
      NetworkAlertsCheck: { merge: true },
      ReputationCheck: { merge: true },
      WatchlistCheck: { merge: true },
    },
  });
