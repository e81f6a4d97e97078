// The failure stories of three gateways, in the order in which they are played. Each story lists the signals that must
// move (`moves`), the alerts that must be true (`alerts`), and signals and alerts that can change or not, because they
// depend on the speed of the machine (`may`). All other signals and alerts must stay quiet.

import { renameSync, writeFileSync } from "node:fs";
import net from "node:net";

import { until } from "./processes.mjs";
import { REVIEWS, UNMASK, again, callers, create, everyday, pick, read, several } from "./traffic.mjs";

// ---- failures of the upstream --------------------------------------------------------------------------------------

export async function upstream(story, { gateway, sandbox, ids }) {
  const quiet = callers(gateway, { count: 6, request: everyday(ids) });
  await story(gateway, "calm", {});

  await story(gateway, "brown-out: every fourth call fails or its connection is reset", {
    moves: ["more attempts", "repetitions"],
    alerts: ["UpstreamIsAskedAgainTooOften"],
    // Failures that the retry budget does not cover reach the callers.
    may: [
      "requests: upstream_error",
      "served less",
      "code: UPSTREAM_ERROR",
      "code: UPSTREAM_UNAVAILABLE",
      "calls: server_error",
      "GatewayServesTooFew",
    ],
    begin: async () =>
      sandbox.faults([{ status: 503 }, { status: 500 }, { reset: "before_headers" }, { reset: "mid_body" }], 0.25),
  });

  const down = [
    "requests: upstream_error",
    "served less",
    "consecutive failures",
    "calls: breaker_open",
    "code: UPSTREAM_UNAVAILABLE",
    "fewer attempts",
  ];
  await story(gateway, "the upstream does not respond", {
    moves: [...down, "breaker half-open", "calls: timed_out"],
    alerts: ["UpstreamDoesNotAnswer", "GatewayServesTooFew"],
    may: [
      "code: UPSTREAM_TIMEOUT",
      "breaker open",
      "UpstreamIsAskedAgainTooOften",
      "UpstreamIsSlow",
      "more attempts",
      "repetitions",
      "calls take long",
      "requests take long",
    ],
    begin: async () => {
      sandbox.process.kill("SIGSTOP");
      // Writes that wait until their deadline, so that each scrape finds some in flight.
      const writes = [];
      const end = again(500, () => void writes.push(gateway.ask(create())));
      return async () => {
        sandbox.process.kill("SIGCONT");
        await end();
        await Promise.all(writes);
      };
    },
  });
  await story(gateway, "the upstream is down", {
    moves: [...down, "breaker open", "calls: unreachable"],
    alerts: ["UpstreamDoesNotAnswer", "GatewayServesTooFew"],
    may: ["breaker half-open", "UpstreamIsAskedAgainTooOften", "more attempts", "repetitions"],
    begin: async () => {
      await sandbox.kill();
      return () => sandbox.restart();
    },
  });
  await story(gateway, "the upstream is back", {});

  await story(gateway, "the upstream rate-limits the gateway", {
    moves: ["requests: upstream_error", "served less", "calls: rate_limited", "code: UPSTREAM_RATE_LIMITED"],
    alerts: ["UpstreamLimitsUs", "GatewayServesTooFew"],
    may: ["more attempts", "repetitions", "UpstreamIsAskedAgainTooOften"],
    begin: async () => {
      await sandbox.fault({ status: 429 });
      return () => sandbox.control("DELETE", "faults");
    },
  });
  await story(gateway, "the upstream rejects the gateway's key", {
    // Callers cannot fix the gateway's own key, so they get UPSTREAM_UNAVAILABLE.
    moves: ["requests: upstream_error", "served less", "calls: unauthenticated", "code: UPSTREAM_UNAVAILABLE"],
    alerts: ["UpstreamRefusesTheKey", "GatewayServesTooFew"],
    begin: async () => {
      await sandbox.fault({ status: 401 });
      return () => sandbox.control("DELETE", "faults");
    },
  });

  await story(gateway, "the gateway shuts down, and the drain does not end", {
    moves: ["going down"],
    alerts: ["DrainStands"],
    begin: async () => {
      gateway.process.kill("SIGTERM");
      return async () => {
        gateway.process.kill("SIGKILL");
        await quiet();
      };
    },
  });
  await story(gateway, "the gateway is gone", { moves: ["gone"], alerts: ["GatewayAway"] });
}

// ---- overload, and failures of the surroundings --------------------------------------------------------------------

