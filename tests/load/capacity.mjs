// Compares limits on calls in flight in front of an upstream with limited capacity.
//
//   node tests/load/capacity.mjs BINARY [--variant NAME:KEY=VALUE,...]... [--scenario NAME,...] [--repeat N] [--at-once N]
//                                [--seed N] [--tail TIMES]
//
// Each variant is a gateway with its own settings: environment variables, settings of [upstream] by their short names
// (`wide:max_in_flight=256,queue_timeout=2s`), or `binary=PATH`. Each gateway has its own simulated upstream in this
// process. Requests arrive at fixed times, independent of earlier responses, and at the same times for every variant of
// a scenario. The three default variants take some 5 minutes. The script uses only loopback addresses (127.0.0.1 to
// 127.0.0.51, which Linux has) and prints figures. It fails if a gateway exits.
//
// The upstream finishes a call even if its caller has left, as servers do. Its times are those of the real API, 200 to
// 900 ms. With 437 ms on average, 36 places serve 82 calls a second.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import net from "node:net";
import { Agent, createServer, request as httpRequest } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

const [binary, ...rest] = process.argv.slice(2);
if (!binary || binary.startsWith("--")) {
  console.error("usage: node tests/load/capacity.mjs BINARY [--variant NAME:KEY=VALUE,...]... [--scenario NAME,...]");
  process.exit(2);
}
const options = (name) => rest.flatMap((word, at) => (word === `--${name}` ? [rest[at + 1] ?? ""] : []));
const number = (name, otherwise) => Number(options(name).at(-1) ?? otherwise);
const REPEAT = number("repeat", 1);
const AT_ONCE = number("at-once", 3);
const SEED = number("seed", 1);
/** One call of fifty takes this many times its normal time. */
const TAIL = number("tail", 3);
/** The response time that is acceptable to an interactive user. */
const SOON_MS = 2000;
/**
 * If the 99th percentile of the event loop delay is higher, the machine is too busy: the run is repeated, twice at
 * most.
 */
const LATE_MS = 15;
/** The default of `server.deadline`. */
const DEADLINE_MS = 10_000;

// ---- variants and scenarios ----------------------------------------------------------------------------------------

const UPSTREAM = ["max_in_flight", "max_queue", "queue_timeout", "timeout", "max_attempts", "retry_budget_percent"];
const variants = (options("variant").length > 0 ? options("variant") : [16, 64, 256].map((n) => `${n}:max_in_flight=${n}`)).map(
  (text) => {
    const at = text.indexOf(":");
    const pairs = text.slice(at + 1).split(",").filter(Boolean).map((pair) => pair.split(/=(.*)/s));
    const settings = {};
    let own = binary;
    for (const [key, value] of pairs) {
      if (key === "binary") own = value;
      else settings[UPSTREAM.includes(key) ? `GATEWAY__UPSTREAM__${key.toUpperCase()}` : key] = value;
    }
    return { name: text.slice(0, at), binary: own, settings };
  },
);

/**
 * The arrivals per second (`rate`) and the state of the upstream, both by the second `t`. `trouble`: the seconds from
 * and to which the figures cover. `places`: the calls that the upstream serves at once. `knee`: with more calls than
 * this, all calls become slower, by the square. `sheds`: with more calls than this, the upstream returns 503 at once.
 * `even`: each call takes this many milliseconds.
 */
const SCENARIOS = {
  // No limit: no requests for 2 s, then 150 at once, then nearly twice the earlier rate.
  healthy: {
    seconds: 20,
    trouble: [8, 20],
    rate: (t) => (t >= 6 && t < 8 ? 0 : t >= 13 ? 110 : 60),
    burst: { at: 8, count: 150 },
    upstream: () => ({ places: 1000 }),
  },
  // 36 places serve 82 calls a second. For 8 s there are 9 places, which serve 21.
  drop: {
    seconds: 26,
    trouble: [6, 14],
    rate: () => 60,
    upstream: (t) => ({ places: t >= 6 && t < 14 ? 9 : 36 }),
  },
  // For 10 s there are 3 places, which serve 7 calls a second. 64 calls in flight then wait longer than `timeout`.
  deep: {
    seconds: 26,
    trouble: [6, 16],
    rate: () => 60,
    upstream: (t) => ({ places: t >= 6 && t < 16 ? 3 : 36 }),
  },
  // For 8 s there are twice as many calls as 36 places serve.
  surge: {
    seconds: 26,
    trouble: [6, 14],
    rate: (t) => (t >= 6 && t < 14 ? 172 : 60),
    upstream: () => ({ places: 36 }),
  },
  // Above 36 calls the throughput of the upstream falls. 6 s with the double rate cause this.
  collapse: {
    seconds: 26,
    trouble: [6, 12],
    rate: (t) => (t >= 6 && t < 12 ? 120 : 60),
    upstream: () => ({ places: 1000, knee: 36 }),
  },
  // The upstream accepts 48 calls and returns 503 to others. For 8 s there are twice as many calls as it serves.
  sheds: {
    seconds: 26,
    trouble: [6, 14],
    rate: (t) => (t >= 6 && t < 14 ? 172 : 60),
    upstream: () => ({ places: 36, sheds: 48 }),
  },
  // Every call takes 200 ms, then 900 ms for half a minute. Capacity is not limited: a limit that treats the higher
  // latency as overload sends too few calls.
  slower: {
    seconds: 42,
    trouble: [6, 36],
    rate: () => 50,
    upstream: (t) => ({ places: 1000, even: t >= 6 && t < 36 ? 900 : 200 }),
  },
};
const chosen = options("scenario").length > 0 ? options("scenario").flatMap((names) => names.split(",")) : Object.keys(SCENARIOS);
for (const name of chosen) if (!SCENARIOS[name]) throw new Error(`no scenario ${name}: ${Object.keys(SCENARIOS)}`);

