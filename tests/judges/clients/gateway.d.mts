/** What the sandbox's control door and the greeting say of a gateway that a suite started. */
export interface Gateway {
  url: string;
  sandbox: string;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  calls(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** Starts the binary with settings of the environment, and waits until it says that it is ready. */
export function startGateway(settings?: Record<string, string>): Promise<Gateway>;
