// The result of the screening: the reasons first, then every check, then the details of some checks.

import type { ReactNode } from 'react';
import { graphql, read, type DocumentType, type FragmentType } from './gql';
import { Decision, Likeness, Risk } from './Marks';
import { CHECK, CORRELATION, minute } from './words';

const SCREENING = graphql(`
  fragment Screening on IdentityReview {
    decision
    updatedAt
    reasons {
      check
      decision
      riskScore
      codes
      messages {
        code
        message
      }
    }
    checks {
      check
      decision
      codes
      messages {
        code
        message
      }
      riskScore
      correlation
    }
    kyc {
      validations {
        firstName
        lastName
        dob
        ssn
        address
        city
        state
        zip
        email
        phone
      }
    }
    networkAlerts {
      alerts
    }
    watchlist {
      matches {
        listName
        correlation
        matchFields
        urls
      }
    }
  }
`);

type Identity = DocumentType<typeof SCREENING>;

export function Screening({ screening }: { screening: FragmentType<typeof SCREENING> }) {
  const identity = read(SCREENING, screening);
  return (
    <>
      <Reasons identity={identity} />
      <Checks identity={identity} />
      {identity.watchlist && <WatchLists matches={identity.watchlist.matches} />}
      {identity.networkAlerts && identity.networkAlerts.alerts.length > 0 && (
        <Section title="Alerts from other institutions">
          <ul className="alerts">
            {identity.networkAlerts.alerts.map((alert) => (
              <li key={alert}>{inWords(alert)}</li>
            ))}
          </ul>
        </Section>
      )}
      {identity.kyc && <Records validations={identity.kyc.validations} />}
    </>
  );
}

function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <header className="card-head">
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

function Reasons({ identity }: { identity: Identity }) {
  return (
    <Section
      title="Reasons for review"
      aside={<span className="quiet">Screened {minute(identity.updatedAt)}</span>}
    >
      {identity.reasons.length === 0 && <p className="quiet">All checks accept.</p>}
      <ol className="reasons">
        {identity.reasons.map((reason) => (
          <li key={reason.check}>
            <Decision of={reason.decision} />
            <div>
              <h3>{CHECK[reason.check]}</h3>
              <Codes of={reason} />
            </div>
            {reason.riskScore != null && <Risk of={CHECK[reason.check]} score={reason.riskScore} />}
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** Every check that ran. The order is always the order of the gateway. */
function Checks({ identity: { checks } }: { identity: Identity }) {
  return (
    <Section title="Risk by check" aside={<span className="quiet">0 is the lowest risk, 1 the highest</span>}>
      <ul className="checks">
        {checks.map((checked) => (
          <li key={checked.check}>
            <details>
              <summary>
                <span className="check-name">{CHECK[checked.check]}</span>
                {checked.riskScore == null ? (
                  <span className="quiet">no score</span>
                ) : (
                  <Risk of={CHECK[checked.check]} score={checked.riskScore} />
                )}
                {checked.decision && <Decision of={checked.decision} />}
              </summary>
              <Codes of={checked} />
              {checked.correlation && (
                <p className="quiet">Match with known records: {CORRELATION[checked.correlation]}.</p>
              )}
            </details>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The codes, each with its message if it has one. */
function Codes({ of: { codes, messages } }: { of: Pick<Identity['checks'][number], 'codes' | 'messages'> }) {
  if (codes.length === 0) return <p className="quiet">No codes.</p>;
  return (
    <ul className="messages">
      {codes.map((code) => (
        <li key={code}>
          <code>{code}</code> {messages.find((known) => known.code === code)?.message}
        </li>
      ))}
    </ul>
  );
}

function WatchLists({ matches }: { matches: NonNullable<Identity['watchlist']>['matches'] }) {
  return (
    <Section title="Watch lists" aside={matches.length === 0 && <span className="quiet">No match</span>}>
      <ul className="hits">
        {matches.map(({ listName, correlation, matchFields, urls }) => (
          <li key={listName}>
            <h3>{listName}</h3>
            <Likeness of={correlation} />
            <p className="quiet">
              Matched by {matchFields.map(inWords).join(' and ')}
              {urls.map((url) => (
                <span key={url}>
                  {' · '}
                  <a href={url} target="_blank" rel="noreferrer">
                    list entry
                  </a>
                </span>
              ))}
            </p>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const RECORDS = [
  ['firstName', 'First name'],
  ['lastName', 'Last name'],
  ['dob', 'Date of birth'],
  ['ssn', 'Social security number'],
  ['address', 'Street'],
  ['city', 'City'],
  ['state', 'State'],
  ['zip', 'ZIP code'],
  ['email', 'E-mail'],
  ['phone', 'Phone'],
] as const;

function Records({ validations }: { validations: NonNullable<Identity['kyc']>['validations'] }) {
  return (
    <Section title="Comparison with official records">
      <ul className="records">
        {RECORDS.map(([field, name]) => {
          const agrees = validations[field];
          return (
            <li key={field} data-agrees={agrees}>
              {name}
              <span>{agrees == null ? 'not checked' : agrees ? 'matches' : 'differs'}</span>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

/** A value of the upstream as words: `fraud_reported` becomes "fraud reported". */
const inWords = (word: string) => word.replaceAll('_', ' ');
