/**
 * The hash of an unfinished file, kept up with its bytes while they come in order.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import type { ChecksumAlgorithm } from "./checksum.ts";
import { DownloadError } from "../errors/download_error.ts";
import type { PartFile } from "./part_file.ts";

const READ_BYTES = 1 << 20;

/** A hash over the first bytes of a part file. */
export class PartHash {
  // Invariant: #hash has taken in exactly the bytes that the file's owner counts as there, from the
  // first on. There is none before the first `reset`, and when they came out of order: then `digest`
  // reads the file.
  readonly #algorithm: ChecksumAlgorithm;
  #hash: Hash | undefined;

  constructor(algorithm: ChecksumAlgorithm) {
    this.#algorithm = algorithm;
  }

  /** Takes in the bytes that follow. */
  update(bytes: Uint8Array): void {
    this.#hash?.update(bytes);
  }

  /** Bytes are about to come out of order. */
  expire(): void {
    this.#hash = undefined;
  }

  /** Begins again with nothing. Incremental: `crypto.subtle` would need the whole file in memory. */
  async reset(): Promise<Hash> {
    const { createHash } = await import("node:crypto");
    return this.#hash = createHash(this.#algorithm);
  }

  /** Takes the first `size` bytes of the file in, in place of everything before. */
  async read(
    part: PartFile,
    size: number,
    url: string,
    signal: AbortSignal | undefined,
  ): Promise<Hash> {
    const hash = await this.reset();
    const buffer = new Uint8Array(READ_BYTES);
    await part.file.seek(0, Deno.SeekMode.Start);
    for (let offset = 0; offset < size;) {
      signal?.throwIfAborted();
      const wanted = Math.min(READ_BYTES, size - offset);
      const count = await part.file.read(buffer.subarray(0, wanted));
      if (count === null) {
        throw new DownloadError(url, `${part.path} became shorter meanwhile`);
      }
      hash.update(buffer.subarray(0, count));
      offset += count;
    }
    return hash;
  }

  /** The digest of the first `size` bytes, in hexadecimal digits. Called once. */
  async digest(
    part: PartFile,
    size: number,
    url: string,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const hash = this.#hash ?? await this.read(part, size, url, signal);
    signal?.throwIfAborted();
    return hash.digest("hex");
  }
}
