import { useEffect, useRef } from 'react';

import icon from './icon.svg';
import { TokenField } from './token-field';
import type { Callers, Upstream, UpstreamReport, Who } from './gateway';

interface Props {
  upstream: Upstream;
  callers: Callers;
  who: Who | undefined;
  /** `undefined` before the first run, `null` after a rejected request. */
  report: UpstreamReport | null | undefined;
  token: string;
  onToken(token: string): void;
}

/** The page's header: the upstream, the caller, and the upstream calls of the last run. */
export function Header({ upstream, callers, who, report, token, onToken }: Props) {
  const tokenPanel = useRef<HTMLDivElement>(null);
  const needsToken = who !== undefined && 'needsToken' in who && who.needsToken;
  useEffect(() => {
    // The gateway requires a token: open the token panel.
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
        <div id="playground-who" className="playground-panel" popover="auto" aria-label="Caller">
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

/** The upstream calls of the last run. Each number has room for three digits, so that the layout does not shift. */
function Cost({ report }: { report: UpstreamReport | null | undefined }) {
  const title =
    'Planned: the upstream calls that the document needs with an empty cache. Made: the upstream calls of this run. ' +
    'The other calls were served from the cache or shared with another request.';
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
  if ('refused' in who) return who.needsToken ? 'Not signed in' : 'Unknown caller';
  return who.subject ?? WITHOUT_SUBJECT[callers];
}

/** The displayed name of a caller for which `viewer` has no subject. */
const WITHOUT_SUBJECT: Record<Callers, string> = {
  sandbox: 'Sandbox user',
  passthrough: 'API key holder',
  jwt: 'Signed in',
};

const BY_WHOM: Record<Callers, string> = {
  sandbox: 'The sandbox does not check who you are: every caller has all permissions.',
  passthrough: 'The Customers API decides what your key may do.',
  jwt: 'Your access token defines your permissions.',
};

function WhoPanel({ who, callers }: { who: Who | undefined; callers: Callers }) {
  if (who === undefined) return <p>Loading …</p>;
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
