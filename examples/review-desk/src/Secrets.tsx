// The masked fields, and a form to unmask them for 30 seconds with a reason.

import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import type { CombinedError } from 'urql';
import { uncachedClient } from './client';
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

/** How long unmasked data is shown. */
const SHOWN_MS = 30_000;

/**
 * The masked fields and the form to unmask them. Unmasked data is held only in the state of this component. A client
 * without a cache loads it. It is removed after `SHOWN_MS`, when the tab is hidden, and when the user leaves the page.
 */
export function Secrets({ customer }: { customer: FragmentType<typeof MASKED> }) {
  const masked = read(MASKED, customer);
  const mayUnmask = useMay('CUSTOMERS_UNMASK');
  const [shown, setShown] = useState<{ clear: Clear; until: number } | null>(null);

  useEffect(() => {
    if (!shown) return;
    // Synchronous, because a hidden page may not render again before the tab is shown to another person.
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
        {shown && `Unmasked for ${SHOWN_MS / 1000} seconds.`}
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
          <UnmaskForm
            id={masked.id}
            onUnmasked={(clear) => {
              // The tab was hidden while the request was in flight: do not show the data.
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
      {profile && 'ein' in profile && <Fact name="Employer identification number">{profile.ein}</Fact>}
      <Fact name="IP address at sign-up">{device?.ipAddress}</Fact>
    </dl>
  );
}

function Countdown({ until }: { until: number }) {
  const seconds = useSecondsLeft(until);
  return (
    <span role="timer" className="countdown">
      Unmasked for {seconds} s
    </span>
  );
}

/** The form for the reason. If the gateway keeps audit records, it writes one before it returns unmasked data. */
function UnmaskForm({ id, onUnmasked }: { id: string; onUnmasked: (clear: Clear) => void }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<Payload['userErrors']>([]);
  const [error, setError] = useState<CombinedError>();

  const ask = async () => {
    setBusy(true);
    const { data, error } = await uncachedClient.mutation(UNMASK, { input: { id, reason } }).toPromise();
    setBusy(false);
    setError(error);
    setRefusals(data?.unmaskCustomer?.userErrors ?? []);
    if (data?.unmaskCustomer?.unmaskedCustomer) onUnmasked(data.unmaskCustomer.unmaskedCustomer);
  };

  if (!asking) {
    return (
      <button type="button" onClick={() => setAsking(true)}>
        Unmask …
      </button>
    );
  }
  return (
    <form action={ask}>
      <label className="field">
        Reason for unmasking
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
        <button disabled={busy}>Unmask for {SHOWN_MS / 1000} s</button>
        <button type="button" onClick={() => setAsking(false)}>
          Cancel
        </button>
      </div>
      {error && <Problem what="The data could not be unmasked." error={error} retry={ask} />}
    </form>
  );
}
