// Plays failure stories of a few seconds and checks the dashboard and the alerts with Prometheus.
//
//   node live.mjs BINARY DIRECTORY      DIRECTORY: for logs, keys and Prometheus' store
//
// Three gateways with three sandboxes play their stories in parallel. Prometheus scrapes all of them each second. In
// each story its signals (lines of panels) must move and its alerts must be true. All other signals and alerts must
// stay quiet. Nothing depends on speed: a story continues until its signals and alerts are seen, for half a minute at
// most.

import { execFileSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Gateway, Prometheus, Sandbox, send, until } from "./processes.mjs";
import {
  ALERTS,
  LINES,
  RANGE,
  RULES,
  SIGNALS,
  asAlert,
  asShown,
  hasMoved,
  legend,
  lineOf,
  unitsOf,
} from "./signals.mjs";
import { access, overload, upstream } from "./stories.mjs";
import { DESK, PAGE, again } from "./traffic.mjs";

const [binary, directory] = process.argv.slice(2);
const problems = [];
const results = [];
let prometheus;

// ---- one story -----------------------------------------------------------------------------------------------------

const now = () => Date.now() / 1000;

/** The signals of normal operation. They can also move in a part of a failure story. */
const GOOD = ["all served"];

/**
 * Plays a story and checks it. `moves` are the signals that must move, `alerts` the alerts that must be true, and `may`
 * the signals and alerts that can change or not. `begin` starts the failure and returns a function that ends it.
 */
async function story(gateway, name, { moves = GOOD, alerts = [], may = [], begin = async () => async () => {} }) {
  const end = await begin();
  // Until `from`, the range of the rates still covers the previous story.
  const from = now() + RANGE + 1;
  const seen = async (signal) =>
    hasMoved(signal, await prometheus.range(asShown(lineOf(signal).expr, gateway.admin), from, now()));
  const holds = async (alert) =>
    (await prometheus.range(asAlert(ALERTS.get(alert), gateway.admin), from, now())).length > 0;
  const which = async (names, is) => {
    const found = await Promise.all(names.map(is));
    return names.filter((_, at) => found[at]);
  };

  await sleep((RANGE + 3) * 1000);
  while (now() < from + 25) {
    if ((await which(moves, seen)).length === moves.length && (await which(alerts, holds)).length === alerts.length)
      break;
    await sleep(1000);
  }
  const moved = await which(Object.keys(SIGNALS), seen);
  const held = await which([...ALERTS.keys()], holds);
  await end();

  const wrong = (what, kind, wanted, got) => {
    const missing = wanted.filter((each) => !got.includes(each));
    const extra = got.filter((each) => ![...wanted, ...may, ...GOOD].includes(each));
    if (missing.length > 0) problems.push(`${name}: expected ${what} did not ${kind}: ${missing.join(", ")}`);
    if (extra.length > 0) problems.push(`${name}: unexpected ${what} did ${kind}: ${extra.join(", ")}`);
  };
  wrong("signals", "move", moves, moved);
  wrong("alerts", "become true", alerts, held);
  results.push({ gateway: gateway.name, name, moved: moved.filter((signal) => !GOOD.includes(signal)), held });
}

// ---- the whole run -------------------------------------------------------------------------------------------------

/** Lines that stay at zero in all stories, with the reason. */
const ZERO = {
  "Panics, instances shutting down: panics": "only a defect raises it",
  "Rate limits reached: response not read": "only a client that reads nothing for server.write_timeout raises it, as in tests/gateway/connections.rs",
  "Audit records: masked by the gateway: {{field}}": "the sandbox masks all itself; a stub that does not is in tests/gateway/answers.rs",
};

