import { useEffect, useRef, type KeyboardEvent } from 'react';

import type { Callers } from './gateway';

interface Props {
  callers: Callers;
  inUse: boolean;
  onToken(token: string): void;
}

const HINTS: Record<Callers, string> = {
  sandbox: 'Not needed here: in the sandbox anybody may do everything, and a token changes nothing.',
  passthrough: 'Your key of the Customers API.',
  jwt: 'An access token of your identity provider.',
};

/**
 * Takes a token. It is no form and no password field, since browsers offer to keep what goes into those; the dots are
 * drawn by the style sheet. Once it is taken, the field is empty.
 */
export function TokenField({ callers, inUse, onToken }: Props) {
  const field = useRef<HTMLInputElement>(null);
  // The panel hands the focus to what has the attribute when it opens; React's `autoFocus` sets none.
  useEffect(() => field.current?.setAttribute('autofocus', ''), []);
  const use = () => {
    const token = field.current?.value.trim() ?? '';
    if (!token) return;
    if (field.current) field.current.value = '';
    onToken(token);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') use();
  };
  return (
    <>
      <label htmlFor="playground-token-field">Bearer token</label>
      <p id="playground-token-hint">{HINTS[callers]} It stays in this page’s memory, and is gone when you reload.</p>
      <input
        id="playground-token-field"
        ref={field}
        type="text"
        autoComplete="off"
        autoCapitalize="off"
        autoCorrect="off"
        spellCheck={false}
        aria-describedby="playground-token-hint"
        onKeyDown={onKeyDown}
      />
      <div className="playground-actions">
        <button type="button" className="graphiql-button" onClick={use}>
          Use it
        </button>
        <button type="button" className="graphiql-button" disabled={!inUse} onClick={() => onToken('')}>
          Forget it
        </button>
      </div>
    </>
  );
}
