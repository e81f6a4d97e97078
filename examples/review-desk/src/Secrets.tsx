// What is masked, and the way to see it in clear: for half a minute, for a reason.

import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import type { CombinedError } from 'urql';
import { forgetful } from './client';
import { graphql, read, type DocumentType, type FragmentType } from './gql';
import { Fact } from './Marks';
import { useMay } from './Page';
import { Problem, useSecondsLeft } from './Problem';

const MASKED = graphql(`
  fragment Masked on Customer {
    id
    device {
      ipAddress
    }
    complianceProfile {
      __typename
      ... on IndividualComplianceProfile {
        dob
        ssn
      }
      ... on BusinessComplianceProfile {
        ein
      }
    }
  }
`);

const UNMASK = graphql(`
  mutation Unmask($input: UnmaskCustomerInput!) {
    unmaskCustomer(input: $input) {
      unmaskedCustomer {
        device {
          ipAddress
        }
        complianceProfile {
          __typename
          ... on UnmaskedIndividualComplianceProfile {
            dob
            ssn
          }
          ... on UnmaskedBusinessComplianceProfile {
            ein
          }
        }
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`);

type Masked = DocumentType<typeof MASKED>;
type Payload = DocumentType<typeof UNMASK>['unmaskCustomer'];
type Clear = NonNullable<Payload['unmaskedCustomer']>;

/** How long clear data stays on the screen. */
const SHOWN_MS = 30_000;

/**
 * What is masked, and the way to see it. Clear data is in this component's state and nowhere else: it comes by a
 * client without a cache, and goes when its time is up, the tab is hidden or the page is left.
 */
export function Secrets({ customer }: { customer: FragmentType<typeof MASKED> }) {
  const masked = read(MASKED, customer);
  const mayUnmask = useMay('CUSTOMERS_UNMASK');
  const [shown, setShown] = useState<{ clear: Clear; until: number } | null>(null);

  useEffect(() => {
    if (!shown) return;
    // At once: a page that is put aside may not draw again before somebody else looks at it.
    const hide = () => flushSync(() => setShown(null));
    const timer = setTimeout(hide, shown.until - Date.now());
    document.addEventListener('visibilitychange', hide);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', hide);
    };
  }, [shown]);

  return (
    <div className="secrets" data-clear={shown !== null}>
      <Facts of={shown?.clear ?? masked} />
      <p role="status" className="unseen">
        {shown && `Shown in clear for ${SHOWN_MS / 1000} seconds.`}
      </p>
      {shown ? (
        <p className="buttons">
          <Countdown until={shown.until} />
          <button type="button" autoFocus onClick={() => setShown(null)}>
            Hide now
          </button>
        </p>
      ) : (
        mayUnmask && (
          <Ask
            id={masked.id}
            onAnswer={(clear) => {
              // Asked for, and then looked away: nobody is there to see it.
              if (!document.hidden) setShown({ clear, until: Date.now() + SHOWN_MS });
            }}
          />
        )
      )}
    </div>
  );
}

function Facts({ of: { device, complianceProfile: profile } }: { of: Masked | Clear }) {
  return (
    <dl className="facts">
      {profile && 'ssn' in profile && (
        <>
          <Fact name="Date of birth">{profile.dob}</Fact>
          <Fact name="Social security number">{profile.ssn}</Fact>
        </>
      )}
      {profile && 'ein' in profile && <Fact name="Employer number">{profile.ein}</Fact>}
      <Fact name="Address at sign-up">{device?.ipAddress}</Fact>
    </dl>
  );
}

function Countdown({ until }: { until: number }) {
  const seconds = useSecondsLeft(until);
  return (
    <span role="timer" className="countdown">
      In clear for {seconds} s
    </span>
  );
}

/** Why somebody looks: it is recorded before they see anything. */
function Ask({ id, onAnswer }: { id: string; onAnswer: (clear: Clear) => void }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<Payload['userErrors']>([]);
  const [error, setError] = useState<CombinedError>();

  const ask = async () => {
    setBusy(true);
    const { data, error } = await forgetful.mutation(UNMASK, { input: { id, reason } }).toPromise();
    setBusy(false);
    setError(error);
    setRefusals(data?.unmaskCustomer?.userErrors ?? []);
    if (data?.unmaskCustomer?.unmaskedCustomer) onAnswer(data.unmaskCustomer.unmaskedCustomer);
  };

  if (!asking) {
    return (
      <button type="button" onClick={() => setAsking(true)}>
        Show in clear …
      </button>
    );
  }
  return (
    <form action={ask}>
      <label className="field">
        Why do you need to see it?
        <input
          type="text"
          required
          autoFocus
          autoComplete="off"
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          disabled={busy}
          aria-invalid={refusals.length > 0}
          aria-describedby="about-unmasking"
        />
      </label>
      <p id="about-unmasking" className="field-error">
        {refusals.map(({ message }) => message).join(' ')}
      </p>
      <div className="buttons">
        <button disabled={busy}>Show for {SHOWN_MS / 1000} s</button>
        <button type="button" onClick={() => setAsking(false)}>
          Cancel
        </button>
      </div>
      {error && <Problem what="It cannot be shown." error={error} retry={ask} />}
    </form>
  );
}