/** Random numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// ---- the upstream --------------------------------------------------------------------------------------------------

const customer = (id) => ({
  id, name: "Ada Example", type: "individual", email: "ada@example.test", phone: "+12025550123", status: "verified",
  created_at: "2026-07-07T06:21:44", updated_at: "2026-07-07T06:21:44",
  compliance_profile: { dob: "****-**-**", ssn: "***-**-****" }, device: { ip_address: "**.**.**.**" },
});
const envelope = (data) =>
  JSON.stringify({
    data, response_type: "object",
    meta: { api_request_id: randomUUID(), api_request_timestamp: new Date().toISOString() },
  });

class Upstream {
  constructor(shape, random) {
    Object.assign(this, { shape, random, waiting: [], serving: 0, left: 0, peak: 0, sent: 0, served: 0, wasted: 0, shed: 0 });
    this.began = performance.now();
    this.server = createServer((request, response) => this.arrived(request, response));
    this.server.keepAliveTimeout = 60_000;
  }

  now() {
    return this.shape((performance.now() - this.began) / 1000);
  }

  /**
   * The time of a call without other load: 200 to 400 ms for a customer, 500 to 900 ms for a review, one of fifty
   * longer.
   */
  takes(path, { even }) {
    if (even) return even * (0.9 + 0.2 * this.random());
    const base = path.endsWith("/review") ? 500 + 400 * this.random() : 200 + 200 * this.random();
    return this.random() < 0.02 ? base * TAIL : base;
  }

  arrived(request, response) {
    // The gateway calls this path to verify that its upstream is a sandbox.
    if (request.url === "/_sandbox/calls") {
      response.writeHead(200, { "content-type": "application/json" }).end('{"total":0,"calls":{}}');
      return;
    }
    const like = this.now();
    this.sent += 1;
    request.resume();
    if (like.sheds && this.serving + this.waiting.length >= like.sheds) {
      this.shed += 1;
      response.writeHead(503).end();
      return;
    }
    const call = { path: request.url, response, gone: false };
    response.on("close", () => (call.gone ||= !response.writableFinished));
    this.waiting.push(call);
    this.peak = Math.max(this.peak, this.serving + this.waiting.length);
    this.serve();
  }

  serve() {
    const like = this.now();
    while (this.serving < like.places && this.waiting.length > 0) {
      const call = this.waiting.shift();
      this.serving += 1;
      const crowd = like.knee ? Math.max(1, this.serving / like.knee) ** 2 : 1;
      setTimeout(() => this.done(call), this.takes(call.path, like) * crowd);
    }
  }

  done(call) {
    this.serving -= 1;
    this.served += 1;
    if (call.gone) this.wasted += 1;
    else {
      const [, id, review] = call.path.match(/customers\/([^/?]+)(\/review)?/) ?? [];
      call.response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
      call.response.end(envelope(review ? { customer_details: customer(id), identity_details: null } : customer(id)));
    }
    this.serve();
  }
}

// ---- the gateway ---------------------------------------------------------------------------------------------------

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const started = new Set();
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

