/**
 * A body that is not what was asked for.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * The body of a successful response is no JSON, though JSON was asked for. Holds status, address
 * and the first KiB of the body; `cause` is the parser's error.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, ResponseParseError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.resolve(new Response("<html>")),
 * });
 * const error = await client.get("http://localhost/").json().catch((error) => error);
 * if (error instanceof ResponseParseError) console.log(error.body); // "<html>"
 * ```
 */
export class ResponseParseError extends Error {
  /** Always `"ResponseParseError"`. */
  override readonly name = "ResponseParseError";
  /** The request's address, its query values hidden. */
  readonly url: string;
  /** The first KiB of the body. */
  readonly body: string;

  /** `url` is redacted here. */
  constructor(
    /** The request's method. */
    readonly method: string,
    url: string,
    /** The response's status code. */
    readonly status: number,
    body: string,
    options?: ErrorOptions,
  ) {
    const shown = redactURL(url);
    const start = body.slice(0, 1024);
    super(
      body === ""
        ? `${method} ${shown} was answered ${status} with an empty body, which is no JSON. Use .text(), or look at the response first.`
        : `${method} ${shown} was answered ${status} with a body that is no JSON; it starts with ${
          JSON.stringify(start.slice(0, 120))
        }.`,
      options,
    );
    this.url = shown;
    this.body = start;
  }
}
