// That the rules' tests can fail: each of docs/operations/alerts.yaml's alerts, broken, has to be missed by one of them.
//
//   node rules.mjs DIRECTORY      where the broken rules are written
//
// Three ways to break all of them at once. What promtool then says names the alerts whose tests have seen it; one that it
// does not name has no case of that kind.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const [directory] = process.argv.slice(2);
const here = import.meta.dirname;
const RULES = resolve(here, "../../../docs/operations/alerts.yaml");
const TESTS = join(here, "alerts.test.yaml");

const rules = readFileSync(RULES, "utf8");
const tests = readFileSync(TESTS, "utf8");

// No YAML is read: the rules are one key a line, which a test of the gateway's relies on too.
const alerts = rules
  .split(/^(?= {6}- alert: )/m)
  .slice(1)
  .map((rule) => ({
    name: rule.match(/- alert: (\w+)/)[1],
    waits: /^ {8}for: /m.test(rule),
    compares: /[>=] [\d.]+/.test(rule),
  }));
const eachLine = (name, change) => rules.replaceAll(new RegExp(`^( {8})${name}: (.*)\n`, "gm"), change);

/** The alerts that the tests of broken rules miss, and those that are there and not expected. */
function told(name, broken) {
  const [rulesFile, testsFile] = [join(directory, `${name}.yaml`), join(directory, `${name}.test.yaml`)];
  writeFileSync(rulesFile, broken);
  writeFileSync(testsFile, tests.replace(/^rule_files: .*$/m, `rule_files: [${name}.yaml]`));
  return new Promise((tell) => {
    execFile("promtool", ["test", "rules", testsFile], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const [missed, unexpected] = [new Set(), new Set()];
      for (const [, expected, got] of `${stdout}\n${stderr}`.matchAll(/^ +exp: (.*)\n +got: (.*)$/gm)) {
        const [wanted, there] = [expected, got].map((samples) =>
          [...samples.matchAll(/alertname="(\w+)"/g)].map(([, alert]) => alert),
        );
        wanted.filter((alert) => !there.includes(alert)).forEach((alert) => missed.add(alert));
        there.filter((alert) => !wanted.includes(alert)).forEach((alert) => unexpected.add(alert));
      }
      tell({ missed, unexpected });
    });
  });
}

const [never, always, atOnce] = await Promise.all([
  told("never", eachLine("expr", "$1expr: vector(1) > 2\n")),
  // Without their thresholds they fire wherever their series have a value: so these were there, and below it.
  told(
    "always",
    eachLine("expr", (line) => line.replaceAll(/ (?:>|==) [\d.]+/g, "")),
  ),
  told("at-once", eachLine("for", "")),
]);
const problems = [
  ...alerts.filter(({ name }) => !never.missed.has(name)).map(({ name }) => `${name}: no test in which it fires`),
  // `absent` has no threshold: it is silent in every other test.
  ...alerts
    .filter(({ name, compares }) => compares && !always.unexpected.has(name))
    .map(({ name }) => `${name}: no test in which its series are there and it is silent`),
  ...alerts
    .filter(({ name, waits }) => waits && !atOnce.unexpected.has(name))
    .map(({ name }) => `${name}: no test in which it is true and waits`),
];
if (alerts.length < 15) problems.push("the alerts were not found");
if (problems.length > 0) {
  problems.forEach((problem) => console.error(problem));
  process.exit(1);
}
console.log(`${alerts.length} alerts, each with a test in which it fires, waits and is silent`);
