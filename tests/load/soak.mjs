// A soak test of limited length: mixed load on the binary while its upstream fails, and a check of every write.
//
//   node tests/load/soak.mjs BINARY [--writes N] [--phase SECONDS] [--clients N] [--deadline MS] [--counts-only]
//
// The test starts the gateway, a sandbox, and between them a proxy that can reset connections. It also freezes
// (SIGSTOP) and kills the sandbox, and ends the gateway (SIGTERM) during writes. Some callers disconnect early. A
// caller whose write has an unknown outcome retries with the same idempotency key.
//
// The test fails if a write was doubled, lost or reported wrongly, if a brown-out caused more upstream calls than the
// retry budget allows, or if tasks, files or memory remain. It also fails on responses past the deadline and on a slow
// recovery. --counts-only turns these two checks off for busy machines.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once as onceOf } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import net from "node:net";
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const [binary, ...rest] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node tests/load/soak.mjs BINARY [--writes N] [--phase SECONDS] [--clients N] [--deadline MS]");
  process.exit(2);
}
const option = (name, otherwise) => {
  const at = rest.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(rest[at + 1]);
};
const WRITES = option("writes", 1200);
const PHASE = option("phase", 2);
const CLIENTS = option("clients", 16);
const COUNTS_ONLY = rest.includes("--counts-only");
/** The share of callers that disconnect before the response. */
const HANG_UPS = 0.03;
const DEADLINE_MS = option("deadline", 3000);
const ATTEMPT_MS = Math.round(DEADLINE_MS / 3);

// ---- the three processes -------------------------------------------------------------------------------------------

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const started = [];
function start(args, settings) {
  const child = spawn(binary, args, {
    env: { ...settings, GATEWAY__LOG__LEVEL: "error" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  started.push(child);
  return child;
}
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** A TCP proxy that can reset its connections and stop listening. */
function proxy(target) {
  const pairs = new Set();
  const connect = (caller) => {
    const upstream = net.connect(target, "127.0.0.1");
    const pair = [caller, upstream];
    pairs.add(pair);
    for (const side of pair) {
      side.on("error", () => {});
      side.on("close", () => {
        pairs.delete(pair);
        pair.forEach((one) => one.destroy());
      });
    }
    caller.pipe(upstream);
    upstream.pipe(caller);
  };
  let server;
  const open = (port) => new Promise((resolve) => (server = net.createServer(connect).listen(port, "127.0.0.1", resolve)));
  const reset = () => [...pairs].forEach(([caller]) => caller.resetAndDestroy());
  return {
    open,
    reset,
    /** Acts like a host without the process: resets open connections and refuses new ones. */
    close: () => {
      server.close();
      reset();
    },
  };
}

// ---- requests ------------------------------------------------------------------------------------------------------

const agent = new Agent({ keepAlive: true, maxSockets: 512 });
function send(port, method, path, body, { headers = {}, leavesAfter } = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = httpRequest(
      { host: "127.0.0.1", port, method, path, agent, headers: { "content-type": "application/json", ...headers } },
      (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const whole = Buffer.concat(parts).toString();
          try {
            resolve(JSON.parse(whole));
          } catch {
            reject(new Error(`no JSON from ${path}: ${whole.slice(0, 200)}`));
          }
        });
      },
    );
    request.on("error", reject);
    request.end(text);
    if (leavesAfter !== undefined) {
      const leave = setTimeout(() => request.destroy(new HungUp()), leavesAfter);
      request.on("close", () => clearTimeout(leave));
    }
  });
}

/** The caller disconnected before the response. */
class HungUp extends Error {}

const MUTATIONS = {
  create: "mutation($i: CreateCustomerInput!) { r: createCustomer(input: $i) { customer { id } userErrors { code } } }",
  update: "mutation($i: UpdateCustomerInput!) { r: updateCustomer(input: $i) { customer { id } userErrors { code } } }",
  refresh:
    "mutation($i: RefreshCustomerReviewInput!) { r: refreshCustomerReview(input: $i) { customer { id } userErrors { code } } }",
  delete: "mutation($i: DeleteCustomerInput!) { r: deleteCustomer(input: $i) { deletedCustomerId userErrors { code } } }",
};
const READS = [
  ["query($id: ID!) { customer(id: $id) { name status address { city } } }", true],
  ["query($id: ID!) { customerReview(customerId: $id) { identity { decision } } }", true],
  ["{ customers(first: 20) { totalCount nodes { id name status } } }", false],
];

// ---- counts --------------------------------------------------------------------------------------------------------

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

