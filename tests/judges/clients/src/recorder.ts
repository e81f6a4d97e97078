// A fetch that tells what was sent.

export interface Sent {
  method: string;
  url: string;
  body: string;
}

export function recorder() {
  const seen: Sent[] = [];
  const recording: typeof fetch = (input, init) => {
    const { method = 'GET', body } = init ?? {};
    seen.push({ method, url: String(input), body: typeof body === 'string' ? body : '' });
    return fetch(input, init);
  };
  return { fetch: recording, seen };
}
