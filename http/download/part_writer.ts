/**
 * What a response brings, on its way into a part file: the queue of all writers, over a file that
 * takes the hash of a block while the system writes it, and lets the disk work along.
 *
 * @module
 */
import { DONE, writeAll, WriteQueue } from "../../file/write/write_queue.ts";
import type { PartHash } from "./part_hash.ts";

/** What a writer does besides. */
export interface PartWriterOptions {
  /** Takes in what is written. */
  readonly hash?: PartHash | undefined;
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

/** Writes to a part file. */
export class PartWriter {
  // Invariant: what the queue counts as written was taken by the system and by the hash; of a block
  // that failed the hash alone has more.
  readonly #queue: WriteQueue;
  readonly #path: string | undefined;
  #syncing: Promise<void> | undefined;
  #syncedAt = 0;

  constructor(file: Deno.FsFile, { hash, path }: PartWriterOptions = {}) {
    this.#path = path;
    const write = async (bytes: Uint8Array) => {
      this.#syncAhead();
      const writing = writeAll(file, bytes);
      // While the system writes.
      hash?.update(bytes);
      await writing;
      return bytes.byteLength;
    };
    this.#queue = new WriteQueue(
      BLOCK_BYTES,
      () => Promise.resolve({ write }),
      (error) => error,
    );
  }

  /** Whether the system has refused some: then the hash knows more than the file. */
  get hasFailed(): boolean {
    return this.#queue.failure !== undefined;
  }

  /** Bytes that the system has taken. */
  get written(): number {
    return this.#queue.written;
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
    const queue = this.#queue;
    let failure: { error: unknown } | undefined;
    try {
      let left = length;
      for await (const chunk of chunks) {
        const wanted = chunk.byteLength > left
          ? chunk.subarray(0, left)
          : chunk;
        came(wanted.byteLength);
        if (queue.failure !== undefined) break;
        const full = queue.writeBytes(wanted);
        if (full !== DONE) await full;
        left -= wanted.byteLength;
        if (left === 0) break;
      }
    } catch (error) {
      failure = { error };
    }
    // Its failure is the queue's.
    if (queue.failure === undefined) await queue.finish().catch(() => {});
    // It has the file open as well.
    await this.#syncing;
    failure ??= queue.failure;
    if (failure !== undefined) throw failure.error;
  }

  /**
   * Lets the disk work along, so that the fsync at the end finds little left to do (300 ms for 256
   * MiB otherwise). Through a handle of its own: the runtime does one thing at a time with each.
   */
  #syncAhead(): void {
    const { written } = this;
    if (
      this.#path === undefined || this.#syncing !== undefined ||
      written - this.#syncedAt < SYNC_BYTES
    ) return;
    this.#syncedAt = written;
    this.#syncing = syncData(this.#path).finally(() =>
      this.#syncing = undefined
    );
  }
}
