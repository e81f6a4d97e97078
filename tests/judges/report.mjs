// The reports of the judges in JavaScript. Judges run from the project's root.

let failed = 0;
let held = 0;

/** Counts one check. A failed check is printed at once and makes the judge fail in `finish`. */
export function expect(what, holds, detail) {
  if (holds) {
    held += 1;
    return;
  }
  failed += 1;
  const shown = typeof detail === 'string' ? detail : JSON.stringify(detail);
  console.log(`FAILED ${what}${shown === undefined ? '' : `: ${shown}`}`);
}

/** Checks that two values are equal as JSON. */
export function expectEqual(what, got, wanted) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)];
  expect(what, left === right, `got ${left}, wanted ${right}`);
}

/** Prints the counts and sets the exit code. A judge without any check fails. */
export function finish(judge) {
  console.log(`${judge}: ${held} passed, ${failed} failed`);
  process.exitCode = failed === 0 && held > 0 ? 0 : 1;
}
