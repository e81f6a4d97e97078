// How a judge written in JavaScript says what it found. Judges run from the project's root.

let failed = 0;
let held = 0;

/** Counts one finding; what does not hold is printed at once, and makes the judge fail at its end. */
export function expect(what, holds, detail) {
  if (holds) {
    held += 1;
    return;
  }
  failed += 1;
  const shown = typeof detail === 'string' ? detail : JSON.stringify(detail);
  console.log(`FAILED ${what}${shown === undefined ? '' : `: ${shown}`}`);
}

/** As `expect`, for two values that are equal as JSON. */
export function expectEqual(what, got, wanted) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)];
  expect(what, left === right, `got ${left}, wanted ${right}`);
}

/** The last line, and the exit code. A judge that looked at nothing has failed. */
export function finish(judge) {
  console.log(`${judge}: ${held} passed, ${failed} failed`);
  process.exitCode = failed === 0 && held > 0 ? 0 : 1;
}
