// The small shared components. Text and shape convey the same information as the colour.

import type { ReactNode } from 'react';
import type { Correlation, CustomerStatus, IdentityDecision } from './gql/graphql';
import { CORRELATION, DECISION, STATUS, ago, minute } from './words';

type Tone = 'good' | 'caution' | 'bad' | 'quiet';

const STATUS_TONE: Record<CustomerStatus, Tone> = {
  REVIEW: 'caution',
  PENDING: 'quiet',
  VERIFIED: 'good',
  REJECTED: 'bad',
  INACTIVE: 'quiet',
  UNRECOGNIZED: 'quiet',
};

const DECISION_TONE: Record<IdentityDecision, Tone> = {
  ACCEPT: 'good',
  REVIEW: 'caution',
  REJECT: 'bad',
  UNRECOGNIZED: 'quiet',
};

const CORRELATION_TONE: Record<Correlation, Tone> = {
  LOW_CONFIDENCE: 'quiet',
  POTENTIAL_MATCH: 'caution',
  LIKELY_MATCH: 'bad',
  HIGH_CONFIDENCE: 'bad',
  UNRECOGNIZED: 'quiet',
};

export const Mark = ({ tone, children }: { tone: Tone; children: string }) => (
  <span className="mark" data-tone={tone}>
    {children}
  </span>
);

export const Status = ({ of }: { of: CustomerStatus }) => <Mark tone={STATUS_TONE[of]}>{STATUS[of]}</Mark>;

export const Decision = ({ of }: { of: IdentityDecision }) => <Mark tone={DECISION_TONE[of]}>{DECISION[of]}</Mark>;

/** How well a customer matches an entry of a watch list. A stronger match has a more severe tone. */
export const Likeness = ({ of }: { of: Correlation }) => <Mark tone={CORRELATION_TONE[of]}>{CORRELATION[of]}</Mark>;

export const Since = ({ time }: { time: string }) => (
  <time dateTime={time} title={minute(time)}>
    {ago(time)}
  </time>
);

export const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children ?? <span className="quiet">unknown</span>}</dd>
  </div>
);

/** Thresholds of this app for its risk bars. The API does not publish the rules by which a screening decides. */
const ELEVATED = 0.4;
const HIGH = 0.7;

/** A risk score from 0 to 1 as a bar with its number and level. */
export function Risk({ of, score }: { of: string; score: number }) {
  const word = score >= HIGH ? 'high' : score >= ELEVATED ? 'elevated' : 'low';
  const figure = score.toFixed(2);
  return (
    <div className="risk" data-risk={word}>
      <div
        className="risk-track"
        role="meter"
        aria-label={`Risk: ${of}`}
        aria-valuemin={0}
        aria-valuemax={1}
        aria-valuenow={score}
        aria-valuetext={`${figure}, ${word}`}
      >
        <div className="risk-fill" style={{ inlineSize: `${score * 100}%` }} />
      </div>
      <span className="risk-figure" aria-hidden>
        {figure}
      </span>
      <span className="risk-word" aria-hidden>
        {word}
      </span>
    </div>
  );
}
