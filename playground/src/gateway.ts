// The page's requests to the gateway, and the report of their upstream calls.

import type { Fetcher, FetcherParams } from '@graphiql/toolkit';

/**
 * Whether the upstream is the sandbox, which has made-up people. The gateway writes this value into the page, but not
 * the upstream's address.
 */
export type Upstream = 'sandbox' | 'real';

/** `auth.mode` of the gateway. */
export type Callers = 'sandbox' | 'passthrough' | 'jwt';

/** `extensions.upstream` of a response. */
export interface UpstreamReport {
  /** Upstream calls that the document needs with an empty cache. */
  planned: number;
  /** Upstream calls that this run made. */
  actual: number;
}

/** The caller, or the error that the gateway returned instead. */
export type Who =
  | { subject: string | null; accountId: string | null; permissions: string[] }
  | { refused: string; needsToken: boolean };

interface GraphQLResponse {
  data?: unknown;
  errors?: { message: string; extensions?: { code?: string } }[];
  extensions?: { upstream?: UpstreamReport; [name: string]: unknown };
}

async function send(
  params: FetcherParams,
  token: string,
  headers: Record<string, unknown> = {},
): Promise<GraphQLResponse> {
  const all = new Headers({ accept: 'application/graphql-response+json, application/json;q=0.9' });
  all.set('content-type', 'application/json');
  all.set('gateway-report-upstream', '1');
  if (token) all.set('authorization', `Bearer ${token}`);
  // Headers from GraphiQL's headers editor override the ones above.
  for (const [name, value] of Object.entries(headers)) all.set(name, String(value));
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: all,
    // A field that fails is null, and the other fields keep their values.
    body: JSON.stringify({ ...params, onError: 'NULL' }),
    // The browser sends no cookies or credentials of its own. `cache` is not set: `cache: 'no-store'` would send
    // `Cache-Control: no-cache`, and the gateway would bypass its cache. The gateway's responses carry `no-store`.
    credentials: 'omit',
  });
  return (await response.json()) as GraphQLResponse;
}

/** The fetcher of GraphiQL. It calls `onReport` with the upstream calls of a run, or `null` if no operation ran. */
export function fetcherWith(token: string, onReport: (report: UpstreamReport | null) => void): Fetcher {
  return async (params, options) => {
    const result = await send(params, token, options?.headers);
    if (params.operationName === 'IntrospectionQuery') return result;
    onReport(result.extensions?.upstream ?? null);
    return withoutReport(result);
  };
}

/** The response without the upstream report, which the page's header shows. */
function withoutReport({ extensions, ...result }: GraphQLResponse): GraphQLResponse {
  const { upstream: _, ...others } = extensions ?? {};
  return Object.keys(others).length > 0 ? { ...result, extensions: others } : result;
}

/** Queries `viewer`. */
export async function whoAmI(token: string): Promise<Who> {
  try {
    const result = await send({ query: '{ viewer { subject accountId permissions } }' }, token);
    const data = result.data as { viewer?: Exclude<Who, { refused: string }> } | null | undefined;
    if (data?.viewer) return data.viewer;
    const [error] = result.errors ?? [];
    const needsToken = error?.extensions?.code === 'UNAUTHENTICATED';
    return { refused: error?.message ?? 'The gateway returned no error message.', needsToken };
  } catch {
    return { refused: 'The gateway returned no valid response.', needsToken: false };
  }
}