/** Checks that every line of every panel has data at some time, and that the legends of its series are unique. */
async function judgeLines(from) {
  const all = await Promise.all(
    LINES.map(async (line) => ({ ...line, series: await prometheus.range(asShown(line.expr, ".*"), from, now()) })),
  );
  const names = new Map();
  for (const { panel, unit, expr, legendFormat, series } of all) {
    const values = series.flatMap((each) => each.values);
    const line = `${panel}: ${legendFormat}`;
    if (!unitsOf(expr).includes(unit))
      problems.push(`${line}: the unit is ${unit} instead of ${unitsOf(expr).join(" or ")}: ${expr}`);
    if (values.length === 0) problems.push(`${line}: has no data: ${expr}`);
    else if (values.every((value) => value === 0) && !(line in ZERO))
      problems.push(`${line}: is never above zero: ${expr}`);
    for (const { labels } of series) {
      const name = legend(legendFormat, labels);
      const lacks = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].filter(([, label]) => !labels[label]);
      if (lacks.length > 0) problems.push(`${line}: the series lack the labels ${lacks.map(([, label]) => label).join(", ")}`);
      const known = names.get(`${panel}: ${name}`);
      if (known !== undefined && known !== expr + JSON.stringify(labels))
        problems.push(`${panel}: two series have the legend ${name}`);
      names.set(`${panel}: ${name}`, expr + JSON.stringify(labels));
    }
  }
  console.log(`${all.length} lines of panels, each with data`);
}

/** Runs Prometheus' linter on a page of metrics. */
function judgePage(name, page) {
  const [options, found] = [{ input: page, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] }, []];
  try {
    found.push(execFileSync("promtool", ["check", "metrics"], options));
  } catch (error) {
    found.push(error.stdout, error.stderr);
  }
  const lint = found.join("").trim();
  if (!page?.includes("gateway_build_info{")) problems.push(`the metrics of ${name}: no page was read`);
  if (lint) problems.push(`the metrics of ${name}: ${lint}`);
}

