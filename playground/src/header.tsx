import { useEffect, useRef } from 'react';

import icon from './icon.svg';
import { TokenField } from './token-field';
import type { Callers, Upstream, UpstreamReport, Who } from './gateway';

interface Props {
  upstream: Upstream;
  callers: Callers;
  who: Who | undefined;
  /** `undefined` before the first run, `null` after one that was refused. */
  report: UpstreamReport | null | undefined;
  token: string;
  onToken(token: string): void;
}

/** What one wants to know while trying things out: on what, as whom, at what cost. */
export function Header({ upstream, callers, who, report, token, onToken }: Props) {
  const tokenPanel = useRef<HTMLDivElement>(null);
  const needsToken = who !== undefined && 'needsToken' in who && who.needsToken;
  useEffect(() => {
    // Without a token nothing works here: ask for it, once.
    if (needsToken && !token) tokenPanel.current?.showPopover();
  }, [needsToken, token]);

  return (
    <header className="playground-header">
      <h1>
        <img src={icon} alt="" width="28" height="28" />
        <span>Customers Gateway</span>
      </h1>
      <p className={`playground-upstream ${upstream}`}>
        <span aria-hidden="true" className="playground-dot" />
        {upstream === 'sandbox' ? 'Sandbox' : 'Real upstream'}
        <span className="playground-more">{upstream === 'sandbox' ? ': made-up people' : ': real people'}</span>
      </p>
      <Cost report={report} />
      <div className="playground-caller">
        <button type="button" className="graphiql-button" popoverTarget="playground-who">
          {nameOf(who, callers)}
        </button>
        <div id="playground-who" className="playground-panel" popover="auto" aria-label="Who you are">
          <WhoPanel who={who} callers={callers} />
        </div>
        <button
          type="button"
          className={`graphiql-button ${needsToken ? 'playground-wanted' : ''}`}
          popoverTarget="playground-token"
        >
          {token ? 'Token: in use' : 'Token: none'}
        </button>
        <div id="playground-token" ref={tokenPanel} className="playground-panel" popover="auto" aria-label="Token">
          <TokenField
            callers={callers}
            inUse={token !== ''}
            onToken={(token) => {
              tokenPanel.current?.hidePopover();
              onToken(token);
            }}
          />
        </div>
      </div>
    </header>
  );
}

/** What the last run asked of the upstream. Its numbers have room for three digits, so that nothing moves. */
function Cost({ report }: { report: UpstreamReport | null | undefined }) {
  const title =
    'Planned: what the document costs with nothing kept. Made: what this run asked; the rest was kept and fresh, or ' +
    'shared with another request.';
  return (
    <div className="playground-cost" title={title} role="status" aria-label="Upstream calls of the last run">
      <span>Upstream calls</span>
      <dl>
        <Count name="planned" value={report?.planned} />
        <Count name="made" value={report?.actual} />
      </dl>
    </div>
  );
}

function Count({ name, value }: { name: string; value: number | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value ?? '–'}</dd>
    </div>
  );
}

function nameOf(who: Who | undefined, callers: Callers): string {
  if (who === undefined) return '…';
  if ('refused' in who) return who.needsToken ? 'Not signed in' : 'Nobody';
  return who.subject ?? (callers === 'passthrough' ? 'A key’s holder' : 'Anybody');
}

const BY_WHOM: Record<Callers, string> = {
  sandbox: 'Nobody is asked who they are: in the sandbox anybody may do everything.',
  passthrough: 'What your key may do, the Customers API decides.',
  jwt: 'As the token of your identity provider says.',
};

function WhoPanel({ who, callers }: { who: Who | undefined; callers: Callers }) {
  if (who === undefined) return <p>Asking the gateway …</p>;
  if ('refused' in who) return <p>{who.refused}</p>;
  return (
    <>
      <h2>{nameOf(who, callers)}</h2>
      {who.accountId && <p>Account {who.accountId}</p>}
      <p>{BY_WHOM[callers]}</p>
      <ul aria-label="Permissions">
        {who.permissions.map((permission) => (
          <li key={permission}>
            <code>{permission}</code>
          </li>
        ))}
      </ul>
    </>
  );
}
