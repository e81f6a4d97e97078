// Starts a separate gateway with its own sandbox, so that no suite reads data that another suite changes.

import { spawn } from 'node:child_process';

/**
 * Starts the binary with settings as environment variables, and waits until it is ready.
 * `calls` returns the upstream calls since the last `calls`. `control` calls the sandbox's control API.
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
  // Stops the gateway if the suite fails or is stopped.
  process.on('exit', () => child.kill());
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  const output = await startupOutputOf(child);
  const url = output.match(/^ +GraphQL +(\S+)/m)[1];
  const sandbox = output.match(/^ +upstream +(http:\/\/[\d.:]+)/m)[1];
  await ready(new URL('/readyz', url));

  const control = async (method, path, body) => {
    const response = await fetch(`${sandbox}/_sandbox/${path}`, { method, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`the sandbox's control API returned ${response.status} to ${method} ${path}`);
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

function startupOutputOf(child) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the gateway exited with ${code} before it was ready`)));
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
  throw new Error('the gateway did not start within 10 seconds');
}
