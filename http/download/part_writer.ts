/**
 * Writes chunks to a file while the next ones arrive: two buffers, one being filled while the
 * other is written, and the hash of a buffer is taken while the system writes it.
 *
 * @module
 */
import { writeAll } from "../../file/write/write_all.ts";

/** What a writer tells of each block that is safely written. */
export interface BlockHash {
  /** Takes the bytes in. */
  update(bytes: Uint8Array): unknown;
}

/** What a writer does besides. */
export interface PartWriterOptions {
  /** Takes in what is written. */
  readonly hash?: BlockHash | undefined;
  /** The file's path, if it will be synchronised at the end. */
  readonly path?: string | undefined;
}

const BLOCK_BYTES = 512 * 1024;
const SYNC_BYTES = 16 * 1024 * 1024;

/** A failure is left to the fsync at the end, which meets it too. */
async function syncData(path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { write: true });
    try {
      await file.syncData();
    } finally {
      file.close();
    }
  } catch {
    // As above.
  }
}

/** A double-buffered writer. Errors of a write come with the next call, `finish` at the latest. */
export class PartWriter {
  // Invariant: #pending is the write of the block that is not #block; a block is filled only while
  // no write has it. #written counts what the system has taken.
  readonly #file: Deno.FsFile;
  readonly #options: PartWriterOptions;
  #block = new Uint8Array(BLOCK_BYTES);
  #spare = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #pending: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #written = 0;
  #syncing: Promise<void> | undefined;
  #syncedAt = 0;

  constructor(file: Deno.FsFile, options: PartWriterOptions = {}) {
    this.#file = file;
    this.#options = options;
  }

  /** Whether the system has refused some: then the hash knows more than the file. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Bytes that the system has taken. */
  get written(): number {
    return this.#written;
  }

  /**
   * Writes what comes, `length` bytes at most, and tells `came` of each chunk's before they are
   * written. Afterwards the file holds all of them, whatever failed: it is what a resume builds on.
   * Rejects with the first failure.
   */
  async receive(
    chunks: AsyncIterable<Uint8Array>,
    came: (bytes: number) => void,
    length = Infinity,
  ): Promise<void> {
    let failure: { error: unknown } | undefined;
    try {
      let left = length;
      for await (const chunk of chunks) {
        const wanted = chunk.byteLength > left
          ? chunk.subarray(0, left)
          : chunk;
        came(wanted.byteLength);
        const full = this.push(wanted);
        if (full !== undefined) await full;
        left -= wanted.byteLength;
        if (left === 0) break;
      }
    } catch (error) {
      failure = { error };
    }
    try {
      await this.finish();
    } catch (error) {
      failure ??= { error };
    }
    if (failure !== undefined) throw failure.error;
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
    try {
      if (this.#filled > 0) await this.#flush();
      await this.#settle();
    } finally {
      // It has the file open as well.
      await this.#syncing;
    }
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
    this.#options.hash?.update(bytes);
  }

  async #settle(): Promise<void> {
    await this.#pending;
    this.#pending = undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /**
   * Lets the disk work along, so that the fsync at the end finds little left to do (300 ms for 256
   * MiB otherwise). Through a handle of its own: the runtime does one thing at a time with each.
   */
  #syncAhead(): void {
    const { path } = this.#options;
    if (
      path === undefined || this.#syncing !== undefined ||
      this.#written - this.#syncedAt < SYNC_BYTES
    ) return;
    this.#syncedAt = this.#written;
    this.#syncing = syncData(path).finally(() => this.#syncing = undefined);
  }

  /** Never rejects: nobody waits for it at the moment that it fails. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, bytes);
      this.#written += bytes.byteLength;
      this.#syncAhead();
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
