// Gateways, their sandboxes and a Prometheus that looks at them each second, all on ports that are free.

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
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part) => {
      log.write(part);
      // Its greeting; whoever writes records on standard output greets on the other.
      if (child.said.length < 4096) child.said += part;
    });
  }
  child.ended = new Promise((ended) => child.on("exit", ended));
  started.push(child);
  return child;
}

/** Asks until it is so, for 30 seconds at most. */
export async function until(what, isSo) {
  for (const from = performance.now(); performance.now() - from < 30_000; await sleep(100)) {
    const found = await isSo();
    if (found) return found;
  }
  throw new Error(`waited in vain: ${what}`);
}

/** The address behind a word of a server's greeting. */
const addressOf = (child, word) =>
  until(`${word} in a greeting`, () => {
    if (child.exitCode !== null) throw new Error(`it ended at once: ${child.said}`);
    return child.said.match(new RegExp(`^ +${word} +http://([0-9.]+:\\d+)`, "m"))?.[1];
  });

const agent = new Agent({ keepAlive: true, maxSockets: 40 });

/** One exchange: the status, and the body as JSON where it is some. */
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

/** A sandbox by itself, with its control door; it can be killed and started again at the same address. */
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
  /** Every call gets it, until it is cleared. */
  fault(fault) {
    return this.control("POST", "faults", { fault });
  }
  /** A share of the calls gets one of these, until it is told to stop. They follow the calls: none pile up. */
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
    await until("the sandbox again", () => this.control("GET", "calls").catch(() => undefined));
  }
}

/** A gateway over a sandbox. */
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
  /** Asks, and does not wait for the answer. */
  async hangUp(body, headers) {
    const options = { method: "POST", headers: { "content-type": "application/json", ...headers } };
    const request = httpRequest(`http://${this.address}/graphql`, options).on("error", () => {});
    request.end(JSON.stringify(body));
    await sleep(200);
    request.destroy();
  }
  /** Undefined where there was no answer. */
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
  /** What an expression gave in each second between two times: series with their labels and their values that are numbers. */
  async range(query, start, end) {
    const { result } = await this.get("query_range", { query, start, end, step: 1 });
    return result.map(({ metric, values }) => ({
      labels: metric,
      values: values.map(([, value]) => Number(value)).filter((value) => !Number.isNaN(value)),
    }));
  }
}
