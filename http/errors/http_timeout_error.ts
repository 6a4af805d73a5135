/**
 * A time limit of a request ran out.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/** Which limit: of one attempt, of the call as a whole, or of the silence within a body. */
export type TimeoutKind = "attempt" | "total" | "idle";

/**
 * A time limit of a request ran out; `kind` says which one. Its `name` is `"TimeoutError"`, as
 * that of `AbortSignal.timeout()`.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, HTTPTimeoutError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   timeout: { attempt: 10 },
 *   fetch: () => new Promise(() => {}),
 * });
 * const error = await client.get("http://localhost/").catch((error) => error);
 * console.log(error instanceof HTTPTimeoutError, error.kind); // true "attempt"
 * ```
 */
export class HTTPTimeoutError extends Error {
  /** Always `"TimeoutError"`. */
  override readonly name = "TimeoutError";
  /** What went wrong in the attempts before, in order. */
  failures: readonly unknown[] = [];
  /** The request's address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(
    /** The request's method. */
    readonly method: string,
    url: string,
    /** Which limit ran out. */
    readonly kind: TimeoutKind,
    /** The limit, in milliseconds. */
    readonly timeout: number,
    during: string,
    options?: ErrorOptions,
  ) {
    const shown = redactURL(url);
    super(
      `${method} ${shown} timed out: ${
        kind === "idle"
          ? `nothing arrived for ${timeout} ms`
          : `the ${kind} limit of ${timeout} ms ran out`
      } ${during}. Raise timeout.${kind} if the server needs longer.`,
      options,
    );
    this.url = shown;
  }
}
