import { InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';

export const cache = () =>
  new InMemoryCache({
    typePolicies: {
      // One list for each filter and sort; `fetchMore` appends to it. It merges `edges`: select `edges`, not `nodes`.
      Query: { fields: { customers: relayStylePagination(['filter', 'sort']) } },
      // `reviewId` identifies a screening; a refresh creates a new one.
      IdentityReview: { keyFields: ['reviewId'] },
      // Its parts have no id: merge the fields that two views select.
      CustomerReview: { merge: true },
      IdentityBreakdown: { merge: true },
      IdentityCheck: { merge: true },
      KycCheck: { merge: true },
      NetworkAlertsCheck: { merge: true },
      ReputationCheck: { merge: true },
      WatchlistCheck: { merge: true },
    },
  });
