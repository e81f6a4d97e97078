// Runs all audits of graphql-http for GraphQL over HTTP: MUST, SHOULD and MAY.

import { auditServer } from 'graphql-http';
import { expect, finish } from './report.mjs';

for (const result of await auditServer({ url: process.env.GATEWAY_URL })) {
  const body = result.response?.bodyUsed === false ? await result.response.text() : '';
  expect(`${result.id} ${result.name}`, result.status === 'ok', `${result.status}: ${result.reason} ${body}`.trim());
}
finish('http-audit');
