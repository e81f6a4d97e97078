// What went wrong, shown where it went wrong: in a field, a row, a section or instead of a page.

import { useEffect, useState } from 'react';
import type { CombinedError } from 'urql';

type Trouble = { code: string; message: string; retryable: boolean; retryAfter: number; requestId: string | null };

/** The first thing that an answer says went wrong. Every error of the gateway has a code and says whether to retry. */
function trouble({ networkError, graphQLErrors: [first] }: CombinedError): Trouble {
  if (networkError || !first) {
    return { code: 'OFFLINE', message: 'The gateway cannot be reached.', retryable: true, retryAfter: 0, requestId: null };
  }
  const { code, retryable, retryAfterSeconds, requestId } = first.extensions;
  return {
    code: typeof code === 'string' ? code : 'UNKNOWN',
    message: first.message,
    retryable: retryable === true,
    retryAfter: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : 0,
    requestId: typeof requestId === 'string' ? requestId : null,
  };
}

type ProblemProps = {
  what: string;
  error: CombinedError;
  /** Tries again; left out where that cannot help. */
  retry?: () => void;
  /** The same request can be repeated without harm, whatever the error says: a write with its idempotency key. */
  safe?: boolean;
};

export function Problem({ what, error, retry, safe = false }: ProblemProps) {
  const { code, message, retryable, retryAfter, requestId } = trouble(error);
  const [until] = useState(() => Date.now() + retryAfter * 1000);
  const wait = useSecondsLeft(until);
  return (
    <div className="problem" role="alert">
      <p>
        <strong>{what}</strong> {message}
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
      {retry && (retryable || safe) && (
        <button type="button" onClick={retry} disabled={wait > 0}>
          {wait > 0 ? `Try again in ${wait} s` : 'Try again'}
        </button>
      )}
    </div>
  );
}

/** Whole seconds until a moment, counted down on the screen. */
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
