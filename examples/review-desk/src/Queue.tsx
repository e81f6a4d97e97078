// The customers of one status, oldest first.
//
// A list with reviews costs one upstream call for the list and one for each row. So the first query selects only the
// fields that the list itself has, and the rows are shown after one upstream call. The second query loads the reviews
// of the same window. The cache merges the two results by id.

import { useEffect, useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { Link, useSearchParams } from 'wouter';
import { BYPASS_CACHES } from './client';
import { graphql } from './gql';
import type { CustomerFilter, CustomerStatus, CustomerType } from './gql/graphql';
import { Title, useMay } from './Page';
import { Problem } from './Problem';
import { Row } from './Row';
import { STATUS, TYPE } from './words';

const ROWS = graphql(`
  query QueueRows($filter: CustomerFilter!, $after: String) {
    customers(first: 20, after: $after, filter: $filter, sort: { by: CREATED_AT, order: ASC }) {
      totalCount
      edges {
        node {
          id
          status
          ...Head
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const REASONS = graphql(`
  query QueueReasons($filter: CustomerFilter!, $after: String) {
    customers(first: 20, after: $after, filter: $filter, sort: { by: CREATED_AT, order: ASC }) {
      edges {
        node {
          id
          review {
            ...Against
          }
        }
      }
    }
  }
`);

/** One upstream call with `page_size=1` for each status. */
const COUNTS = graphql(`
  query Counts {
    REVIEW: customers(filter: { statuses: [REVIEW] }) {
      totalCount
    }
    PENDING: customers(filter: { statuses: [PENDING] }) {
      totalCount
    }
    VERIFIED: customers(filter: { statuses: [VERIFIED] }) {
      totalCount
    }
    REJECTED: customers(filter: { statuses: [REJECTED] }) {
      totalCount
    }
    INACTIVE: customers(filter: { statuses: [INACTIVE] }) {
      totalCount
    }
  }
`);

const STATUSES = ['REVIEW', 'PENDING', 'VERIFIED', 'REJECTED', 'INACTIVE'] as const satisfies CustomerStatus[];
const TYPES = ['INDIVIDUAL', 'BUSINESS'] as const satisfies CustomerType[];

export function QueuePage({ search, onSearch }: { search: string; onSearch: (search: string) => void }) {
  const [params, setParams] = useSearchParams();
  const status = STATUSES.find((status) => status === params.get('status')) ?? 'REVIEW';
  const type = TYPES.find((type) => type === params.get('type'));
  const from = params.get('from') ?? '';
  const to = params.get('to') ?? '';
  const text = useDebounced(search, 300).trim();

  const filter = useMemo<CustomerFilter>(
    () => ({
      statuses: [status],
      ...(type && { types: [type] }),
      ...(text && { search: text }),
      ...(from && { createdFrom: `${from}T00:00:00Z` }),
      ...(to && { createdTo: `${to}T23:59:59Z` }),
    }),
    [status, type, text, from, to],
  );

  const set = (name: string, value: string) =>
    setParams(
      (params) => {
        if (value) params.set(name, value);
        else params.delete(name);
        return params;
      },
      { replace: true },
    );

  return (
    <>
      <Title>Customers</Title>
      <StatusTabs current={status} onChange={() => onSearch('')} />
      <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label className="field">
          Search
          <input
            type="search"
            value={search}
            onChange={(event) => onSearch(event.target.value)}
            placeholder="Name, e-mail, …"
            autoComplete="off"
          />
        </label>
        <label className="field">
          Type
          <select value={type ?? ''} onChange={(event) => set('type', event.target.value)}>
            <option value="">All</option>
            {TYPES.map((type) => (
              <option key={type} value={type}>
                {TYPE[type]}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          Created from
          <input type="date" value={from} max={to} onChange={(event) => set('from', event.target.value)} />
        </label>
        <label className="field">
          Created until
          <input type="date" value={to} min={from} onChange={(event) => set('to', event.target.value)} />
        </label>
      </form>
      <List key={JSON.stringify(filter)} filter={filter} status={status} />
    </>
  );
}

/** A change of status resets the filters, so that the count in the tab equals the number of rows. */
function StatusTabs({ current, onChange }: { current: CustomerStatus; onChange: () => void }) {
  const [{ data, error }] = useQuery({ query: COUNTS });
  return (
    <nav className="tabs" aria-label="By status">
      {STATUSES.map((status) => (
        <Link
          key={status}
          href={`/?status=${status}`}
          onClick={onChange}
          aria-current={status === current ? 'page' : undefined}
        >
          {STATUS[status]} <span className="count">{data?.[status]?.totalCount ?? (error ? '?' : '·')}</span>
        </Link>
      ))}
    </nav>
  );
}

function List({ filter, status }: { filter: CustomerFilter; status: CustomerStatus }) {
  const [after, setAfter] = useState<string | null>(null);
  const variables = { filter, after };
  const [{ data, error, fetching }, again] = useQuery({
    query: ROWS,
    variables,
    requestPolicy: 'cache-and-network',
  });
  const withReviews = useMay('REVIEWS_READ') && status === 'REVIEW';
  const [reasons] = useQuery({ query: REASONS, variables, pause: !data || !withReviews });
  const against = new Map(reasons.data?.customers?.edges.map(({ node }) => [node.id, node.review]));
  // A null review failed to load. While the request is in flight, the cache also returns null for it.
  const missing = reasons.fetching || reasons.stale ? undefined : null;
  useRowKeys();

  if (!data?.customers) {
    return error ? (
      <Problem what="The list could not be loaded." error={error} retry={() => again(BYPASS_CACHES)} />
    ) : (
      <p className="loading" role="status">
        Loading the list …
      </p>
    );
  }

  const { edges, pageInfo, totalCount } = data.customers;
  // Removes a customer from the list on an optimistic decision, before the gateway confirms it.
  const rows = edges.map(({ node }) => node).filter((node) => node.status === status);
  return (
    <section aria-label={STATUS[status]} aria-busy={fetching}>
      <header className="list-head">
        <span role="status">
          {rows.length} of {totalCount}, oldest first
        </span>
        <span className="keys" aria-hidden>
          <kbd>j</kbd> <kbd>k</kbd> to move, <kbd>Enter</kbd> to open
        </span>
      </header>
      {rows.length === 0 && <p className="empty">No customers match these filters.</p>}
      <ol className="rows">
        {rows.map((row) => (
          <Row key={row.id} customer={row} review={against.get(row.id) ?? missing} withReview={withReviews} />
        ))}
      </ol>
      {error && <Problem what="More customers could not be loaded." error={error} retry={() => again(BYPASS_CACHES)} />}
      {pageInfo.hasNextPage && (
        <footer className="more">
          <button type="button" disabled={fetching} onClick={() => setAfter(pageInfo.endCursor ?? null)}>
            {fetching ? 'Loading …' : 'Show more'}
          </button>
        </footer>
      )}
    </section>
  );
}

/** The keys j and k move the focus between rows. Once a row has the focus, the arrow keys do so too. Enter opens it. */
function useRowKeys() {
  useEffect(() => {
    const walk = (event: KeyboardEvent) => {
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      const typing = event.target instanceof Element && event.target.closest('input, select, textarea');
      if (!step || typing || event.metaKey || event.ctrlKey || event.altKey) return;
      const links = [...document.querySelectorAll<HTMLElement>('.row-link')];
      const at = links.findIndex((link) => link === document.activeElement);
      if (at < 0 && event.key.startsWith('Arrow')) return;
      links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
      event.preventDefault();
    };
    document.addEventListener('keydown', walk);
    return () => document.removeEventListener('keydown', walk);
  }, []);
}

/** Debounces a value: a search sends one request when the user stops typing, not one for each letter. */
function useDebounced(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
