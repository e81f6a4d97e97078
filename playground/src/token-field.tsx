import { useEffect, useRef, type KeyboardEvent } from 'react';

import type { Callers } from './gateway';

interface Props {
  callers: Callers;
  inUse: boolean;
  onToken(token: string): void;
}

const HINTS: Record<Callers, string> = {
  sandbox: 'The sandbox needs no token: every caller has all permissions.',
  passthrough: 'Your API key for the Customers API.',
  jwt: 'An access token from your identity provider.',
};

/**
 * The input for the token. It is neither a form nor a password field, because browsers offer to save the content of
 * those. The style sheet shows the text as dots. Applying the token empties the field.
 */
export function TokenField({ callers, inUse, onToken }: Props) {
  const field = useRef<HTMLInputElement>(null);
  // A popover that opens focuses the element with the `autofocus` attribute. React's `autoFocus` does not set it.
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
      <p id="playground-token-hint">{HINTS[callers]} The page holds the token in memory only. A reload removes it.</p>
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
          Apply
        </button>
        <button type="button" className="graphiql-button" disabled={!inUse} onClick={() => onToken('')}>
          Remove
        </button>
      </div>
    </>
  );
}
