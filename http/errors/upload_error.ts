/**
 * What can go wrong with an upload besides the network.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * The source does not have the bytes that it had when the upload began.
 *
 * @example
 * ```ts
 * import { UploadError } from "@specify/async-core";
 *
 * const error = new UploadError("http://localhost/put?token=secret", "the file became shorter");
 * console.log(error.url); // "http://localhost/put?token=***"
 * ```
 */
export class UploadError extends Error {
  /** Always `"UploadError"`. */
  override readonly name = "UploadError";
  /** The address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(url: string, problem: string, options?: ErrorOptions) {
    const shown = redactURL(url);
    super(`The upload to ${shown} failed: ${problem}.`, options);
    this.url = shown;
  }
}