class Phase {
  constructor(name) {
    Object.assign(this, { name, requests: 0, ok: 0, old: 0, codes: {}, times: [], wanted: 0, sent: 0 });
    Object.assign(this, { hungUp: 0, repeated: 0, broken: 0 });
    this.writes = new Map();
  }
  record(response, took) {
    this.requests += 1;
    this.times.push(took);
    const error = response.errors?.[0];
    if (error) {
      const code = error.extensions.code;
      this.codes[code] = (this.codes[code] ?? 0) + 1;
    } else this.ok += 1;
    if (response.extensions?.stale) this.old += 1;
    return error;
  }
}

async function main() {
  const [sandboxPort, proxyPort, gatewayPort, adminPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const startSandbox = () => start(["sandbox"], { GATEWAY__SANDBOX__LISTEN: `127.0.0.1:${sandboxPort}` });
  let sandbox = startSandbox();
  const line = proxy(sandboxPort);
  await line.open(proxyPort);
  const settings = {
    GATEWAY__SERVER__LISTEN: `127.0.0.1:${gatewayPort}`,
    GATEWAY__SERVER__ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    GATEWAY__SERVER__DEADLINE: `${DEADLINE_MS}ms`,
    GATEWAY__UPSTREAM__BASE_URL: `http://127.0.0.1:${proxyPort}`,
    GATEWAY__UPSTREAM__TIMEOUT: `${ATTEMPT_MS}ms`,
    GATEWAY__CACHE__CUSTOMER_TTL: "1s",
    GATEWAY__CACHE__REVIEW_TTL: "1s",
    GATEWAY__CACHE__PAGE_TTL: "1s",
  };
  let gateway = start(["serve"], settings);
  const up = async (port, path) => {
    for (let round = 0; ; round += 1) {
      try {
        return await send(port, "GET", path);
      } catch (error) {
        if (round > 600) throw error;
        await sleep(50);
      }
    }
  };
  await up(sandboxPort, "/_sandbox/calls");
  await up(gatewayPort, "/livez");
  const control = (method, path, body) => send(sandboxPort, method, `/_sandbox/${path}`, body);
  const ask = async (phase, query, variables) => {
    const from = performance.now();
    const headers = { "gateway-report-upstream": "1" };
    const leavesAfter = phase && Math.random() < HANG_UPS ? Math.random() ** 3 * 400 : undefined;
    const response = await send(gatewayPort, "POST", "/graphql", { query, variables }, { headers, leavesAfter });
    return [response, phase?.record(response, performance.now() - from)];
  };
  const [listed] = await ask(null, "{ customers(first: 100) { nodes { id } } }");
  const ids = listed.data.customers.nodes.map((node) => node.id);
  const usage = async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    const status = readFileSync(`/proc/${gateway.pid}/status`, "utf8");
    const number = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1]);
    return {
      rssMiB: Math.round(number("VmRSS") / 1024),
      threads: number("Threads"),
      files: readdirSync(`/proc/${gateway.pid}/fd`).length,
      tasks: Number(metrics.match(/^gateway_tasks (\d+)/m)[1]),
    };
  };

  // ---- load ---------------------------------------------------------------------------------------------------------

  let serial = 0;
  async function write(phase) {
    const key = `${phase.name}-${(serial += 1)}-${randomUUID().slice(0, 8)}`.slice(0, 40);
    const own = [...phase.mine ?? []];
    const kind = own.length < 5 ? "create" : pick(["create", "create", "create", "update", "refresh", "delete"]);
    const id = kind === "create" ? undefined : pick(own);
    if (kind === "delete") phase.mine.delete(id);
    const input = {
      create: () => ({
        name: "Tess Planted", type: "INDIVIDUAL", email: `${key}@example.test`, phone: "+12025550123",
        device: { ipAddress: "203.0.113.9" },
      }),
      update: () => ({ id, name: `Tess ${serial}` }),
      refresh: () => ({ customerId: id }),
      delete: () => ({ id }),
    }[kind]();
    const intent = { kind, reported: "nothing" };
    phase.writes.set(key, intent);
    // The gateway merges an update again on each request, so a repeated update is a different upstream request.
    for (let times = kind === "update" ? 3 : 0; times < 4; times += 1) {
      phase.repeated += times > 0 && kind !== "update" ? 1 : 0;
      const { reported, id: made } = await once(phase, MUTATIONS[kind], { ...input, idempotencyKey: key });
      // After an unknown outcome, "not done" for a retry does not exclude that the first request took effect.
      if (intent.reported !== "unknown" || reported === "done" || reported === "refused") intent.reported = reported;
      if (reported === "done" && kind === "create") phase.mine.add(made);
      if (intent.reported !== "unknown") return;
      await sleep(100);
    }
  }
  /** The outcome that the gateway reports for one request for a write. */
  async function once(phase, mutation, input) {
    let response, error;
    try {
      [response, error] = await ask(phase, mutation, { i: input });
    } catch (problem) {
      // A missing response counts as an unknown outcome.
      if (problem instanceof HungUp) phase.hungUp += 1;
      else phase.broken += 1;
      return { reported: "unknown" };
    }
    if (error) return { reported: error.extensions.outcome === "UNKNOWN" ? "unknown" : "not done" };
    if (response.data.r.userErrors.length > 0) return { reported: "refused" };
    return { reported: "done", id: response.data.r.customer?.id };
  }
  async function read(phase) {
    const [query, needsId] = pick(READS);
    const [response] = await ask(phase, query, needsId ? { id: pick(ids) } : {});
    const report = response.extensions.upstream;
    phase.wanted += Math.max(0, report.planned - report.cached - report.shared);
    phase.sent += report.actual;
  }

  /**
   * Runs one phase of load with the failures of `trouble`, for `PHASE` seconds and until the phase has sent `writes`
   * writes. `goes`: the gateway itself is down for a part of the phase.
   */
  async function run(name, { trouble = async () => {}, writes = 0, goes = false } = {}) {
    const phase = new Phase(name);
    phase.mine = new Set();
    const until = performance.now() + PHASE * 1000;
    const over = () => performance.now() >= until && phase.writes.size >= writes;
    const stop = { over };
    const troubled = trouble(stop, phase);
    const client = async (number) => {
      while (!over()) {
        try {
          await (phase.writes.size < writes && number % 3 !== 0 ? write(phase) : read(phase));
        } catch (error) {
          if (error instanceof HungUp) phase.hungUp += 1;
          else {
            phase.broken += 1;
            if (!goes) console.error(`  ${name}: ${error.message}`);
            await sleep(50);
          }
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
    await troubled;
    await control("DELETE", "faults");
    await control("PUT", "latency", { ms: 0 });
    // The gateway follows a sent write for one deadline and one attempt at most.
    if (writes > 0) await sleep(DEADLINE_MS + ATTEMPT_MS + 500);
    return settle(phase);
  }

  const missed = [];
  const total = { writes: 0, repeated: 0, done: 0, refused: 0, unknown: 0, "not done": 0, doubled: 0, lost: 0, untrue: 0, strange: 0 };
  async function settle(phase) {
    if (phase.writes.size > 0) {
      const effects = new Map();
      for (const effect of await control("GET", "writes")) {
        const key = effect.idempotency_key ?? "none";
        if (key.startsWith(`${phase.name}-`)) effects.set(key, (effects.get(key) ?? 0) + 1);
        else if (!/^[a-z]+-\d+-/.test(key)) total.strange += 1;
      }
      for (const [key, { reported }] of phase.writes) {
        const times = effects.get(key) ?? 0;
        total.writes += 1;
        total[reported] = (total[reported] ?? 0) + 1;
        if (times > 1) total.doubled += 1;
        if (reported === "done" && times === 0) total.lost += 1;
        if ((reported === "not done" || reported === "refused") && times > 0) {
          total.untrue += 1;
          console.error(`  ${key} was reported as "${reported}" but took effect`);
        }
      }
    }
    phase.times.sort((left, right) => left - right);
    const { name, requests, ok, old, codes, wanted, sent, hungUp, repeated, broken } = phase;
    const figures = { requests, ok, codes, hungUp, broken, writes: phase.writes.size, repeated };
    total.repeated += repeated;
    if (old > 0) figures.old = old;
    if (!COUNTS_ONLY) {
      figures.p50 = Math.round(percentile(phase.times, 0.5));
      figures.p99 = Math.round(percentile(phase.times, 0.99));
      figures.max = Math.round(phase.times.at(-1) ?? 0);
      figures.overDeadline = phase.times.filter((took) => took > DEADLINE_MS + 100).length;
      figures.upstreamPerWanted = wanted === 0 ? 0 : Number((sent / wanted).toFixed(3));
    }
    if (phase.recovered !== undefined && !COUNTS_ONLY) figures.recoveredAfterMs = phase.recovered;
    if (figures.p99 > DEADLINE_MS + 100) missed.push(`${name}: responses past the deadline`);
    if (figures.recoveredAfterMs > 5000) missed.push(`${name}: recovery after ${phase.recovered} ms`);
    // The retry budget is a fifth of the calls, and at low rates some retries are always allowed. Without a budget
    // there would be half as many calls again.
    if (name === "brown" && sent > wanted * 1.2 + 10) missed.push(`${name}: ${sent} upstream calls for ${wanted} needed`);
    console.log(name.padEnd(8), JSON.stringify(figures));
    return phase;
  }

  /** Injects faults into a share of the calls, in proportion to the calls, so that no unused faults remain. */
  const faults = (kinds, share, more = {}) => async (stop) => {
    const total = async () => (await control("GET", "calls")).total;
    const from = await total();
    for (let given = 0; !stop.over(); await sleep(20)) {
      for (const due = Math.min(given + 8, Math.floor(((await total()) - from) * share)); given < due; given += 1) {
        await control("POST", "faults", { times: 1, fault: pick(kinds), ...more });
      }
    }
  };
  /** Sets the time from the return of the upstream to the last error before ten responses without an error. */
  async function recovery(phase) {
    const from = performance.now();
    let last = from;
    for (let good = 0, round = 0; good < 10; round += 1) {
      const [response] = await ask(null, READS[0][0], { id: ids[round % ids.length] });
      good = response.errors ? 0 : good + 1;
      if (response.errors) last = performance.now();
      if (performance.now() - from > 60_000) throw new Error("the gateway did not recover within 60 s");
      await sleep(10);
    }
    phase.recovered = Math.round(last - from);
  }

  const half = PHASE * 500;
  const part = Math.ceil(WRITES / 7);
  await run("warm");
  const before = await usage();
  await run("calm", { writes: part });
  await run("brown", { trouble: faults([{ status: 503 }, { status: 500 }, { reset: "before_headers" }], 0.35) });
  await run("lossy", {
    writes: part,
    trouble: faults(
      [{ status: 502 }, { reset: "before_headers" }, { reset: "mid_body" }, { garbage: true }, { hang: true }],
      0.1,
      { after_write: true },
    ),
  });
  await run("deny", { writes: part, trouble: faults([{ status: 429 }, { status: 429, retry_after: 1 }, { status: 503 }, { status: 401 }], 0.2) });
  await run("slow", { trouble: () => control("PUT", "latency", { ms: 600 }) });
  // Every call hangs, the breaker's probes too. Then the sandbox responds to new calls again.
  await run("hang", {
    writes: part,
    trouble: async (stop, phase) => {
      await sleep(half / 4);
      await control("POST", "faults", { fault: { hang: true } });
      await sleep(half);
      await control("DELETE", "faults");
      await recovery(phase);
    },
  });
  await run("freeze", {
    writes: part,
    trouble: async (stop, phase) => {
      await sleep(half / 4);
      sandbox.kill("SIGSTOP");
      await sleep(half);
      sandbox.kill("SIGCONT");
      await recovery(phase);
    },
  });
  await run("cut", {
    writes: part,
    trouble: async (stop, phase) => {
      for (let round = 0; round < 3; round += 1) {
        await sleep(half / 4);
        line.reset();
      }
      line.close();
      await sleep(half);
      await line.open(proxyPort);
      await recovery(phase);
    },
  });
  await run("after");
  // Idle pooled connections close after 45 s.
  await sleep(COUNTS_ONLY ? 500 : 2000);
  const after = await usage();
  for (const [what, most] of [["tasks", 40], ["files", 80], ["threads", 4], ["rssMiB", 64]]) {
    if (after[what] > before[what] + most) missed.push(`${what}: ${before[what]} before, ${after[what]} after`);
  }
  // A new gateway replaces the old one, as in a deployment.
  await run("drain", {
    writes: part,
    goes: true,
    trouble: async () => {
      await sleep(half / 2);
      gateway.kill("SIGTERM");
      if (gateway.exitCode === null) await onceOf(gateway, "exit");
      if (gateway.exitCode !== 0) missed.push(`drain: the gateway exited with ${gateway.exitCode}`);
      gateway = start(["serve"], settings);
      await up(gatewayPort, "/livez");
    },
  });
  // A killed sandbox loses its data, so this phase only reads.
  await run("kill", {
    trouble: async (stop, phase) => {
      sandbox.kill("SIGKILL");
      await sleep(half);
      sandbox = startSandbox();
      await up(sandboxPort, "/_sandbox/calls");
      await recovery(phase);
    },
  });
  console.log("writes  ", JSON.stringify(total));
  if (!COUNTS_ONLY) console.log("gateway ", JSON.stringify({ before, after }));
  if (gateway.exitCode !== null) missed.push("the gateway exited");
  for (const what of ["doubled", "lost", "untrue", "strange"]) if (total[what] > 0) missed.push(`${total[what]} ${what}`);
  console.log(missed.length === 0 ? "no write was doubled, lost or reported wrongly" : `FAILED: ${missed.join("; ")}`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
