// A gateway of a suite's own, over a sandbox of its own: what one suite changes no other reads.

import { spawn } from 'node:child_process';

/**
 * Starts the binary with settings of the environment, and waits until it says that it is ready.
 * `calls` says what was asked of the upstream since the last time; `control` is the sandbox's control door.
 */
export async function startGateway(settings = {}) {
  const anywhere = '127.0.0.1:0';
  const child = spawn(process.env.GATEWAY_BINARY, ['serve'], {
    env: {
      ...process.env,
      GATEWAY__SERVER__LISTEN: anywhere,
      GATEWAY__SERVER__ADMIN_LISTEN: anywhere,
      GATEWAY__SANDBOX__LISTEN: anywhere,
      GATEWAY__LOG__LEVEL: 'error',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // A suite that breaks or is stopped takes its gateway with it.
  process.on('exit', () => child.kill());
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  const greeting = await greetingOf(child);
  const url = greeting.match(/^ +GraphQL +(\S+)/m)[1];
  const sandbox = greeting.match(/^ +upstream +(http:\/\/[\d.:]+)/m)[1];
  await ready(new URL('/readyz', url));

  const control = async (method, path, body) => {
    const response = await fetch(`${sandbox}/_sandbox/${path}`, { method, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`the sandbox's control door answered ${response.status} to ${method} ${path}`);
    return response.headers.get('content-type')?.includes('json') ? response.json() : undefined;
  };
  const calls = async () => {
    const { calls } = await control('GET', 'calls');
    await control('DELETE', 'calls');
    return calls;
  };
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill();
    });
  return { url, sandbox, control, calls, stop };
}

function greetingOf(child) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} before it was up`)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (/^ +GraphQL .+\n/m.test(text) && /^ +upstream .+\n/m.test(text)) resolve(text);
    });
  });
}

async function ready(url) {
  for (let tries = 0; tries < 100; tries += 1) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the gateway did not come up in 10 seconds');
}
