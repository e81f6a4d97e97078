// The decision. The page shows it optimistically and reverts it if the gateway rejects it.

import { useRef, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { Link } from 'wouter';
import { graphql, read, type FragmentType } from './gql';
import type { ReviewDecision } from './gql/graphql';
import { Status } from './Marks';
import { useArrival, useMay } from './Page';
import { Problem } from './Problem';
import { HEAD } from './Row';
import { STATUS } from './words';

const DECIDE = graphql(`
  mutation Decide($input: DecideCustomerReviewInput!) {
    decideCustomerReview(input: $input) {
      customer {
        id
        status
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`);

/** Uses `customerPage`, because the cache would merge a `customers` window of one row into the list of the queue. */
const NEXT = graphql(`
  query Next {
    customerPage(size: 1, filter: { statuses: [REVIEW] }, sort: { by: CREATED_AT, order: ASC }) {
      nodes {
        id
        ...Head
      }
      meta {
        totalItems
      }
    }
  }
`);

export function Decide({ customer, readAgain }: { customer: FragmentType<typeof HEAD>; readAgain: () => void }) {
  const { id, status } = read(HEAD, customer);
  const mayDecide = useMay('REVIEWS_DECIDE');
  const [{ data, error, fetching }, decide] = useMutation(DECIDE);
  const [reason, setReason] = useState('');
  // Without a response the outcome is unknown. A retry with the same idempotency key is safe.
  const attempt = useRef<{ decision: ReviewDecision; idempotencyKey: string }>(null);

  const send = async (decision: ReviewDecision) => {
    if (attempt.current?.decision !== decision) attempt.current = { decision, idempotencyKey: crypto.randomUUID() };
    const { error } = await decide({ input: { customerId: id, reason, ...attempt.current } });
    if (!error) attempt.current = null;
  };

  const payload = data?.decideCustomerReview;
  if (payload?.customer) return <Decided as={payload.customer.status} />;

  const refusals = payload?.userErrors ?? [];
  const aboutReason = refusals.find(({ path }) => path?.at(-1) === 'reason');
  return (
    <section className="card decide" aria-label="Decision">
      <h2>Decision</h2>
      {status === 'REVIEW' || fetching ? (
        mayDecide ? (
          <form>
            <label className="field">
              Reason
              <textarea
                rows={3}
                required
                value={reason}
                onChange={(event) => setReason(event.target.value)}
                disabled={fetching}
                aria-invalid={aboutReason !== undefined}
                aria-describedby="about-reason"
              />
            </label>
            <p id="about-reason" className="field-error">
              {aboutReason?.message}
            </p>
            <div className="buttons">
              <button className="good" formAction={() => send('VERIFIED')} disabled={fetching}>
                Verify
              </button>
              <button className="bad" formAction={() => send('REJECTED')} disabled={fetching}>
                Reject
              </button>
            </div>
          </form>
        ) : (
          <p className="quiet">You do not have permission to decide.</p>
        )
      ) : (
        <p>
          Nothing to decide: <Status of={status} />
        </p>
      )}
      {status === 'REVIEW' &&
        refusals
          .filter((refusal) => refusal !== aboutReason)
          .map(({ code, message }) => (
            <div key={code} className="problem">
              <p role="alert">{message}</p>
              <button type="button" onClick={readAgain}>
                Reload the customer
              </button>
            </div>
          ))}
      {error && (
        <Problem
          what="The decision was not saved."
          unsure="The outcome is unknown: the decision may be saved. Trying again is safe and does not save it twice."
          error={error}
          retry={() => attempt.current && send(attempt.current.decision)}
        />
      )}
    </section>
  );
}

/** Shown after the gateway has confirmed the decision, with a link to the oldest customer in review. */
function Decided({ as: status }: { as: keyof typeof STATUS }) {
  const [{ data, error, fetching }, again] = useQuery({ query: NEXT, requestPolicy: 'network-only' });
  const [next] = data?.customerPage?.nodes ?? [];
  return (
    <section className="card decide" aria-label="Decision">
      <h2>Decision</h2>
      <p role="status" ref={useArrival<HTMLParagraphElement>()} tabIndex={-1}>
        <Status of={status} /> Decision saved.
      </p>
      {error && <Problem what="The next customer could not be loaded." error={error} retry={again} />}
      {next && <NextUp customer={next} waiting={data?.customerPage?.meta.totalItems ?? 0} />}
      {!next && !fetching && !error && <p>No other customers are in review.</p>}
    </section>
  );
}

function NextUp({ customer, waiting }: { customer: FragmentType<typeof HEAD>; waiting: number }) {
  const { id, name } = read(HEAD, customer);
  return (
    <p>
      <Link href={`/customers/${id}`} className="button">
        Next: {name} →
      </Link>{' '}
      <span className="quiet">{waiting} in review</span>
    </p>
  );
}
