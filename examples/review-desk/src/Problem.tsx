// Shows an error in the place that it affects: a field, a row, a section or a whole page.

import { useEffect, useMemo, useState } from 'react';
import type { CombinedError } from 'urql';

type Trouble = {
  code: string;
  message: string;
  retryable: boolean;
  retryAfter: number;
  requestId: string | null;
  /** Whether a write that failed with this error may have taken effect. */
  outcomeUnknown: boolean;
};

/** The first error of a response. Every error of the gateway has a code and `extensions.retryable`. */
function trouble({ networkError, graphQLErrors: [first] }: CombinedError): Trouble {
  if (networkError || !first) {
    return {
      code: 'OFFLINE',
      message: 'The gateway cannot be reached.',
      retryable: true,
      retryAfter: 0,
      requestId: null,
      outcomeUnknown: true,
    };
  }
  const { code, retryable, retryAfterSeconds, requestId, outcome } = first.extensions;
  return {
    code: typeof code === 'string' ? code : 'UNKNOWN',
    message: first.message,
    retryable: retryable === true,
    retryAfter: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : 0,
    requestId: typeof requestId === 'string' ? requestId : null,
    outcomeUnknown: outcome === 'UNKNOWN',
  };
}

type ProblemProps = {
  what: string;
  /** The text for a write that may have taken effect and that is safe to retry. */
  unsure?: string;
  error: CombinedError;
  retry: () => void;
};

export function Problem({ what, unsure, error, retry }: ProblemProps) {
  const { code, message, retryable, retryAfter, requestId, outcomeUnknown } = trouble(error);
  const open = unsure !== undefined && outcomeUnknown;
  const until = useMemo(() => Date.now() + retryAfter * 1000, [error, retryAfter]);
  const wait = useSecondsLeft(until);
  return (
    <div className="problem">
      <div role="alert">
        <p>
          <strong>{open ? unsure : what}</strong> {!open && message}
        </p>
        <p className="problem-details">
          <code>{code}</code>
          {requestId && (
            <>
              {' · request '}
              <code>{requestId}</code>
            </>
          )}
        </p>
      </div>
      {(retryable || open) && (
        <button type="button" onClick={() => retry()} disabled={wait > 0}>
          {wait > 0 ? `Try again in ${wait} s` : 'Try again'}
        </button>
      )}
    </div>
  );
}

/** Counts down the whole seconds until a time in milliseconds since the epoch. */
export function useSecondsLeft(until: number): number {
  const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const tick = setInterval(() => setSeconds(left()), 250);
    return () => clearInterval(tick);
  }, [until]);
  return seconds;
}
