/** Counts one finding; what does not hold is printed at once, and makes the judge fail at its end. */
export function expect(what: string, holds: boolean, detail?: unknown): void;

/** As `expect`, for two values that are equal as JSON. */
export function expectEqual(what: string, got: unknown, wanted: unknown): void;

/** The last line, and the exit code. A judge that looked at nothing has failed. */
export function finish(judge: string): void;
