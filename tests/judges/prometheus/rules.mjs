// Checks that the tests of the alert rules can fail: a test must detect each broken alert of
// docs/operations/alerts.yaml.
//
//   node rules.mjs DIRECTORY      DIRECTORY: for the broken rules
//
// The script breaks all alerts in three ways. promtool then reports the alerts whose tests failed. An alert that it
// does not report lacks a test of that kind.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const [directory] = process.argv.slice(2);
const here = import.meta.dirname;
const RULES = resolve(here, "../../../docs/operations/alerts.yaml");
const TESTS = join(here, "alerts.test.yaml");

const rules = readFileSync(RULES, "utf8");
const tests = readFileSync(TESTS, "utf8");

// The script does not parse YAML. It relies on one key per line, as a test of the gateway does too.
const alerts = rules
  .split(/^(?= {6}- alert: )/m)
  .slice(1)
  .map((rule) => ({
    name: rule.match(/- alert: (\w+)/)[1],
    waits: /^ {8}for: /m.test(rule),
    compares: /[>=] [\d.]+/.test(rule),
  }));
const eachLine = (name, change) => rules.replaceAll(new RegExp(`^( {8})${name}: (.*)\n`, "gm"), change);

/** The expected alerts that do not fire with the broken rules, and the alerts that fire unexpectedly. */
function testResults(name, broken) {
  const [rulesFile, testsFile] = [join(directory, `${name}.yaml`), join(directory, `${name}.test.yaml`)];
  writeFileSync(rulesFile, broken);
  writeFileSync(testsFile, tests.replace(/^rule_files: .*$/m, `rule_files: [${name}.yaml]`));
  return new Promise((resolve) => {
    execFile("promtool", ["test", "rules", testsFile], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const [missed, unexpected] = [new Set(), new Set()];
      for (const [, expected, got] of `${stdout}\n${stderr}`.matchAll(/^ +exp: (.*)\n +got: (.*)$/gm)) {
        const [wanted, there] = [expected, got].map((samples) =>
          [...samples.matchAll(/alertname="(\w+)"/g)].map(([, alert]) => alert),
        );
        wanted.filter((alert) => !there.includes(alert)).forEach((alert) => missed.add(alert));
        there.filter((alert) => !wanted.includes(alert)).forEach((alert) => unexpected.add(alert));
      }
      resolve({ missed, unexpected });
    });
  });
}

const [never, always, atOnce] = await Promise.all([
  testResults("never", eachLine("expr", "$1expr: vector(1) > 2\n")),
  // Without thresholds the alerts fire whenever their series have a value. An unexpected alert proves that a test has
  // the series with values below the threshold.
  testResults(
    "always",
    eachLine("expr", (line) => line.replaceAll(/ (?:>|==) [\d.]+/g, "")),
  ),
  testResults("at-once", eachLine("for", "")),
]);
const problems = [
  ...alerts.filter(({ name }) => !never.missed.has(name)).map(({ name }) => `${name}: no test in which it fires`),
  // An alert with `absent` has no threshold. In all other tests its series exist, and it does not fire.
  ...alerts
    .filter(({ name, compares }) => compares && !always.unexpected.has(name))
    .map(({ name }) => `${name}: no test in which the series exist and the alert does not fire`),
  ...alerts
    .filter(({ name, waits }) => waits && !atOnce.unexpected.has(name))
    .map(({ name }) => `${name}: no test in which the alert is pending`),
];
if (alerts.length < 15) problems.push("found fewer than 15 alerts");
if (problems.length > 0) {
  problems.forEach((problem) => console.error(problem));
  process.exit(1);
}
console.log(`${alerts.length} alerts, each with tests in which it fires, is pending and does not fire`);
