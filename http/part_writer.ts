/**
 * Writes chunks to a file while the next ones arrive: two buffers, one being filled while the
 * other is written, and the hash of a buffer is taken while the system writes it.
 *
 * @module
 */
import { writeAll } from "../file/write_all.ts";

/** What a writer tells of each block that is safely written. */
export interface BlockHash {
  /** Takes the bytes in. */
  update(bytes: Uint8Array): unknown;
}

const BLOCK_BYTES = 512 * 1024;

/** A double-buffered writer. Errors of a write come with the next call, `finish` at the latest. */
export class PartWriter {
  // Invariant: #pending is the write of the block that is not #block; a block is filled only while
  // no write has it. #written counts what the system has taken.
  readonly #file: Deno.FsFile;
  readonly #hash: BlockHash | undefined;
  #block = new Uint8Array(BLOCK_BYTES);
  #spare = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #pending: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #written = 0;

  constructor(file: Deno.FsFile, hash: BlockHash | undefined) {
    this.#file = file;
    this.#hash = hash;
  }

  /** Bytes that the system has taken. */
  get written(): number {
    return this.#written;
  }

  /** Takes a chunk. Wait for what it returns, if it returns something. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    const room = BLOCK_BYTES - this.#filled;
    if (chunk.byteLength < room) {
      this.#block.set(chunk, this.#filled);
      this.#filled += chunk.byteLength;
      return undefined;
    }
    return this.#pushThrough(chunk);
  }

  /** Writes what is left; afterwards the file holds everything that was pushed. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
    await this.#settle();
  }

  async #pushThrough(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.byteLength > 0) {
      const part = rest.subarray(0, BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.byteLength;
      rest = rest.subarray(part.byteLength);
      if (this.#filled === BLOCK_BYTES) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    await this.#settle();
    const bytes = this.#block.subarray(0, this.#filled);
    [this.#block, this.#spare] = [this.#spare, this.#block];
    this.#filled = 0;
    this.#pending = this.#write(bytes);
    // While the system writes.
    this.#hash?.update(bytes);
  }

  async #settle(): Promise<void> {
    await this.#pending;
    this.#pending = undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Never rejects: nobody waits for it at the moment that it fails. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, bytes);
      this.#written += bytes.byteLength;
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
