// Who waits, oldest first.
//
// A list with reviews costs one upstream call and one more for each row. So the rows are asked for alone, with what a
// list carries anyway: one call, and they stand on the screen. What speaks against each customer is asked for after
// that, of the same window; the cache joins the two by id.

import { useEffect, useMemo, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { Link, useSearchParams } from 'wouter';
import { AFRESH } from './client';
import { graphql, read, type FragmentType } from './gql';
import type { CustomerFilter, CustomerStatus, CustomerType } from './gql/graphql';
import { Decision, Risk, Since } from './Marks';
import { Title, useMay } from './Page';
import { Problem } from './Problem';
import { CHECK, STATUS, TYPE, day } from './words';

/** What a list carries without a look-up for each row. */
export const HEAD = graphql(`
  fragment Head on Customer {
    id
    name
    type
    status
    email
    phone
    externalId
    createdAt
    updatedAt
  }
`);

const AGAINST = graphql(`
  fragment Against on CustomerReview {
    identity {
      reasons {
        check
        decision
        riskScore
        messages {
          code
          message
        }
      }
    }
  }
`);

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

const ONE_REASON = graphql(`
  query RowReason($id: ID!) {
    customer(id: $id) {
      id
      review {
        ...Against
      }
    }
  }
`);

/** A small call for each status. */
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
  const text = useSettled(search, 300).trim();

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
      <StatusTabs current={status} />
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

function StatusTabs({ current }: { current: CustomerStatus }) {
  const [{ data, error }] = useQuery({ query: COUNTS });
  return (
    <nav className="tabs" aria-label="By status">
      {STATUSES.map((status) => (
        <Link key={status} href={`/?status=${status}`} aria-current={status === current ? 'page' : undefined}>
          {STATUS[status]} <span className="count">{data?.[status].totalCount ?? (error ? '?' : '·')}</span>
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
  const against = new Map(reasons.data?.customers.edges.map(({ node }) => [node.id, node.review]));
  // A review that is null could not be read; or the cache, which knows the schema, leaves room for it until it is.
  const missing = reasons.fetching || reasons.stale ? undefined : null;
  useRowKeys();

  if (!data) {
    return error ? (
      <Problem what="The list could not be read." error={error} retry={() => again(AFRESH)} />
    ) : (
      <p className="loading" role="status">
        Reading the list …
      </p>
    );
  }

  const { edges, pageInfo, totalCount } = data.customers;
  // Whoever has just been decided is out of the list before the gateway has said so.
  const rows = edges.map(({ node }) => node).filter((node) => node.status === status);
  return (
    <section aria-label={STATUS[status]} aria-busy={fetching}>
      <header className="list-head">
        <span role="status">
          {rows.length} of {totalCount}, oldest first
        </span>
        <span className="keys" aria-hidden>
          <kbd>j</kbd> <kbd>k</kbd> to walk, <kbd>Enter</kbd> to open
        </span>
      </header>
      {rows.length === 0 && <p className="empty">Nobody here. Enjoy the quiet.</p>}
      <ol className="rows">
        {rows.map((row) => (
          <Row key={row.id} customer={row} review={against.get(row.id) ?? missing} withReview={withReviews} />
        ))}
      </ol>
      {error && <Problem what="More could not be read." error={error} retry={() => again(AFRESH)} />}
      {pageInfo.hasNextPage && (
        <footer className="more">
          <button type="button" disabled={fetching} onClick={() => setAfter(pageInfo.endCursor ?? null)}>
            {fetching ? 'Reading …' : 'Show more'}
          </button>
        </footer>
      )}
    </section>
  );
}

type RowProps = {
  customer: FragmentType<typeof HEAD>;
  /** `undefined` while it is being read, `null` where it could not be. */
  review: FragmentType<typeof AGAINST> | null | undefined;
  withReview: boolean;
};

function Row({ customer, review, withReview }: RowProps) {
  const { id, name, type, createdAt } = read(HEAD, customer);
  return (
    <li className="row">
      <div className="row-who">
        <Link href={`/customers/${id}`} className="row-link">
          {name}
        </Link>
        <span className="quiet">{TYPE[type]}</span>
      </div>
      <div className="row-since">
        <Since time={createdAt} />
        <span className="quiet">{day(createdAt)}</span>
      </div>
      {withReview && (review === null ? <Unread id={id} /> : <Against review={review} />)}
    </li>
  );
}

/** The worst reason of a screening, and how many more there are. */
function Against({ review }: { review: FragmentType<typeof AGAINST> | undefined }) {
  const known = read(AGAINST, review);
  if (!known) return <div className="row-why loading">…</div>;
  if (!known.identity) return <div className="row-why quiet">Never screened</div>;
  const [worst, ...others] = known.identity.reasons;
  if (!worst) return <div className="row-why quiet">Nothing against it</div>;
  return (
    <>
      <div className="row-why">
        <Decision of={worst.decision} />
        <span>
          <strong>{CHECK[worst.check]}</strong> {worst.messages[0]?.message}
          {others.length > 0 && <span className="quiet"> and {others.length} more</span>}
        </span>
      </div>
      {worst.riskScore == null ? (
        <span className="quiet">no score</span>
      ) : (
        <Risk of={CHECK[worst.check]} score={worst.riskScore} />
      )}
    </>
  );
}

/** A review that failed costs its row one cell. Read again, it finds its way into the list through the cache. */
function Unread({ id }: { id: string }) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const again = async () => {
    setBusy(true);
    await client.query(ONE_REASON, { id }, AFRESH).toPromise();
    setBusy(false);
  };
  return (
    <div className="row-why row-unread">
      <span className="mark" data-tone="bad">
        Could not be read
      </span>
      <button type="button" onClick={again} disabled={busy}>
        {busy ? 'Reading …' : 'Try again'}
      </button>
    </div>
  );
}

/** j and k, or the arrows, walk the rows; Enter opens one, as it opens any link. */
function useRowKeys() {
  useEffect(() => {
    const walk = (event: KeyboardEvent) => {
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      const typing = event.target instanceof Element && event.target.closest('input, select, textarea');
      if (!step || typing || event.metaKey || event.ctrlKey || event.altKey) return;
      const links = [...document.querySelectorAll<HTMLElement>('.row-link')];
      const at = links.findIndex((link) => link === document.activeElement);
      links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
      event.preventDefault();
    };
    document.addEventListener('keydown', walk);
    return () => document.removeEventListener('keydown', walk);
  }, []);
}

/** A value once it has stood still: typing is one question, not one for each letter. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
