/**
 * Reading a file chunk by chunk, the next read under way while the last chunk is worked on.
 *
 * Invariant: at most one read is under way, `#pending` is its promise, and a buffer is handed out
 * or being read into, never both. `close` waits for the read under way, then closes the file, once;
 * for a FIFO or a device, whose read may never end, it is closed later and nobody waits.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { untilAbort } from "../../_internal/until_abort.ts";
import { FileTruncatedError, namingPath, withPath } from "../errors.ts";
import { type FileLock, lockFile } from "../lock.ts";

/** What to read. */
export interface ChunkOptions {
  /** Bytes of each read. */
  chunkSize: number;
  /** Byte to start at. @default {0} */
  start?: number | undefined;
  /** Byte to stop before. @default {Infinity} */
  end?: number | undefined;
  /**
   * The chunks are worked on at once and not kept: read into two buffers in turn instead of a new one each
   * time. A chunk is valid until the call of `next` after the next.
   */
  reuse?: boolean | undefined;
  lock?: FileLock | undefined;
  /** Gives up the waiting for the lock. @default {signal} */
  lockSignal?: AbortSignal | undefined;
  signal?: AbortSignal | undefined;
}

/** Chunks of one open file, in order. Ends by `close`, which is always to be called. */
export class ChunkReader {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #chunkSize: number;
  readonly #end: number;
  /** Size at the start, for regular files that have one. */
  readonly #size: number;
  /** A read of it ends soon. */
  readonly #isFile: boolean;
  readonly #reuse: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #subscription: AbortSubscription | undefined;
  #position: number;
  /** Bytes to be read and dropped first, of what cannot seek. */
  #toSkip: number;
  #pending: Promise<Uint8Array | undefined> | undefined;
  #buffers: (Uint8Array | undefined)[] = [undefined, undefined];
  #turn = 0;
  #closing: Promise<void> | undefined;
  /** The two ways to end a wait before its read: an abort, and a close. */
  #rejectWait: ((reason: unknown) => void) | undefined;
  #endWait: ((chunk: undefined) => void) | undefined;

