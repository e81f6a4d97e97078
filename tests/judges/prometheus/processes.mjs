// Starts gateways, sandboxes and a Prometheus that scrapes the gateways each second, all on free ports.

import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { Agent, request as httpRequest } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const started = [];
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

function start(directory, name, command, args, settings = {}) {
  const log = createWriteStream(join(directory, `${name}.log`), { flags: "a" });
  const child = spawn(command, args, { env: { ...process.env, ...settings }, stdio: ["ignore", "pipe", "pipe"] });
  child.output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part) => {
      log.write(part);
      // The startup message. A gateway that writes audit records to standard output prints it to standard error.
      if (child.output.length < 4096) child.output += part;
    });
  }
  child.ended = new Promise((ended) => child.on("exit", ended));
  started.push(child);
  return child;
}

/** Polls a condition until it returns a true value, for 30 seconds at most. */
export async function until(what, condition) {
  for (const from = performance.now(); performance.now() - from < 30_000; await sleep(100)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`timed out waiting for ${what}`);
}

/** The address after a word in a server's startup message. */
const addressOf = (child, word) =>
  until(`${word} in a startup message`, () => {
    if (child.exitCode !== null) throw new Error(`the server exited at startup: ${child.output}`);
    return child.output.match(new RegExp(`^ +${word} +http://([0-9.]+:\\d+)`, "m"))?.[1];
  });

const agent = new Agent({ keepAlive: true, maxSockets: 40 });

/** Sends one request. Resolves to the status, the body as text, and the body as JSON if it is JSON. */
export function send(address, method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { agent, method, headers: { "content-type": "application/json", ...headers } };
    const request = httpRequest(`http://${address}${path}`, options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        resolve({ status: response.statusCode, text, json });
      });
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A standalone sandbox with its control API. It can be killed and restarted at the same address. */
export class Sandbox {
  static async start(directory, binary, name) {
    const sandbox = new Sandbox();
    sandbox.again = (address) =>
      start(directory, `${name}-sandbox`, binary, ["sandbox"], { GATEWAY__SANDBOX__LISTEN: address });
    sandbox.process = sandbox.again("127.0.0.1:0");
    sandbox.address = await addressOf(sandbox.process, "API");
    return sandbox;
  }
  async control(method, what, body) {
    const { status, text, json } = await send(this.address, method, `/_sandbox/${what}`, body);
    if (status >= 300) throw new Error(`${method} ${what}: ${status} ${text}`);
    return json;
  }
  /** Injects a fault into every call until the faults are cleared. */
  fault(fault) {
    return this.control("POST", "faults", { fault });
  }
  /**
   * Injects faults into a share of the calls until the returned function is called. Faults are added in proportion to
   * the calls, so that no unused faults remain.
   */
  faults(kinds, share) {
    let over = false;
    const total = async () => (await this.control("GET", "calls")).total;
    const giving = (async () => {
      const from = await total();
      for (let given = 0; !over; await sleep(20)) {
        for (const due = Math.min(given + 8, Math.floor(((await total()) - from) * share)); given < due; given += 1) {
          await this.control("POST", "faults", { times: 1, fault: kinds[given % kinds.length] });
        }
      }
      await this.control("DELETE", "faults");
    })();
    return () => ((over = true), giving);
  }
  async kill() {
    this.process.kill("SIGKILL");
    await this.process.ended;
  }
  async restart() {
    this.process = this.again(this.address);
    await until("the restarted sandbox", () => this.control("GET", "calls").catch(() => undefined));
  }
}

/** A gateway with a sandbox as its upstream. */
export class Gateway {
  static async start(directory, binary, name, sandbox, settings, args = []) {
    const gateway = Object.assign(new Gateway(), { name });
    gateway.process = start(directory, name, binary, [...args, "serve"], {
      GATEWAY__SERVER__LISTEN: "127.0.0.1:0",
      GATEWAY__SERVER__ADMIN_LISTEN: "127.0.0.1:0",
      GATEWAY__UPSTREAM__BASE_URL: `http://${sandbox.address}`,
      GATEWAY__CACHE__CUSTOMER_TTL: "1s",
      GATEWAY__CACHE__REVIEW_TTL: "1s",
      GATEWAY__CACHE__PAGE_TTL: "1s",
      GATEWAY__LOG__LEVEL: "error",
      ...settings,
    });
    gateway.address = await addressOf(gateway.process, "GraphQL");
    gateway.admin = await addressOf(gateway.process, "admin");
    return gateway;
  }
  /** Sends a request and disconnects before the response. */
  async hangUp(body, headers) {
    const options = { method: "POST", headers: { "content-type": "application/json", ...headers } };
    const request = httpRequest(`http://${this.address}/graphql`, options).on("error", () => {});
    request.end(JSON.stringify(body));
    await sleep(200);
    request.destroy();
  }
  /** Sends a request. Resolves to undefined if there is no response. */
  ask(body, headers) {
    return send(this.address, "POST", "/graphql", body, headers).catch(() => undefined);
  }
}

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

export class Prometheus {
  static async start(directory, targets, rules) {
    const prometheus = new Prometheus();
    const store = join(directory, "store");
    mkdirSync(store);
    process.on("exit", () => rmSync(store, { recursive: true, force: true, maxRetries: 5 }));
    const config = join(directory, "prometheus.yaml");
    const every = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "5s" };
    const jobs = [{ job_name: "gateway", static_configs: [{ targets }] }];
    writeFileSync(config, JSON.stringify({ global: every, rule_files: [rules], scrape_configs: jobs }));
    prometheus.address = `127.0.0.1:${await freePort()}`;
    prometheus.process = start(directory, "prometheus", "prometheus", [
      `--config.file=${config}`,
      `--storage.tsdb.path=${store}`,
      `--web.listen-address=${prometheus.address}`,
      "--log.level=warn",
    ]);
    const ready = () =>
      send(prometheus.address, "GET", "/-/ready").then(
        ({ status }) => status === 200,
        () => false,
      );
    await until("Prometheus", ready);
    return prometheus;
  }
  async get(path, parameters = {}) {
    const { status, json, text } = await send(
      this.address,
      "GET",
      `/api/v1/${path}?${new URLSearchParams(parameters)}`,
    );
    if (json?.status !== "success") throw new Error(`${status} ${text.slice(0, 300)} for ${parameters.query ?? path}`);
    return json.data;
  }
  /** The values of an expression for each second between two times, as series with labels. NaN values are left out. */
  async range(query, start, end) {
    const { result } = await this.get("query_range", { query, start, end, step: 1 });
    return result.map(({ metric, values }) => ({
      labels: metric,
      values: values.map(([, value]) => Number(value)).filter((value) => !Number.isNaN(value)),
    }));
  }
}
