// Runs every customer operation of Straddle's TypeScript client once against the sandbox.
// Each run uses a new key, and so a new data set of the sandbox. On the first failed check it prints one line and exits
// with code 1.
//
// The package is resolved from the working directory, because run.sh installs it in a build folder.

import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { Straddle, NotFoundError, UnprocessableEntityError, AuthenticationError } = require('@straddlecom/straddle');
// The package does not export its package.json, so the version is read from ours.
const version = require('./package.json').dependencies['@straddlecom/straddle'];

const ADA = '0190b2de-7c11-7c3a-8f10-000000000001';
const SEEDED = 250;
const EMAIL = 'official.node@example.test';
const IP = '203.0.113.78';

const fail = (line) => {
  console.error(`FAILED node ${version}: ${line}`);
  process.exit(1);
};

const expect = (what, got, wanted) => {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    fail(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
  }
};

const refused = async (what, kind, call) => {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof kind)) fail(`${what}: ${error.constructor.name}, wanted ${kind.name}`);
    return;
  }
  fail(`${what}: was not rejected`);
};

const client = (apiKey) => new Straddle({ apiKey, baseURL: process.env.SANDBOX_URL });

async function main() {
  const { customers } = client(`official-node-${randomUUID()}`);
  const profile = { ein: '98-7654321', legal_business_name: 'Official Client LLC' };
  const body = {
    name: 'Official Client',
    type: 'business',
    email: EMAIL,
    phone: '+12025550179',
    device: { ip_address: IP },
    compliance_profile: { ...profile, representatives: [{ name: 'Cy Doe', email: null, phone: null }] },
    external_id: 'official-node',
    metadata: { by: 'node' },
    config: { sandbox_outcome: 'review' },
  };
  const key = `create-${randomUUID().slice(0, 18)}`;
  const created = (await customers.create({ ...body, 'Idempotency-Key': key })).data;
  expect('status after create', created.status, 'review');
  expect('masked device', created.device.ip_address, '**.**.**.**');
  expect('masked EIN', created.compliance_profile.ein, '**-*******');
  expect('config', created.config, { processing_method: 'inline', sandbox_outcome: 'review' });
  const replayed = await customers.create({ ...body, 'Idempotency-Key': key });
  expect('replayed create', replayed.data.id, created.id);
  await refused('second e-mail', UnprocessableEntityError, () => customers.create(body));

  const ids = new Set();
  for await (const customer of customers.list({ page_size: 100 })) ids.add(customer.id);
  expect('customers in all pages', ids.size, SEEDED + 1);
  const page = await customers.list({ status: ['pending', 'review'], types: ['business'], sort_by: 'created_at' });
  expect('filtered statuses', page.data.every((row) => ['pending', 'review'].includes(row.status)), true);
  expect('filtered types', page.data.every((row) => row.type === 'business'), true);
  const found = await customers.list({ external_id: 'official-node' });
  expect('by external id', found.data.map((row) => row.id), [created.id]);

  expect('name', (await customers.get(created.id)).data.name, 'Official Client');
  const clear = (await customers.unmasked(created.id)).data;
  expect('unmasked device', clear.device.ip_address, IP);
  expect('unmasked EIN', clear.compliance_profile.ein, profile.ein);

  const seen = (await customers.review.get(created.id)).data;
  expect("review's customer", seen.customer_details.id, created.id);
  expect("review's decision", seen.identity_details.decision, 'review');
  const ada = (await customers.review.get(ADA)).data.identity_details;
  expect("Ada's modules", Object.keys(ada.breakdown).length, 8);
  expect("Ada's insights", Object.keys(ada.reputation.insights).length, 33);

  const decided = await customers.review.decision(created.id, { status: 'rejected' });
  expect('status after decision', decided.data.status, 'rejected');
  await refused('second decision', UnprocessableEntityError, () =>
    customers.review.decision(created.id, { status: 'verified' }),
  );

  expect('refreshed', (await customers.review.refreshReview(created.id)).data.id, created.id);
  const renewed = (await customers.review.get(created.id)).data.identity_details;
  expect('new review id', renewed.review_id !== seen.identity_details.review_id, true);

  const updated = await customers.update(created.id, {
    name: 'Official B. Client',
    email: EMAIL,
    phone: '+12025550180',
    device: { ip_address: IP },
    status: 'inactive',
  });
  expect('updated', [updated.data.name, updated.data.status], ['Official B. Client', 'inactive']);

  expect('deleted', (await customers.delete(created.id)).data.id, created.id);
  await refused('read after delete', NotFoundError, () => customers.get(created.id));
  await refused('no key', AuthenticationError, () => client('').customers.list());
  console.log(`ok node ${version}`);
}

main().catch((error) => fail(error.stack ?? String(error)));
