/**
 * The server answered, with a status that the reader of the body cannot use.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/** What HTTPStatusError is made of. */
export interface HTTPStatusErrorOptions {
  /** The response; its body must be free to be cancelled, or consumed already. */
  response: Response;
  /** The request's method. */
  method: string;
  /** The request's address. */
  url: string;
  /** The start of the body. @default {""} */
  body?: string | undefined;
  /** How many attempts were made. @default {1} */
  attempts?: number | undefined;
  /** What went wrong in the attempts before. @default {[]} */
  failures?: readonly unknown[] | undefined;
  /** Why it was not retried, if anybody could have expected that. */
  notRetried?: string | undefined;
}

/**
 * A response whose status is not 2xx, where its body was asked for (`.json()`, `.text()`, …).
 * Holds the first KiB of the body.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, HTTPStatusError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.resolve(new Response("no such thing", { status: 404 })),
 * });
 * const error = await client.get("http://localhost/thing").text().catch((error) => error);
 * console.log(error instanceof HTTPStatusError, error.status, error.body); // true 404 "no such thing"
 * ```
 */
export class HTTPStatusError extends Error {
  /** Always `"HTTPStatusError"`. */
  override readonly name = "HTTPStatusError";
  /** The response's status code. */
  readonly status: number;
  /** The response's headers. */
  readonly headers: Headers;
  /** The request's method. */
  readonly method: string;
  /** The request's address, its query values hidden. */
  readonly url: string;
  /** The first KiB of the body, as text. */
  readonly body: string;
  /** How many attempts were made. */
  readonly attempts: number;
  /** What went wrong in the attempts before this one, in order. */
  readonly failures: readonly unknown[];
  /** Why it was not retried; `undefined` when nothing stood in the way but the status or the count. */
  readonly notRetried: string | undefined;

  /** `url` is redacted here. */
  constructor(options: HTTPStatusErrorOptions) {
    const { response, method, body = "", attempts = 1, failures = [] } =
      options;
    const url = redactURL(options.url);
    const start = body.trim().slice(0, 120);
    super(
      `${method} ${url} was answered ${
        `${response.status} ${response.statusText}`.trim()
      }${attempts > 1 ? ` at attempt ${attempts}` : ""}${
        start === "" ? "" : `: ${start}`
      }${
        options.notRetried === undefined
          ? ""
          : ` (not retried: ${options.notRetried})`
      }`,
    );
    this.status = response.status;
    this.headers = response.headers;
    this.method = method;
    this.url = url;
    this.body = body;
    this.attempts = attempts;
    this.failures = failures;
    this.notRetried = options.notRetried;
  }
}
