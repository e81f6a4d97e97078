// The decision. The page shows it at once and takes it back if the gateway says no.

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

/** A page and no window: the cache would take a window of one row for the beginning of the queue's list. */
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
  // Where no answer came, nobody knows whether it was decided. The same key makes it safe to ask again.
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
              Reason, for the record
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
          <p className="quiet">Decisions are not yours to make.</p>
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
                Read the customer again
              </button>
            </div>
          ))}
      {error && (
        <Problem
          what="Not decided."
          unsure="No clear answer came, so it may be decided. Trying again is safe: nothing is decided twice."
          error={error}
          retry={() => attempt.current && send(attempt.current.decision)}
        />
      )}
    </section>
  );
}

/** Said once the gateway has said so, with the way on to whoever has waited longest. */
function Decided({ as: status }: { as: keyof typeof STATUS }) {
  const [{ data, error, fetching }, again] = useQuery({ query: NEXT, requestPolicy: 'network-only' });
  const [next] = data?.customerPage?.nodes ?? [];
  return (
    <section className="card decide" aria-label="Decision">
      <h2>Decision</h2>
      <p role="status" ref={useArrival<HTMLParagraphElement>()} tabIndex={-1}>
        <Status of={status} /> Recorded with your reason.
      </p>
      {error && <Problem what="Who is next could not be read." error={error} retry={again} />}
      {next && <NextUp customer={next} waiting={data?.customerPage?.meta.totalItems ?? 0} />}
      {!next && !fetching && !error && <p>Nobody else waits.</p>}
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
      <span className="quiet">{waiting} waiting</span>
    </p>
  );
}
