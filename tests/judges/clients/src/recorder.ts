// A fetch that records requests and can delay them, so that a test can observe optimistic results before the response.

export interface Sent {
  method: string;
  url: string;
  body: string;
  /** The names of the request headers in lower case. */
  headers: string[];
}

export function recorder() {
  const seen: Sent[] = [];
  let gate = Promise.resolve();
  const recording: typeof fetch = async (input, init) => {
    const { method = 'GET', body, headers } = init ?? {};
    const names = [...new Headers(headers).keys()];
    seen.push({ method, url: String(input), body: typeof body === 'string' ? body : '', headers: names });
    await gate;
    return fetch(input, init);
  };
  const hold = () => {
    let release = () => {};
    gate = new Promise((resolve) => (release = resolve));
    return release;
  };
  return { fetch: recording, seen, hold };
}

/** Waits up to two seconds until a condition is true, and returns whether it became true. */
export async function comes(holds: () => boolean) {
  for (let tries = 0; tries < 100 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  return holds();
}

const ORIGIN = 'http://localhost:5173';

/** The gateway's settings for pages on Vite's development server, which is another origin. */
export const FROM_VITE = { GATEWAY__HTTP__ALLOWED_ORIGINS: ORIGIN };

/** The names of sent headers that CORS does not allow for a page of that origin. */
export async function refusedToPages(url: string, sent: Sent[]) {
  const names = new Set(sent.flatMap(({ headers }) => headers));
  const asked = { origin: ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': [...names].join(',') };
  const preflight = await fetch(url, { method: 'OPTIONS', headers: asked });
  if (!preflight.ok) return [...names];
  const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(/, ?/) ?? [];
  return preflight.headers.get('access-control-allow-origin') === ORIGIN ? [...names].filter((name) => !allowed.includes(name)) : ['origin'];
}