async function gatewayFor(variant, upstreamPort) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const child = spawn(variant.binary, ["serve"], {
    env: {
      GATEWAY__SERVER__LISTEN: `127.0.0.1:${port}`,
      GATEWAY__SERVER__ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      GATEWAY__UPSTREAM__BASE_URL: `http://127.0.0.1:${upstreamPort}`,
      GATEWAY__CACHE__ENABLED: "false",
      GATEWAY__RATE_LIMIT__ENABLED: "off",
      GATEWAY__LOG__LEVEL: "error",
      ...variant.settings,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  started.add(child);
  for (let round = 0; round < 400; round += 1) {
    const up = await new Promise((resolve) => {
      const request = httpRequest({ host: "127.0.0.1", port: adminPort, path: "/livez" }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      request.on("error", () => resolve(false));
      request.end();
    });
    if (up) return { port, child };
    await sleep(50);
  }
  throw new Error(`${variant.name} did not start`);
}

// Each caller has its own address, because the gateway shares its permits fairly by caller.
const CALLERS = 50;
const QUERIES = [
  "query($id: ID!) { customer(id: $id) { name status } }",
  "query($id: ID!) { customerReview(customerId: $id) { customer { name } } }",
];

function ask(agents, port, arrival) {
  return new Promise((resolve) => {
    const body = JSON.stringify({ query: QUERIES[arrival.review ? 1 : 0], variables: { id: arrival.id } });
    const localAddress = `127.0.0.${2 + arrival.caller}`;
    const request = httpRequest(
      {
        host: "127.0.0.1", port, method: "POST", path: "/graphql", agent: agents[arrival.caller], localAddress,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("error", () => resolve("broken"));
        response.on("end", () => {
          try {
            const result = JSON.parse(Buffer.concat(parts).toString());
            resolve(result.errors?.[0]?.extensions?.code ?? (result.errors ? "ERROR" : "ok"));
          } catch {
            resolve("broken");
          }
        });
      },
    );
    request.on("error", () => resolve("broken"));
    request.end(body);
  });
}

/** The arrival times of the requests: a Poisson process with the scenario's rate. */
function arrivalsOf({ seconds, rate, burst }, random) {
  const times = [];
  // Thinning of a process with the highest rate, so that changes of the rate take effect at their exact times.
  const highest = 200;
  for (let t = 0; (t += -Math.log(1 - random()) / highest) < seconds; ) if (random() * highest < rate(t)) times.push(t);
  if (burst) times.push(...Array.from({ length: burst.count }, () => burst.at));
  return times
    .sort((left, right) => left - right)
    .map((at) => ({ at, review: random() < 0.3, caller: Math.floor(random() * CALLERS), id: randomUUID() }));
}

// ---- one run -------------------------------------------------------------------------------------------------------

const percentile = (sorted, share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);

async function run(variant, scenario, seed) {
  const upstream = new Upstream(scenario.upstream, randomOf(seed + 1));
  await new Promise((resolve) => upstream.server.listen(0, "127.0.0.1", resolve));
  const { port, child } = await gatewayFor(variant, upstream.server.address().port);
  // The gateway closes idle connections after 10 s (`server.header_timeout`). The agents close theirs earlier.
  const agents = Array.from({ length: CALLERS }, () => new Agent({ keepAlive: true, timeout: 8000 }));
  return {
    start: async () => {
      const arrivals = arrivalsOf(scenario, randomOf(seed));
      const begun = (upstream.began = performance.now());
      const all = [];
      for (let next = 0; next < arrivals.length; await sleep(2)) {
        for (const now = (performance.now() - begun) / 1000; next < arrivals.length && arrivals[next].at <= now; next += 1) {
          const arrival = arrivals[next];
          const from = performance.now();
          all.push(
            ask(agents, port, arrival).then((code) => Object.assign(arrival, { code, took: performance.now() - from })),
          );
        }
      }
      const responses = await Promise.all(all);
      const died = child.exitCode !== null;
      child.kill("SIGKILL");
      started.delete(child);
      agents.forEach((agent) => agent.destroy());
      // Calls that the upstream still has at the end are counted as wasted, because no caller waits for them.
      const left = upstream.waiting.length + upstream.serving;
      upstream.server.closeAllConnections();
      upstream.server.close();
      return { ...figures(scenario, responses, upstream, left), died };
    },
  };
}

function figures({ seconds, trouble: [from, to] }, responses, upstream, left) {
  const good = ({ code, took }) => code === "ok" && took <= DEADLINE_MS + 100;
  const during = responses.filter(({ at }) => at >= from && at < to);
  const after = responses.filter(({ at }) => at >= to);
  const share = (list, is) => (list.length === 0 ? null : list.filter(is).length / list.length);
  const codes = {};
  for (const { code } of responses) if (code !== "ok") codes[code] = (codes[code] ?? 0) + 1;
  // By the second of arrival. `back`: the seconds until nine tenths of the requests of each later second succeed.
  let back = 0;
  let soonBack = 0;
  for (let second = to; second < seconds; second += 1) {
    const those = responses.filter(({ at }) => at >= second && at < second + 1);
    if (share(those, good) < 0.9) back = second + 1 - to;
    if (share(those, (one) => good(one) && one.took <= SOON_MS) < 0.9) soonBack = second + 1 - to;
  }
  const times = responses.filter(good).map(({ took }) => took).sort((left, right) => left - right);
  return {
    asked: responses.length,
    full: share(responses, good),
    soon: share(responses, (one) => good(one) && one.took <= SOON_MS),
    // Complete responses per second of trouble, by the time of the response.
    goodput: responses.filter((one) => good(one) && one.at + one.took / 1000 >= from && one.at + one.took / 1000 < to).length / (to - from),
    fullDuring: share(during, good),
    soonDuring: share(during, (one) => good(one) && one.took <= SOON_MS),
    fullAfter: share(after, good),
    overloaded: share(responses, ({ code }) => code === "OVERLOADED"),
    timeout: share(responses, ({ code }) => code === "UPSTREAM_TIMEOUT"),
    unavailable: share(responses, ({ code }) => code === "UPSTREAM_UNAVAILABLE" || code === "UPSTREAM_ERROR"),
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    sent: upstream.sent,
    wasted: upstream.wasted + left,
    shed: upstream.shed,
    peak: upstream.peak,
    back,
    soonBack,
    codes,
  };
}

// ---- all runs ------------------------------------------------------------------------------------------------------

const percent = (share) => (share === null ? "-" : `${(share * 100).toFixed(1)}%`);
/** The median of several runs, with the lowest and the highest value if they differ. */
function middle(runs, of, print) {
  const values = runs.map(of).sort((left, right) => left - right);
  const [low, mid, high] = [values[0], values[Math.floor((values.length - 1) / 2)], values.at(-1)].map(print);
  return low === high ? mid : `${mid} (${low}..${high})`;
}
const COLUMNS = [
  ["goodput/s", (run) => run.goodput, (value) => value.toFixed(1)],
  ["in full", (run) => run.full, percent],
  ["within 2 s", (run) => run.soon, percent],
  ["overloaded", (run) => run.overloaded, percent],
  ["timeout", (run) => run.timeout, percent],
  ["unavailable", (run) => run.unavailable, percent],
  ["p50 ms", (run) => run.p50, String],
  ["p99 ms", (run) => run.p99, String],
  ["sent/asked", (run) => run.sent / run.asked, (value) => value.toFixed(2)],
  ["wasted", (run) => run.wasted / run.sent, percent],
  ["peak", (run) => run.peak, String],
  ["back s", (run) => run.back, String],
  ["back<2s s", (run) => run.soonBack, String],
];

async function main() {
  const results = new Map();
  let failed = false;
  let doubtful = 0;
  for (let round = 0; round < REPEAT; round += 1) {
    // The order changes each round, so that not always the same variants run together.
    const order = variants.map((_, at) => variants[(at + round) % variants.length]);
    for (const name of chosen) {
      for (let at = 0; at < order.length; at += AT_ONCE) {
        const group = order.slice(at, at + AT_ONCE);
        for (let again = 2; ; again -= 1) {
          const lag = monitorEventLoopDelay({ resolution: 5 });
          const seed = SEED * 1000 + round * 10;
          const runs = await Promise.all(group.map((variant) => run(variant, SCENARIOS[name], seed)));
          lag.enable();
          const done = await Promise.all(runs.map(({ start }) => start()));
          lag.disable();
          failed ||= done.some(({ died }) => died);
          const late = Math.round(lag.percentile(99) / 1e6);
          const spoilt = late > LATE_MS;
          done.forEach((one, index) => {
            const { name: variant } = group[index];
            console.error(round + 1, name.padEnd(9), variant.padEnd(12), JSON.stringify({ ...one, late }));
          });
          if (spoilt) {
            // A delayed event loop means that the machine is busy and that the gateways are slowed down too.
            console.error(`  event loop delay of ${late} ms (99 %)${again > 0 ? ": the run is repeated" : ""}`);
            if (again > 0) continue;
            doubtful += 1;
          }
          group.forEach(({ name: variant }, index) => {
            const key = `${name}\t${variant}`;
            results.set(key, [...(results.get(key) ?? []), done[index]]);
          });
          break;
        }
      }
    }
  }
  for (const name of chosen) {
    console.log(`\n${name}\n| variant | ${COLUMNS.map(([title]) => title).join(" | ")} |`);
    console.log(`| --- |${" --- |".repeat(COLUMNS.length)}`);
    for (const variant of variants) {
      const runs = results.get(`${name}\t${variant.name}`);
      console.log(`| ${variant.name} | ${COLUMNS.map(([, of, print]) => middle(runs, of, print)).join(" | ")} |`);
    }
  }
  if (doubtful > 0) console.log(`\n${doubtful} runs were on a busy machine: see above`);
  if (failed) console.log("FAILED: a gateway exited");
  process.exitCode = failed ? 1 : 0;
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
