/** A gateway that a suite started, with its sandbox. */
export interface Gateway {
  url: string;
  sandbox: string;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  calls(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** Starts the binary with settings as environment variables, and waits until it is ready. */
export function startGateway(settings?: Record<string, string>): Promise<Gateway>;
