/**
 * The request or its response was lost on the way.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * Where it was lost: `dns` (the name was not found), `connect` (nobody listens, no route), `tls`
 * (no secure connection), `reset` (the connection ended before the response), `body` (it ended
 * within the body), `unknown` (the runtime does not say).
 */
export type NetworkFailure =
  | "dns"
  | "connect"
  | "tls"
  | "reset"
  | "body"
  | "unknown";

/**
 * The request or its response was lost on the way. `cause` is the runtime's own error. Query
 * values are hidden in the message and in the causes.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, NetworkError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.reject(new TypeError("fetch failed")),
 * });
 * const error = await client.get("http://localhost/?token=secret").catch((error) => error);
 * console.log(error instanceof NetworkError, error.url); // true "http://localhost/?token=***"
 * ```
 */
export class NetworkError extends Error {
  /** Always `"NetworkError"`. */
  override readonly name = "NetworkError";
  /** The request's address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(
    /** The request's method. */
    readonly method: string,
    url: string,
    /** Where the exchange was lost. */
    readonly failure: NetworkFailure,
    options: { cause?: unknown; detail?: string } = {},
  ) {
    const shown = redactURL(url);
    super(
      `${method} ${shown} failed: ${WHAT[failure]}${
        options.detail === undefined ? "" : ` (${options.detail})`
      }.`,
      { cause: options.cause },
    );
    this.url = shown;
  }
}

const WHAT: Record<NetworkFailure, string> = {
  dns: "the host name was not found",
  connect: "no connection could be made",
  tls: "no secure connection could be made",
  reset: "the connection ended before the response",
  body: "the connection ended within the response body",
  unknown: "the network request failed",
};
