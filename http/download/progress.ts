/**
 * How far a download is, as its caller is told.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import type { DownloadProgress } from "./options.ts";

/** Counts and tells. */
export class ProgressReport {
  readonly #tell: ((progress: DownloadProgress) => void) | undefined;
  readonly #start = now();
  #received = 0;
  /** Length of the whole, as far as it is known. */
  total: number | undefined;

  constructor(tell: ((progress: DownloadProgress) => void) | undefined) {
    this.#tell = tell;
  }

  /** Milliseconds since the call. */
  get elapsed(): number {
    return now() - this.#start;
  }

  /** So many bytes are there, and so many of them have just come. */
  at(bytes: number, received: number): void {
    this.#received += received;
    if (this.#tell === undefined) return;
    const { total } = this;
    this.#tell({
      bytes,
      total,
      fraction: total === undefined
        ? undefined
        : total === 0
        ? 1
        : bytes / total,
      received: this.#received,
      elapsed: this.elapsed,
    });
  }
}
