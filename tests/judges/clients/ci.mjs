// Runs the CI of a frontend from docs/frontend.md: ci/ci.sh starts the gateway, and the tests of the folder run against
// it. This test uses free ports. A real CI uses the default ports and sets no addresses.

import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, resolve } from 'node:path';
import { expectEqual, finish } from '../report.mjs';

const [gateway, sandbox] = [await freePort(), await freePort()];
mkdirSync('bin');
symlinkSync(process.env.GATEWAY_BINARY, 'bin/customers-gateway');
const { status, stdout } = spawnSync('./ci.sh', {
  cwd: 'ci',
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    PATH: `${resolve('bin')}${delimiter}${process.env.PATH}`,
    GATEWAY__LOG__LEVEL: 'error',
    GATEWAY__SERVER__LISTEN: gateway,
    GATEWAY__SERVER__ADMIN_LISTEN: '127.0.0.1:0',
    GATEWAY__SANDBOX__LISTEN: sandbox,
    GATEWAY_URL: `http://${gateway}`,
    SANDBOX_URL: `http://${sandbox}`,
  },
});
if (status !== 0) console.log(stdout);
expectEqual('ci.sh succeeds', status, 0);
expectEqual('the number of passed tests', stdout.match(/pass (\d+)/)?.[1], '4');
finish('ci');

function freePort() {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(`127.0.0.1:${port}`));
    });
  });
}
