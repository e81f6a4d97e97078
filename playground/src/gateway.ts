// What the page asks the gateway, and what it is told about what that cost.

import type { Fetcher, FetcherParams } from '@graphiql/toolkit';

/** Whether the people are made up. The gateway writes it into the page; where the upstream is, it does not say. */
export type Upstream = 'sandbox' | 'real';

/** `auth.mode` of the gateway. */
export type Callers = 'sandbox' | 'passthrough' | 'jwt';

/** `extensions.upstream` of an answer. */
export interface UpstreamReport {
  /** Calls that the document plans with nothing kept. */
  planned: number;
  /** Calls that were made for it. */
  actual: number;
}

/** Who one is, or why one is nobody. */
export type Who =
  | { subject: string | null; accountId: string | null; permissions: string[] }
  | { refused: string; needsToken: boolean };

interface Answer {
  data?: unknown;
  errors?: { message: string; extensions?: { code?: string } }[];
  extensions?: { upstream?: UpstreamReport; [name: string]: unknown };
}

async function ask(params: FetcherParams, token: string, headers: Record<string, unknown> = {}): Promise<Answer> {
  const sent = new Headers({ accept: 'application/graphql-response+json, application/json;q=0.9' });
  sent.set('content-type', 'application/json');
  sent.set('gateway-report-upstream', '1');
  if (token) sent.set('authorization', `Bearer ${token}`);
  // What the headers' editor says goes on top.
  for (const [name, value] of Object.entries(headers)) sent.set(name, String(value));
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: sent,
    // A field that fails is null where it stands, and the rest of the answer is there.
    body: JSON.stringify({ ...params, onError: 'NULL' }),
    // Nothing of the browser's own goes along. Its cache is left alone: `no-store` here would send `no-cache`, and the
    // gateway would read past what it keeps. Its answers say `no-store` themselves.
    credentials: 'omit',
  });
  return (await response.json()) as Answer;
}

/** GraphiQL's way to the gateway. It tells `onReport` what a run cost upstream: `null` where nothing was run. */
export function fetcherWith(token: string, onReport: (report: UpstreamReport | null) => void): Fetcher {
  return async (params, options) => {
    const answer = await ask(params, token, options?.headers);
    if (params.operationName === 'IntrospectionQuery') return answer;
    onReport(answer.extensions?.upstream ?? null);
    return withoutReport(answer);
  };
}

/** The answer as a client gets it that does not ask for the report: the page shows that above. */
function withoutReport({ extensions, ...answer }: Answer): Answer {
  const { upstream: _, ...others } = extensions ?? {};
  return Object.keys(others).length > 0 ? { ...answer, extensions: others } : answer;
}

/** Asks who one is. */
export async function whoAmI(token: string): Promise<Who> {
  try {
    const answer = await ask({ query: '{ viewer { subject accountId permissions } }' }, token);
    const data = answer.data as { viewer?: Exclude<Who, { refused: string }> } | null | undefined;
    if (data?.viewer) return data.viewer;
    const [error] = answer.errors ?? [];
    const needsToken = error?.extensions?.code === 'UNAUTHENTICATED';
    return { refused: error?.message ?? 'The gateway did not say.', needsToken };
  } catch {
    return { refused: 'The gateway does not answer.', needsToken: false };
  }
}
