// One row of the queue: the customer, the creation date and the worst reason of the screening.

import { useState } from 'react';
import { useClient } from 'urql';
import { Link } from 'wouter';
import { BYPASS_CACHES } from './client';
import { graphql, read, type FragmentType } from './gql';
import { Decision, Risk, Since } from './Marks';
import { CHECK, TYPE, day } from './words';

/** The fields that a list has without an upstream call for each row. */
export const HEAD = graphql(`
  fragment Head on Customer {
    id
    name
    type
    status
    email
    phone
    externalId
    createdAt
    updatedAt
  }
`);

const AGAINST = graphql(`
  fragment Against on CustomerReview {
    identity {
      reasons {
        check
        decision
        riskScore
        messages {
          code
          message
        }
      }
    }
  }
`);

const ONE_REASON = graphql(`
  query RowReason($id: ID!) {
    customer(id: $id) {
      id
      review {
        ...Against
      }
    }
  }
`);

type RowProps = {
  customer: FragmentType<typeof HEAD>;
  /** `undefined` while it is loading, `null` if it failed to load. */
  review: FragmentType<typeof AGAINST> | null | undefined;
  withReview: boolean;
};

export function Row({ customer, review, withReview }: RowProps) {
  const { id, name, type, createdAt } = read(HEAD, customer);
  return (
    <li className="row">
      <div className="row-who">
        <Link href={`/customers/${id}`} className="row-link">
          {name}
        </Link>
        <span className="quiet">{TYPE[type]}</span>
      </div>
      <div className="row-since">
        <Since time={createdAt} />
        <span className="quiet">{day(createdAt)}</span>
      </div>
      {withReview && (review === null ? <FailedReview id={id} /> : <Against review={review} />)}
    </li>
  );
}

/** The worst reason of a screening and the number of other reasons. */
function Against({ review }: { review: FragmentType<typeof AGAINST> | undefined }) {
  const known = read(AGAINST, review);
  if (!known) return <div className="row-why loading">…</div>;
  if (!known.identity) return <div className="row-why quiet">Never screened</div>;
  const [worst, ...others] = known.identity.reasons;
  if (!worst) return <div className="row-why quiet">All checks accept</div>;
  return (
    <>
      <div className="row-why">
        <Decision of={worst.decision} />
        <span>
          <strong>{CHECK[worst.check]}</strong> {worst.messages[0]?.message}
          {others.length > 0 && <span className="quiet"> and {others.length} more</span>}
        </span>
      </div>
      {worst.riskScore == null ? (
        <span className="quiet">no score</span>
      ) : (
        <Risk of={CHECK[worst.check]} score={worst.riskScore} />
      )}
    </>
  );
}

/** Replaces one cell of the row if the review failed to load. After a retry the cache updates the list. */
function FailedReview({ id }: { id: string }) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const again = async () => {
    setBusy(true);
    await client.query(ONE_REASON, { id }, BYPASS_CACHES).toPromise();
    setBusy(false);
  };
  return (
    <div className="row-why row-unread">
      <span className="mark" data-tone="bad">
        Could not be loaded
      </span>
      <button type="button" onClick={again} disabled={busy}>
        {busy ? 'Loading …' : 'Try again'}
      </button>
    </div>
  );
}
