// The displayed text for each enum value of the schema. A new enum value fails the type check here.

import type { Correlation, CustomerStatus, CustomerType, IdentityCheckKind, IdentityDecision } from './gql/graphql';

export const STATUS: Record<CustomerStatus, string> = {
  REVIEW: 'In review',
  PENDING: 'Pending',
  VERIFIED: 'Verified',
  REJECTED: 'Rejected',
  INACTIVE: 'Inactive',
  UNRECOGNIZED: 'Other',
};

export const TYPE: Record<CustomerType, string> = {
  INDIVIDUAL: 'Person',
  BUSINESS: 'Company',
  UNRECOGNIZED: 'Other',
};

export const DECISION: Record<IdentityDecision, string> = {
  ACCEPT: 'Accept',
  REVIEW: 'Review',
  REJECT: 'Reject',
  UNRECOGNIZED: 'Other',
};

export const CHECK: Record<IdentityCheckKind, string> = {
  ADDRESS: 'Address',
  BUSINESS_EVALUATION: 'Company risk',
  BUSINESS_IDENTIFICATION: 'Company identity',
  BUSINESS_VALIDATION: 'Company data',
  EMAIL: 'E-mail',
  FRAUD: 'Fraud',
  PHONE: 'Phone',
  SYNTHETIC: 'Synthetic identity',
  KYC: 'Official records',
  NETWORK_ALERTS: 'Network alerts',
  REPUTATION: 'Reputation',
  WATCHLIST: 'Watch lists',
};

export const CORRELATION: Record<Correlation, string> = {
  LOW_CONFIDENCE: 'Low confidence',
  POTENTIAL_MATCH: 'Potential match',
  LIKELY_MATCH: 'Likely match',
  HIGH_CONFIDENCE: 'High confidence',
  UNRECOGNIZED: 'Other',
};

const DAY = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' });
const MINUTE = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
const LONG_AGO = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const UNITS = [
  ['year', 365 * 24 * 60],
  ['month', 30 * 24 * 60],
  ['day', 24 * 60],
  ['hour', 60],
  ['minute', 1],
] as const;

export const day = (time: string) => DAY.format(new Date(time));

export const minute = (time: string) => `${MINUTE.format(new Date(time))} UTC`;

/** "3 months ago", in the largest unit that fits. */
export function ago(time: string, now = Date.now()): string {
  const minutes = Math.max(0, (now - Date.parse(time)) / 60_000);
  const [unit, size] = UNITS.find(([, size]) => minutes >= size) ?? (['minute', 1] as const);
  return LONG_AGO.format(-Math.floor(minutes / size), unit);
}
