/** Counts one check. A failed check is printed at once and makes the judge fail in `finish`. */
export function expect(what: string, holds: boolean, detail?: unknown): void;

/** Checks that two values are equal as JSON. */
export function expectEqual(what: string, got: unknown, wanted: unknown): void;

/** Prints the counts and sets the exit code. A judge without any check fails. */
export function finish(judge: string): void;