  private constructor(
    file: Deno.FsFile,
    path: string,
    info: Deno.FileInfo,
    options: ChunkOptions,
  ) {
    const size = info.isFile ? info.size : 0;
    this.#isFile = info.isFile;
    this.#file = file;
    this.#path = path;
    this.#size = size;
    this.#position = options.start ?? 0;
    this.#end = options.end ?? Infinity;
    this.#toSkip = info.isFile ? 0 : this.#position;
    this.#reuse = options.reuse ?? false;
    this.#chunkSize = size > 0
      // Not more than there is, and one byte more, so that one read also sees the end.
      ? Math.max(
        1,
        Math.min(
          options.chunkSize,
          Math.min(size, this.#end) - this.#position + 1,
        ),
      )
      : options.chunkSize;
    this.#signal = options.signal;
    this.#subscription = options.signal &&
      onAbort(options.signal, (reason) => this.#rejectWait?.(reason));
  }

  /** Opens `path`; rejects with `signal.reason` when it aborts meanwhile. */
  static async open(path: string, options: ChunkOptions): Promise<ChunkReader> {
    const { signal, lock, start = 0 } = options;
    signal?.throwIfAborted();
    const file = await openForReading(path, signal);
    try {
      const info = await file.stat();
      if (info.isDirectory) {
        throw new Deno.errors.IsADirectory(
          `Is a directory: read '${path}'. List it with walkAsync().`,
        );
      }
      if (lock !== undefined) {
        await lockFile(file, lock, options.lockSignal ?? signal);
      }
      const isBeyond = info.isFile && info.size > 0 && start >= info.size;
      if (start > 0 && !isBeyond && info.isFile) {
        await file.seek(start, Deno.SeekMode.Start);
      }
      signal?.throwIfAborted();
      return new ChunkReader(
        file,
        path,
        info,
        // Not sought: systems refuse positions beyond the longest file that they could have.
        isBeyond ? { ...options, end: start } : options,
      );
    } catch (error) {
      file.close();
      // The caller's reason stays the same object, whatever it is.
      if (signal?.aborted) throw error;
      throw withPath(error, "read", path);
    }
  }

  /** The next chunk; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined> {
    if (this.#signal?.aborted) return Promise.reject(this.#signal.reason);
    const current = this.#pending ?? this.#read();
    // Started before the chunk is handed out, so that both go on at the same time.
    this.#pending = current.then((chunk) =>
      chunk === undefined ? undefined : this.#read()
    );
    // Seen by the next call, or by nobody when the reader is closed first.
    this.#pending.catch(() => {});
    if (this.#signal === undefined && this.#isFile) return current;
    return this.#interruptible(current);
  }

  /** All that are left. The reader is closed when the loop ends, however it does. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = await this.next();
        if (chunk === undefined) return;
        yield chunk;
      }
    } finally {
      await this.close();
    }
  }

  /** Waits for a read under way and closes the file. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#subscription?.unsubscribe();
    this.#position = Infinity;
    const closing = this.#closeFile();
    if (this.#isFile) await closing;
    else this.#endWait?.(undefined);
  }

  /** Never rejects. */
  async #closeFile(): Promise<void> {
    try {
      await this.#pending;
    } catch {
      // What was read ahead was not asked for; neither is its error.
    } finally {
      this.#file.close();
    }
  }

  #interruptible(
    promise: Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#rejectWait = reject;
      this.#endWait = resolve;
      promise.then(resolve, reject);
    });
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#toSkip > 0) await this.#skip();
    const wanted = Math.min(this.#chunkSize, this.#end - this.#position);
    if (wanted <= 0) return undefined;
    const buffer = this.#buffer(wanted);
    const count = await readInto(this.#file, buffer, this.#path);
    if (count === null) {
      if (this.#position < Math.min(this.#size, this.#end)) {
        await this.#checkTruncation();
      }
      return undefined;
    }
    this.#position += count;
    return count === buffer.byteLength ? buffer : buffer.subarray(0, count);
  }

  async #skip(): Promise<void> {
    const buffer = new Uint8Array(Math.min(this.#toSkip, 65_536));
    while (this.#toSkip > 0 && this.#closing === undefined) {
      const part = buffer.subarray(
        0,
        Math.min(this.#toSkip, buffer.byteLength),
      );
      const count = await readInto(this.#file, part, this.#path);
      if (count === null) return;
      this.#toSkip -= count;
    }
  }

  #buffer(size: number): Uint8Array {
    if (!this.#reuse) return new Uint8Array(size);
    this.#turn ^= 1;
    const buffer = this.#buffers[this.#turn] ??= new Uint8Array(
      this.#chunkSize,
    );
    return size === buffer.byteLength ? buffer : buffer.subarray(0, size);
  }

  /** Files of /sys claim 4,096 bytes and hold fewer, always: only one that shrank was truncated. */
  async #checkTruncation(): Promise<void> {
    const position = this.#position;
    const { size } = await this.#file.stat();
    if (size < this.#size) {
      throw new FileTruncatedError(this.#path, this.#size, position);
    }
  }
}

/** Opens for reading; an abort need not wait for a FIFO whose other end nobody opens. */
export async function openForReading(
  path: string,
  signal: AbortSignal | undefined,
): Promise<Deno.FsFile> {
  const opening = Deno.open(path);
  if (signal === undefined) return await opening;
  return await untilAbort(opening, signal, (file) => file.close());
}

/** Reads what comes next of a file; `null` at its end. */
export function readInto(
  file: Deno.FsFile,
  buffer: Uint8Array,
  path: string,
): Promise<number | null> {
  return namingPath(file.read(buffer), "read", path);
}