async function main() {
  const from = now();
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const token = (subject, key = privateKey) => {
    const permissions = ["CUSTOMERS_READ", "REVIEWS_READ", "CUSTOMERS_UNMASK"];
    const claims = {
      iss: "https://id.example.test",
      aud: "gateway",
      sub: subject,
      exp: Math.floor(now()) + 600,
      permissions,
    };
    const text = [{ alg: "ES256", typ: "JWT" }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const signature = sign("sha256", Buffer.from(text.join(".")), { key, dsaEncoding: "ieee-p1363" });
    return `${text.join(".")}.${signature.toString("base64url")}`;
  };
  const file = (name, text) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const keyFile = file("keys.pem", publicKey.export({ type: "spki", format: "pem" }));
  const config = file("gateway.toml", "");
  const collector = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(collector.status).end());
  });
  collector.status = 200;
  await new Promise((listening) => collector.listen(0, "127.0.0.1", listening));

  const startInstance = async (name, settings, args) => {
    const sandbox = await Sandbox.start(directory, binary, name);
    return { gateway: await Gateway.start(directory, binary, name, sandbox, settings, args), sandbox };
  };
  const instances = await Promise.all([
    startInstance("upstream", {
      GATEWAY__SERVER__DEADLINE: "4s",
      GATEWAY__SERVER__DRAIN_DELAY: "60s",
      GATEWAY__UPSTREAM__TIMEOUT: "1500ms",
      GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE: "10000",
      GATEWAY__DOCUMENTS__MANIFEST: file("manifest.json", JSON.stringify({ desk: DESK })),
      GATEWAY__AUDIT__DESTINATION: join(directory, "audit.jsonl"),
    }),
    startInstance(
      "overload",
      {
        GATEWAY__SERVER__MAX_OPERATIONS: "16",
        GATEWAY__SERVER__MAX_CONNECTIONS: "80",
        GATEWAY__UPSTREAM__MAX_IN_FLIGHT: "2",
        GATEWAY__UPSTREAM__MAX_QUEUE: "8",
        GATEWAY__UPSTREAM__QUEUE_TIMEOUT: "1s",
        // Writes a log line for each request.
        GATEWAY__LOG__LEVEL: "info",
        GATEWAY__TRACES__ENDPOINT: `http://127.0.0.1:${collector.address().port}/v1/traces`,
      },
      ["--config", config],
    ),
    startInstance("access", {
      GATEWAY__SERVER__DEADLINE: "20s",
      GATEWAY__UPSTREAM__TIMEOUT: "15s",
      GATEWAY__CACHE__STALE_IF_ERROR: "10m",
      GATEWAY__RATE_LIMIT__ENABLED: "on",
      GATEWAY__RATE_LIMIT__UNITS_PER_SECOND: "50",
      GATEWAY__RATE_LIMIT__BURST: "300",
      GATEWAY__PRIVACY__MAX_UNMASK_PER_OPERATION: "1",
      GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE: "3",
      GATEWAY__AUDIT__DESTINATION: "stdout",
      GATEWAY__AUTH__MODE: "jwt",
      GATEWAY__UPSTREAM__API_KEY: "access",
      GATEWAY__AUTH__JWT__ISSUER: "https://id.example.test",
      GATEWAY__AUTH__JWT__AUDIENCE: "gateway",
      GATEWAY__AUTH__JWT__ALGORITHMS: "ES256",
      GATEWAY__AUTH__JWT__PUBLIC_KEY_FILE: keyFile,
      GATEWAY__AUTH__JWT__JWKS_REFRESH: "2s",
      GATEWAY__AUTH__JWT__JWKS_MIN_INTERVAL: "1s",
    }),
  ]);
  prometheus = await Prometheus.start(
    directory,
    instances.map(({ gateway }) => gateway.admin),
    RULES,
  );
  const scraped = async () => (await prometheus.get("query", { query: "sum(up)" })).result[0]?.value[1] === "3";
  await until("scrapes of three gateways", scraped);

  const pages = new Map();
  const ids = async ({ gateway }, headers) => {
    const response = await gateway.ask({ query: PAGE }, headers);
    return response.json.data.customers.nodes.map((node) => node.id);
  };
  const watched = async ({ gateway }, playing) => {
    const page = async () => pages.set(gateway.name, (await send(gateway.admin, "GET", "/metrics")).text);
    const end = again(3000, () => page().catch(() => {}));
    await playing;
    await end();
  };
  const [first, second, third] = instances;
  await Promise.all([
    watched(first, upstream(story, { ...first, ids: await ids(first) })),
    watched(second, overload(story, { ...second, ids: await ids(second), config, collector })),
    watched(
      third,
      access(story, {
        ...third,
        ids: await ids(third, { authorization: `Bearer ${token("first")}` }),
        keyFile,
        token,
        stranger,
      }),
    ),
  ]);

  await judgeLines(from);
  instances.forEach(({ gateway: { name } }) => judgePage(name, pages.get(name)));
  const notIn = (names, key) => names.filter((name) => !results.some((story) => story[key].includes(name)));
  problems.push(...notIn([...ALERTS.keys()], "held").map((name) => `${name}: the alert is true in no story`));
  problems.push(
    ...notIn(
      Object.keys(SIGNALS).filter((signal) => !GOOD.includes(signal)),
      "moved",
    ).map((name) => `${name}: the signal moves in no story`),
  );
  const { groups } = await prometheus.get("rules");
  const unhealthy = groups.flatMap(({ rules }) => rules).filter(({ health }) => health !== "ok");
  problems.push(...unhealthy.map(({ name, lastError }) => `${name}: ${lastError}`));

  const order = ({ gateway }) => instances.findIndex((instance) => instance.gateway.name === gateway);
  results.sort((left, right) => order(left) - order(right));
  for (const { name, moved, held } of results) {
    console.log(`\n${name}`);
    console.log(`  moved   ${moved.join(", ") || "nothing"}`);
    console.log(`  alerts  ${held.join(", ") || "none"}`);
  }
  console.log();
  problems.forEach((problem) => console.log(`FAILED  ${problem}`));
  process.exitCode = problems.length === 0 ? 0 : 1;
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