export async function overload(story, { gateway, sandbox, ids, config, collector }) {
  const quiet = callers(gateway, { count: 2, request: () => read(ids) });
  await story(gateway, "calm, with low limits", {});

  const full = [
    "requests: overloaded",
    "served less",
    "code: OVERLOADED",
    "no place",
    "calls: queue_full",
    "calls that wait",
    "the wait for a place",
  ];
  await story(gateway, "more requests than the limits allow", {
    moves: full,
    alerts: ["GatewayOverloaded", "UpstreamQueueStands", "GatewayServesTooFew"],
    // A call without a permit makes no attempt.
    may: ["fewer attempts"],
    begin: async () => {
      await sandbox.control("PUT", "latency", { ms: 300 });
      const load = callers(gateway, { count: 24, pause: 20, request: () => several(ids) });
      return async () => {
        await load();
        await sandbox.control("PUT", "latency", { ms: 0 });
      };
    },
  });
  await story(gateway, "more connections than the limit allows", {
    moves: ["connections over the bound"],
    alerts: ["GatewayOutOfConnections"],
    begin: async () => {
      const [host, port] = gateway.address.split(":");
      const idle = Array.from({ length: 90 }, () => net.connect(port, host).on("error", () => {}));
      const more = again(500, () => void idle.push(net.connect(port, host).on("error", () => {})));
      return async () => {
        await more();
        idle.forEach((socket) => socket.destroy());
      };
    },
  });
  await story(gateway, "reloads fail", {
    moves: ["reload failed"],
    alerts: ["ReloadFailed"],
    begin: async () => {
      writeFileSync(config, "[log]\nlevle = 'info'\n");
      const end = again(1000, () => gateway.process.kill("SIGHUP"));
      return async () => {
        await end();
        writeFileSync(config, "");
        gateway.process.kill("SIGHUP");
      };
    },
  });
  await story(gateway, "the trace collector fails", {
    moves: ["spans not sent"],
    alerts: ["TracesNotSent"],
    begin: async () => {
      collector.status = 503;
      return () => (collector.status = 200);
    },
  });
  // The last story of this gateway, because its log cannot be reopened.
  await story(gateway, "the reader of the log is gone", {
    moves: ["log lines dropped"],
    alerts: ["LogLinesDropped"],
    begin: async () => {
      gateway.process.stderr.destroy();
      return () => {};
    },
  });
  await quiet();
}

// ---- callers, keys and records -------------------------------------------------------------------------------------

export async function access(story, { gateway, sandbox, ids, keyFile, token, stranger }) {
  const as = (subject, key) => ({ authorization: `Bearer ${token(subject, key)}` });
  const quiet = callers(gateway, { request: () => read(ids), headers: (number) => as(`user-${number}`) });
  await story(gateway, "calm, with tokens", {});

  await story(gateway, "tokens with the signature of another key", {
    moves: ["tokens rejected: signature", "code: UNAUTHENTICATED"],
    alerts: ["TokensAreRefused"],
    begin: async () =>
      callers(gateway, { count: 1, pause: 100, request: () => read(ids), headers: () => as("user-0", stranger) }),
  });
  await story(gateway, "a caller over its rate limit", {
    moves: ["over a rate: requests", "requests: rate_limited", "code: RATE_LIMITED"],
    alerts: ["CallersAreLimited"],
    begin: async () =>
      callers(gateway, {
        count: 2,
        pause: 100,
        request: () => ({ query: REVIEWS, variables: { n: 10 } }),
        headers: () => as("hog"),
      }),
  });
  await story(gateway, "a caller over the unmask limit", {
    moves: ["over a rate: unmask"],
    alerts: ["UnmaskLimitReached"],
    may: ["requests: rate_limited", "code: RATE_LIMITED"],
    begin: async () =>
      callers(gateway, {
        count: 1,
        pause: 400,
        request: () => ({ query: UNMASK, variables: { id: pick(ids) } }),
        headers: () => as("curious"),
      }),
  });
  await story(gateway, "the token keys cannot be loaded", {
    moves: ["keys not loaded", "old keys"],
    alerts: ["KeysAreOld"],
    begin: async () => {
      renameSync(keyFile, `${keyFile}.away`);
      return () => renameSync(`${keyFile}.away`, keyFile);
    },
  });
  await story(gateway, "stale responses in place of errors", {
    moves: ["old answers", "consecutive failures", "calls: breaker_open", "fewer attempts"],
    alerts: ["UpstreamDoesNotAnswer"],
    // For requests without a cache entry.
    may: [
      "requests: upstream_error",
      "served less",
      "code: UPSTREAM_UNAVAILABLE",
      "code: UPSTREAM_ERROR",
      "GatewayServesTooFew",
      "calls: server_error",
      "breaker open",
      "breaker half-open",
      "more attempts",
      "repetitions",
      "UpstreamIsAskedAgainTooOften",
    ],
    begin: async () => {
      await sandbox.fault({ status: 503 });
      return async () => {
        await sandbox.control("DELETE", "faults");
        const response = async () => (await gateway.ask(read(ids), as("user-0")))?.json;
        await until("a fresh response", async () =>
          (({ errors, extensions }) => !errors && !extensions?.stale)(await response()),
        );
      };
    },
  });
  await story(gateway, "the upstream is slow", {
    moves: ["requests take long", "calls take long", "attempts take long", "callers hang up"],
    alerts: ["GatewayIsSlow", "UpstreamIsSlow", "CallersDoNotWait"],
    // Attempts and calls are counted when they end, so a call can be counted one second after its attempt.
    may: ["more attempts", "fewer attempts"],
    begin: async () => {
      await sandbox.control("PUT", "latency", { ms: 7000 });
      const more = callers(gateway, { count: 8, request: () => read(ids), headers: (number) => as(`slow-${number}`) });
      const impatient = again(500, () => gateway.hangUp(read(ids), as("impatient")));
      return async () => {
        await sandbox.control("PUT", "latency", { ms: 0 });
        await Promise.all([more(), impatient()]);
      };
    },
  });
  await story(gateway, "audit records cannot be written", {
    moves: ["records that failed", "requests: internal_error", "code: INTERNAL_SERVER_ERROR"],
    alerts: ["AuditNotWritten", "GatewayFails"],
    may: ["served less", "GatewayServesTooFew"],
    begin: async () => {
      let careful = 0;
      // Closes the reader of the audit records.
      gateway.process.stdout.destroy();
      const unmask = () => ({ query: UNMASK, variables: { id: pick(ids) } });
      return callers(gateway, {
        count: 1,
        pause: 300,
        request: unmask,
        headers: () => as(`careful-${(careful += 1)}`),
      });
    },
  });
  await quiet();
}
