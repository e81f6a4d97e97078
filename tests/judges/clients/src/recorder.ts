// A fetch that tells what was sent, and that can be held up: what shows meanwhile was not in the answer.

export interface Sent {
  method: string;
  url: string;
  body: string;
}

export function recorder() {
  const seen: Sent[] = [];
  let gate = Promise.resolve();
  const recording: typeof fetch = async (input, init) => {
    const { method = 'GET', body } = init ?? {};
    seen.push({ method, url: String(input), body: typeof body === 'string' ? body : '' });
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
