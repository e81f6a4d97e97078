// The PromQL expressions of the dashboard and the alerts for one gateway, with ranges of seconds instead of minutes,
// and the signals: lines of panels with the condition under which they have moved.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const operations = resolve(import.meta.dirname, "../../../docs/operations");
export const RULES = join(operations, "alerts.yaml");
/** The range of rates in seconds. */
export const RANGE = 5;

const dashboard = JSON.parse(readFileSync(join(operations, "dashboard.json"), "utf8"));

/** The unit of a line: that of the override for this line, otherwise that of the panel. */
function unitOf({ fieldConfig: { defaults, overrides } }, name) {
  const fits = ({ matcher: { id, options } }) =>
    id === "byName" ? options === name : new RegExp(options.replaceAll(/^\/|\/$/g, "")).test(name);
  const properties = overrides.filter(fits).flatMap((override) => override.properties);
  return properties.find(({ id }) => id === "unit")?.value ?? defaults.unit;
}

/** Every line of every panel. */
export const LINES = dashboard.panels.flatMap((panel) =>
  (panel.targets ?? []).map(({ expr, legendFormat }) => ({
    panel: panel.title,
    unit: unitOf(panel, legendFormat),
    expr,
    legendFormat,
  })),
);

/** The units that an expression can have. */
export function unitsOf(expr) {
  if (/histogram_quantile|_seconds\{/.test(expr)) return ["s"];
  if (/\) \/ sum/.test(expr)) return ["percentunit", "short"];
  if (/rate\(/.test(expr)) return ["reqps", "ops"];
  return [/_bytes\{/.test(expr) ? "bytes" : "short"];
}

/** The expression of a panel with Grafana's variables replaced. */
export const asShown = (expr, instance) =>
  expr.replaceAll("$instance", instance).replaceAll("$__rate_interval", `${RANGE}s`);

/** The legend of a series in a panel. */
export const legend = (format, labels) => format.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "");

/** The expressions of the alerts by name, without `for`. */
export const ALERTS = new Map(
  [...readFileSync(RULES, "utf8").matchAll(/- alert: (\w+)\n +expr: (.*)\n/g)].map(([, name, expr]) => [name, expr]),
);

/** The expression of an alert for one instance. The limit of one hour for the age of keys is reduced to `RANGE`. */
export const asAlert = (expr, instance) =>
  expr
    .replaceAll(
      /\b((?:gateway|process)_\w+)(\{?)/g,
      (_, name, brace) => `${name}{instance="${instance}"${brace ? "," : "}"}`,
    )
    .replaceAll(/\[\d+m\]/g, `[${RANGE}s]`)
    .replaceAll("> 3600", `> ${RANGE}`);

const above = (than) => (values) => values.some((value) => value > than);
const below = (than) => (values) => values.some((value) => value < than);

/**
 * The signals: the panel, the legend of a line (or the prefix of several legends), and the condition under which it has
 * moved. The thresholds are far from the values of normal operation, also on a busy machine.
 */
export const SIGNALS = {
  "requests: upstream_error": ["Requests by outcome", "upstream_error", above(0.5)],
  "requests: overloaded": ["Requests by outcome", "overloaded", above(0.5)],
  "requests: rate_limited": ["Requests by outcome", "rate_limited", above(0.5)],
  "requests: internal_error": ["Requests by outcome", "internal_error", above(0.1)],
  "all served": ["Complete responses", "served", above(0.99)],
  "served less": ["Complete responses", "served", below(0.9)],
  "requests take long": ["Request duration", "p99", above(4)],
  "code: UPSTREAM_UNAVAILABLE": ["Error codes", "UPSTREAM_UNAVAILABLE", above(0.3)],
  "code: UPSTREAM_TIMEOUT": ["Error codes", "UPSTREAM_TIMEOUT", above(0.3)],
  "code: UPSTREAM_ERROR": ["Error codes", "UPSTREAM_ERROR", above(0.3)],
  "code: UPSTREAM_RATE_LIMITED": ["Error codes", "UPSTREAM_RATE_LIMITED", above(0.3)],
  "code: UNAUTHENTICATED": ["Error codes", "UNAUTHENTICATED", above(0.3)],
  "code: RATE_LIMITED": ["Error codes", "RATE_LIMITED", above(0.3)],
  "code: OVERLOADED": ["Error codes", "OVERLOADED", above(0.3)],
  "code: INTERNAL_SERVER_ERROR": ["Error codes", "INTERNAL_SERVER_ERROR", above(0)],
  "callers hang up": ["In flight", "disconnected", above(0.1)],
  "no place": ["In flight", "rejected", above(0.3)],
  "consecutive failures": ["Upstream availability", "consecutive failures", above(20)],
  "breaker open": ["Upstream availability", "breaker open", above(0)],
  "breaker half-open": ["Upstream availability", "breaker half_open", above(0)],
  "calls: server_error": ["Calls by outcome", "server_error", above(2)],
  "calls: unreachable": ["Calls by outcome", "unreachable", above(0)],
  "calls: timed_out": ["Calls by outcome", "timed_out", above(0)],
  "calls: breaker_open": ["Calls by outcome", "breaker_open", above(0.5)],
  "calls: rate_limited": ["Calls by outcome", "rate_limited", above(0.5)],
  "calls: unauthenticated": ["Calls by outcome", "unauthenticated", above(0.5)],
  "calls: queue_full": ["Calls by outcome", "queue_full", above(0.5)],
  "calls take long": ["Call duration, p90 by endpoint", "", above(3)],
  "attempts take long": ["Attempt duration, p90; wait for a permit, p90", "attempt", above(3)],
  "the wait for a place": ["Attempt duration, p90; wait for a permit, p90", "wait", above(0.05)],
  "more attempts": ["Attempts per call", "attempts per call", above(1.1)],
  "fewer attempts": ["Attempts per call", "attempts per call", below(0.8)],
  repetitions: ["Retries by cause", "after", above(0.5)],
  "calls that wait": ["Calls in flight and waiting", "waiting", above(1)],
  "old answers": ["Cache look-ups", "stale_if_error", above(0.3)],
  "connections over the bound": ["Limits reached", "max_connections", above(0)],
  "over a rate: requests": ["Rate limits reached", "requests", above(0.5)],
  "over a rate: unmask": ["Rate limits reached", "unmask", above(0.1)],
  "tokens rejected: signature": ["Rejected tokens", "signature", above(0.5)],
  "records that failed": ["Audit records", "failed", above(0)],
  "old keys": ["Age of the identity provider's keys", "age", above(RANGE)],
  "keys not loaded": ["Key loads, reloads, span exports", "keys failed", above(0)],
  "reload failed": ["Key loads, reloads, span exports", "reload failed", above(0)],
  "spans not sent": ["Key loads, reloads, span exports", "spans failed", above(0)],
  "log lines dropped": ["Key loads, reloads, span exports", "log lines dropped", above(0)],
  "going down": ["Panics, instances shutting down", "shutting down", above(0)],
  gone: ["Builds", "youngest", (values) => values.length === 0],
};

/** The line of the dashboard for a signal. */
export function lineOf(signal) {
  const [panel, beginning] = SIGNALS[signal];
  // The part of a legend before its first label.
  const fixed = ({ legendFormat }) => legendFormat.split("{{")[0];
  const lines = LINES.filter((line) => line.panel === panel);
  const named = lines.filter(
    (line) => fixed(line) && (fixed(line).startsWith(beginning) || beginning.startsWith(fixed(line))),
  );
  const fits = named.length > 0 ? named : lines.filter((line) => !fixed(line));
  if (fits.length !== 1) throw new Error(`${fits.length} lines of the dashboard match "${panel}: ${beginning}", expected 1`);
  return fits[0];
}

/** Whether a signal has moved in the given series of its line. */
export function hasMoved(signal, series) {
  const [, beginning, moved] = SIGNALS[signal];
  const { legendFormat } = lineOf(signal);
  const fits = series.filter(({ labels }) => legend(legendFormat, labels).startsWith(beginning));
  return fits.length === 0 ? moved([]) : fits.some(({ values }) => moved(values));
}
