// The upstream calls of a page, from the gateway's report in `extensions.upstream`.

import { print } from 'graphql';
import { expectEqual, finish } from '../../report.mjs';
import { startGateway } from '../gateway.mjs';
import { graphql } from './gql/index.js';

const ROWS = graphql(`
  query Rows($first: Int!) {
    customers(first: $first) {
      edges { node { id name type status email phone externalId createdAt updatedAt } }
    }
  }
`);
const ROWS_WITH_REVIEWS = graphql(`
  query RowsWithReviews($first: Int!) {
    customers(first: $first) {
      edges { node { id name review { identity { decision } } } }
    }
  }
`);

interface Cost {
  planned: number;
  actual: number;
  cached: number;
}

const gateway = await startGateway();
expectEqual('a list costs one call', await costOf(ROWS, 10), { planned: 1, actual: 1, cached: 0 });
expectEqual('reviews add one call for each row', await costOf(ROWS_WITH_REVIEWS, 20), { planned: 21, actual: 21, cached: 0 });
expectEqual('a repeated read is served from the cache', await costOf(ROWS_WITH_REVIEWS, 20), { planned: 21, actual: 0, cached: 21 });
await gateway.stop();
finish('cost');

async function costOf(document: typeof ROWS | typeof ROWS_WITH_REVIEWS, first: number): Promise<Cost> {
  const headers = { 'content-type': 'application/json', 'gateway-report-upstream': '1' };
  const body = JSON.stringify({ query: print(document), variables: { first } });
  const response = await fetch(gateway.url, { method: 'POST', headers, body });
  const { extensions }: { extensions: { upstream: Cost } } = await response.json();
  const { planned, actual, cached } = extensions.upstream;
  return { planned, actual, cached };
}
