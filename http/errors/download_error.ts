/**
 * What can go wrong with a download besides the network.
 *
 * @module
 */
import { redactURL } from "../redact.ts";

/**
 * The server's answers do not make up a file: more bytes than promised, ranges that were not asked
 * for, a file that changes all the time.
 *
 * @example
 * ```ts
 * import { DownloadError } from "@specify/async-core";
 *
 * const error = new DownloadError("http://localhost/file?token=secret", "the server sent too much");
 * console.log(error.url); // "http://localhost/file?token=***"
 * ```
 */
export class DownloadError extends Error {
  /** Always `"DownloadError"`. */
  override readonly name = "DownloadError";
  /** The address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(url: string, problem: string, options?: ErrorOptions) {
    const shown = redactURL(url);
    super(`The download of ${shown} failed: ${problem}.`, options);
    this.url = shown;
  }
}

/**
 * The downloaded bytes have another checksum than was asked for. They were removed; the
 * destination was not touched.
 *
 * @example
 * ```ts
 * import { ChecksumError } from "@specify/async-core";
 *
 * const error = new ChecksumError("http://localhost/file", "sha256", "aa", "bb");
 * console.log(error.expected, error.actual); // "aa" "bb"
 * ```
 */
export class ChecksumError extends Error {
  /** Always `"ChecksumError"`. */
  override readonly name = "ChecksumError";
  /** The address, its query values hidden. */
  readonly url: string;

  /** `url` is redacted here. */
  constructor(
    url: string,
    algorithm: string,
    /** The checksum that was asked for, in hexadecimal digits. */
    readonly expected: string,
    /** The checksum of what came, in hexadecimal digits. */
    readonly actual: string,
  ) {
    const shown = redactURL(url);
    super(
      `The ${algorithm} checksum of ${shown} should be ${expected}, and is ${actual}. The downloaded bytes were removed.`,
    );
    this.url = shown;
  }
}

/**
 * Another download writes to the same destination, in this process or another one.
 *
 * @example
 * ```ts
 * import { DownloadBusyError } from "@specify/async-core";
 *
 * console.log(new DownloadBusyError("/tmp/file").path); // "/tmp/file"
 * ```
 */
export class DownloadBusyError extends Error {
  /** Always `"DownloadBusyError"`. */
  override readonly name = "DownloadBusyError";

  /** `path` is being downloaded already. */
  constructor(
    /** The destination. */
    readonly path: string,
  ) {
    super(
      `${path} is being downloaded already. Wait for that download, or choose another destination.`,
    );
  }
}
