/**
 * A body larger than was allowed.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * The response body is larger than `maxResponseBytes` (or a download larger than `maxBytes`),
 * counted after decompression. The rest was not read.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, ResponseTooLargeError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   maxResponseBytes: 4,
 *   fetch: () => Promise.resolve(new Response("too much")),
 * });
 * const error = await client.get("http://localhost/").text().catch((error) => error);
 * console.log(error instanceof ResponseTooLargeError); // true
 * ```
 */
export class ResponseTooLargeError extends Error {
  /** Always `"ResponseTooLargeError"`. */
  override readonly name = "ResponseTooLargeError";
  /** The request's address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(
    url: string,
    /** The limit in bytes. */
    readonly limit: number,
    option: "maxResponseBytes" | "maxBytes",
    announced?: number,
  ) {
    const shown = redactURL(url);
    super(
      `The response of ${shown} is larger than ${option} allows (${limit} bytes)${
        announced === undefined ? "" : `: it announces ${announced}`
      }. The rest was not read.`,
    );
    this.url = shown;
  }
}
