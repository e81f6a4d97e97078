// What the screening found: the reasons first, then every check, and what lies behind the single ones.

import type { ReactNode } from 'react';
import { graphql, read, type DocumentType, type FragmentType } from './gql';
import type { IdentityCheckKind } from './gql/graphql';
import { Decision, Likeness, Risk } from './Marks';
import { CHECK, CORRELATION, minute } from './words';

const CHECKED = graphql(`
  fragment Checked on IdentityCheck {
    decision
    codes
    correlation
    riskScore
  }
`);

const SCREENING = graphql(`
  fragment Screening on IdentityReview {
    decision
    updatedAt
    reasons {
      check
      decision
      riskScore
      messages {
        code
        message
      }
    }
    breakdown {
      fraud {
        ...Checked
      }
      synthetic {
        ...Checked
      }
      email {
        ...Checked
      }
      phone {
        ...Checked
      }
      address {
        ...Checked
      }
      businessIdentification {
        ...Checked
      }
      businessValidation {
        ...Checked
      }
      businessEvaluation {
        ...Checked
      }
    }
    reputation {
      decision
      codes
      riskScore
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
      decision
      matches {
        listName
        correlation
        matchFields
        urls
      }
    }
    messages {
      code
      message
    }
  }
`);

type Identity = DocumentType<typeof SCREENING>;
type Message = Identity['messages'][number];

export function Screening({ screening }: { screening: FragmentType<typeof SCREENING> }) {
  const identity = read(SCREENING, screening);
  return (
    <>
      <Reasons identity={identity} />
      <Checks identity={identity} />
      {identity.watchlist && <WatchLists matches={identity.watchlist.matches} />}
      {identity.networkAlerts && identity.networkAlerts.alerts.length > 0 && (
        <Section title="Alerts of other institutions">
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
      title="Why a person should look"
      aside={<span className="quiet">Screened {minute(identity.updatedAt)}</span>}
    >
      {identity.reasons.length === 0 && <p className="quiet">Every check accepts.</p>}
      <ol className="reasons">
        {identity.reasons.map((reason) => (
          <li key={reason.check}>
            <Decision of={reason.decision} />
            <div>
              <h3>{CHECK[reason.check]}</h3>
              <Messages messages={reason.messages} />
            </div>
            {reason.riskScore != null && <Risk of={CHECK[reason.check]} score={reason.riskScore} />}
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** Every check with a score, always in this order: the eye learns where to look. */
function Checks({ identity: { breakdown, reputation, messages } }: { identity: Identity }) {
  const module = (kind: IdentityCheckKind, check: FragmentType<typeof CHECKED> | null | undefined) => ({
    kind,
    check: read(CHECKED, check),
  });
  const checks = [
    module('FRAUD', breakdown.fraud),
    module('SYNTHETIC', breakdown.synthetic),
    { kind: 'REPUTATION' as const, check: reputation },
    module('EMAIL', breakdown.email),
    module('PHONE', breakdown.phone),
    module('ADDRESS', breakdown.address),
    module('BUSINESS_EVALUATION', breakdown.businessEvaluation),
    module('BUSINESS_IDENTIFICATION', breakdown.businessIdentification),
    module('BUSINESS_VALIDATION', breakdown.businessValidation),
  ];
  const texts = new Map(messages.map(({ code, message }) => [code, message]));
  return (
    <Section title="Risk, check by check" aside={<span className="quiet">0 is safe, 1 is risky</span>}>
      <ul className="checks">
        {checks.map(
          ({ kind, check }) =>
            check && (
              <li key={kind}>
                <details>
                  <summary>
                    <span className="check-name">{CHECK[kind]}</span>
                    {check.riskScore == null ? (
                      <span className="quiet">no score</span>
                    ) : (
                      <Risk of={CHECK[kind]} score={check.riskScore} />
                    )}
                    {check.decision && <Decision of={check.decision} />}
                  </summary>
                  <Messages messages={check.codes.map((code) => ({ code, message: texts.get(code) ?? '' }))} />
                  {'correlation' in check && check.correlation && (
                    <p className="quiet">Against known records: {CORRELATION[check.correlation]}.</p>
                  )}
                </details>
              </li>
            ),
        )}
      </ul>
    </Section>
  );
}

function Messages({ messages }: { messages: Pick<Message, 'code' | 'message'>[] }) {
  if (messages.length === 0) return <p className="quiet">No codes.</p>;
  return (
    <ul className="messages">
      {messages.map(({ code, message }) => (
        <li key={code}>
          <code>{code}</code> {message}
        </li>
      ))}
    </ul>
  );
}

function WatchLists({ matches }: { matches: NonNullable<Identity['watchlist']>['matches'] }) {
  return (
    <Section title="Watch lists" aside={matches.length === 0 && <span className="quiet">No hit</span>}>
      <ul className="hits">
        {matches.map(({ listName, correlation, matchFields, urls }) => (
          <li key={listName}>
            <h3>{listName}</h3>
            <Likeness of={correlation} />
            <p className="quiet">
              By {matchFields.map(inWords).join(' and ')}
              {urls.map((url) => (
                <span key={url}>
                  {' · '}
                  <a href={url} target="_blank" rel="noreferrer">
                    the entry
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
    <Section title="Against official records">
      <ul className="records">
        {RECORDS.map(([field, name]) => {
          const agrees = validations[field];
          return (
            <li key={field} data-agrees={agrees}>
              {name}
              <span>{agrees == null ? 'not checked' : agrees ? 'agrees' : 'differs'}</span>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

/** The upstream's own words, such as `fraud_reported`. */
const inWords = (word: string) => word.replaceAll('_', ' ');
