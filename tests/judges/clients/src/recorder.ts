// A fetch that tells what was sent, and that can be held up: what shows meanwhile was not in the answer.

export interface Sent {
  method: string;
  url: string;
  body: string;
  /** The names of its headers, in small letters. */
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

/** Waits until something is so, two seconds at most; says whether it was. */
export async function comes(holds: () => boolean) {
  for (let tries = 0; tries < 100 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  return holds();
}

const ORIGIN = 'http://localhost:5173';

/** A gateway's settings for pages of Vite's development server, which is another origin. */
export const FROM_VITE = { GATEWAY__HTTP__ALLOWED_ORIGINS: ORIGIN };

/** The headers among those sent that a browser would not let a page of that origin send. */
export async function refusedToPages(url: string, sent: Sent[]) {
  const names = new Set(sent.flatMap(({ headers }) => headers));
  const asked = { origin: ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': [...names].join(',') };
  const preflight = await fetch(url, { method: 'OPTIONS', headers: asked });
  if (!preflight.ok) return [...names];
  const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(/, ?/) ?? [];
  return preflight.headers.get('access-control-allow-origin') === ORIGIN ? [...names].filter((name) => !allowed.includes(name)) : ['origin'];
}
