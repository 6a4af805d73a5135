/**
 * A redirect that could not be followed.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * A redirect could not be followed: too many of them, a body that cannot be sent again, or a
 * target that is no HTTP address.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, RedirectError } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   maxRedirects: 3,
 *   fetch: () =>
 *     Promise.resolve(new Response(null, { status: 302, headers: { location: "/again" } })),
 * });
 * const error = await client.get("http://localhost/").catch((error) => error);
 * console.log(error instanceof RedirectError); // true
 * ```
 */
export class RedirectError extends Error {
  /** Always `"RedirectError"`. */
  override readonly name = "RedirectError";
  /** The address that redirected, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(url: string, problem: string, options?: ErrorOptions) {
    const shown = redactURL(url);
    super(`The redirect of ${shown} was not followed: ${problem}.`, options);
    this.url = shown;
  }
}
