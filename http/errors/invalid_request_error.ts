/**
 * A request that can never succeed.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * The request cannot be made as it is: no absolute address, an unknown scheme, a blocked port, a
 * header that is not allowed. Trying again would not help, so it is never retried.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, InvalidRequestError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient();
 * const error = await client.get("/users").catch((error) => error);
 * console.log(error instanceof InvalidRequestError); // true: there is no baseUrl to join it to
 * ```
 */
export class InvalidRequestError extends TypeError {
  /** Always `"InvalidRequestError"`. */
  override readonly name = "InvalidRequestError";
  /** The address as given, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(
    method: string,
    url: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    const shown = redactURL(url);
    super(`${method} ${shown} cannot be requested: ${problem}.`, options);
    this.url = shown;
  }
}
