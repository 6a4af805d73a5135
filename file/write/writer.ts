/**
 * Writing a file piece by piece.
 *
 * States: open; closing, from `close()`; committing, from where an abort comes too late; ended. From open
 * or closing also aborted. They only change forwards, synchronously, and the file is released by
 * whoever leaves the last of them: `#close` when it was called, the abort otherwise.
 *
 * @module
 */
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { abortError, DisposedError } from "../../_internal/errors.ts";
import { isAsyncIterable, isIterable } from "../../_internal/iterators.ts";
import { untilAbort } from "../../_internal/until_abort.ts";
import { wrong } from "../../_internal/validate.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import { AtomicFile, syncFile } from "./atomic.ts";
import { syncParent } from "./durable.ts";
import { encodeText } from "./encode.ts";
import { afterFailure, withPath } from "../errors.ts";
import { traceWriter, type WriterTrace } from "../file_telemetry.ts";
import { isFifo, toPath } from "../paths.ts";
import {
  type FileWriterOptions,
  openForWriting,
  type WritePlan,
  writePlan,
} from "./write_plan.ts";
import { DONE, WriteQueue } from "./write_queue.ts";

/**
 * Writes a file piece by piece. Calls may overlap: the file has their content in the order of the
 * calls. Awaiting `write` is what keeps memory bounded: it resolves at once while there is room in
 * the buffer, and otherwise when there is room again.
 *
 * A failure (a full disk) is never silent: it rejects the calls that wait, every later call, and
 * `close()`.
 *
 * @example
 * ```ts
 * import { asyncReadFile, AsyncFileWriter } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * {
 *   await using writer = new AsyncFileWriter(path, { atomic: true });
 *   await writer.write("one\n");
 *   await writer.writeLines(["two", "three"]);
 *   await writer.close(); // without it, an atomic writer discards its work
 * }
 * console.log(await asyncReadFile(path)); // one, two, three
 * await Deno.remove(path);
 * ```
 */
export class AsyncFileWriter implements AsyncDisposable {
  /** The path as it was given. */
  readonly path: string;
  readonly #plan: WritePlan;
  readonly #queue: WriteQueue;

  #state: "open" | "closing" | "committing" | "ended" | "aborted" = "open";
  /** Gives up the waiting for a lock. Made only when there is one to wait for. */
  readonly #lockWait: AbortController | undefined;
  /** Ends the waiting for a FIFO's other end. */
  #opening: AbortController | undefined;
  readonly #subscription: AbortSubscription | undefined;
  #file: Deno.FsFile | undefined;
  #atomicFile: AtomicFile | undefined;
  #closing: Promise<void> | undefined;
  #aborting: Promise<void> | undefined;
  /** Begun with the opening, ended with the release. */
  #trace: WriterTrace | undefined;

  /**
   * Does not touch the file yet: the first call that needs it does.
   *
   * @param path A path or a file: URL.
   * @throws {RangeError | TypeError} When an option is wrong.
   */
  constructor(path: string | URL, options: FileWriterOptions = {}) {
    this.path = toPath("path", path);
    const plan = this.#plan = writePlan(options);
    if (plan.lock !== undefined) this.#lockWait = new AbortController();
    this.#queue = new WriteQueue(
      plan.bufferSize,
      () => this.#open(),
      (error) => withPath(error, "write", this.path),
    );
    this.#subscription = heedAbort(plan.signal, (reason) => {
      // Should the temporary file not be removable, abort() and the disposal tell.
      this.#beginAbort(reason).catch(() => {});
    });
  }

  /**
   * Adds text. Resolves when the buffer has room again: at once, as a rule.
   *
   * @throws {DisposedError} After `close()`.
   */
  write(text: string): Promise<void> {
    if (this.#state !== "open" || this.#queue.failure !== undefined) {
      return this.#refuse("write");
    }
    if (typeof text !== "string") {
      return Promise.reject(wrong("text", "a string", text, false));
    }
    if (this.#plan.encoding === "utf-8") return this.#queue.writeText(text);
    let bytes: Uint8Array;
    try {
      bytes = encodeText(text, this.#plan.encoding);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#queue.writeBytes(bytes);
  }

  /**
   * Adds bytes. They are copied at once when they fit the buffer; a larger piece is not copied, so
   * leave it as it is until the call resolves.
   *
   * @throws {DisposedError} After `close()`.
   */
  writeBytes(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open" || this.#queue.failure !== undefined) {
      return this.#refuse("writeBytes");
    }
    if (!(bytes instanceof Uint8Array)) {
      return Promise.reject(wrong("bytes", "a Uint8Array", bytes, false));
    }
    return this.#queue.writeBytes(bytes);
  }

  /**
   * Adds each line and a line feed. From an async iterable it reads no faster than the disk takes
   * it; other calls made meanwhile come between its lines. When the writer fails or is aborted
   * while that iterable is silent, the call rejects and the iterable is closed.
   *
   * @throws {DisposedError} After `close()`.
   */
  async writeLines(
    lines: Iterable<string> | AsyncIterable<string>,
  ): Promise<void> {
    if (this.#state !== "open" || this.#queue.failure !== undefined) {
      return await this.#refuse("writeLines");
    }
    if (isAsyncIterable(lines)) {
      const { failing } = this.#queue;
      try {
        await AsyncStream.from(lines).forEach((line) => this.#writeLine(line), {
          signal: failing,
        });
      } catch (error) {
        const { failure } = this.#queue;
        // It has been told by this call now.
        if (failure !== undefined) return await this.#queue.refuse(failure);
        throw error;
      }
      return;
    }
    // A string is iterable too, by characters, which nobody means.
    if (typeof lines === "string" || !isIterable(lines)) {
      throw wrong("lines", "an iterable of strings", lines, false);
    }
    for (const line of lines) {
      const pending = this.#writeLine(line);
      if (pending !== DONE) await pending;
    }
  }

  #writeLine(line: string): Promise<void> {
    return typeof line === "string"
      ? this.write(`${line}\n`)
      : Promise.reject(wrong("a line", "a string", line, false));
  }

  /** Hands everything written so far to the system. */
  flush(): Promise<void> {
    if (this.#state !== "open" || this.#queue.failure !== undefined) {
      return this.#refuse("flush");
    }
    return this.#queue.flush();
  }

  /** Flushes, and resolves when the content would survive a power failure. */
  async sync(): Promise<void> {
    await this.flush();
    // An abort may have come after the flush.
    if (this.#file === undefined) return await this.#refuse("sync");
    try {
      await syncFile(this.#file, this.path);
    } catch (error) {
      // After a failed fsync nobody knows what is on the disk: this writer is done for.
      this.#queue.fail(error);
      throw error;
    }
  }

  /**
   * Writes what is left and closes the file; an atomic one takes the place of its target now. A
   * second call returns the same promise.
   *
   * @throws Whatever went wrong with this writer, even when a `write` has told it before.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      if (this.#state === "aborted") return this.#refuse("close");
      this.#state = "closing";
      this.#closing = this.#close();
    }
    return this.#closing;
  }

  /**
   * Gives up: what is still buffered is dropped, an atomic writer's temporary file is removed and
   * the old file stays. Calls that wait, and later ones, reject with `reason`.
   */
  abort(reason?: unknown): Promise<void> {
    if (this.#state === "ended") return DONE;
    return this.#beginAbort(
      reason ?? abortError(`The writing of ${this.path} was aborted`),
    );
  }

  /**
   * The same as a Web Streams sink, for `pipeTo`: text and bytes, with backpressure, closing and
   * aborting this writer. Unlike `FsFile.writable`, it reports every error.
   */
  get writable(): WritableStream<string | Uint8Array> {
    return new WritableStream({
      write: (chunk) =>
        typeof chunk === "string" ? this.write(chunk) : this.writeBytes(chunk),
      close: () => this.close(),
      abort: (reason) => this.abort(reason),
    });
  }

  /**
   * Closes the file; an atomic writer that was not closed by then discards its work, since an
   * error may be why, and one with a `lock` that has written nothing does not wait for it. A failure
   * that a call has told already is not told again, so that it does not hide the error that ends
   * the block.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing !== undefined) {
      // Whoever called close() has its promise, and that tells.
      return await this.#closing.catch(() => {});
    }
    const isIdle = this.#plan.lock !== undefined && this.#queue.isUnused;
    if (this.#plan.atomic || isIdle || this.#state === "aborted") {
      return await this.abort();
    }
    const wasTold = this.#queue.isFailureTold;
    try {
      await this.close();
    } catch (error) {
      if (!wasTold) throw error;
    }
  }

  #refuse(method: string): Promise<never> {
    const { failure } = this.#queue;
    if (failure !== undefined) return this.#queue.refuse(failure);
    return Promise.reject(
      new DisposedError(
        `AsyncFileWriter.${method}() for ${this.path}`,
        "Create a new writer.",
      ),
    );
  }

  async #open(): Promise<Deno.FsFile> {
    const { atomic, fsync, mode, permissions } = this.#plan;
    this.#trace = traceWriter(this.path, atomic);
    if (!atomic) {
      return this.#file = await this.#openItself();
    }
    this.#atomicFile = await AtomicFile.create(this.path, {
      durable: fsync,
      exclusive: mode === "x",
      mode: permissions,
    });
    return this.#file = this.#atomicFile.file;
  }

  #openItself(): Promise<Deno.FsFile> {
    const opening = openForWriting(
      this.path,
      this.#plan,
      this.#lockWait?.signal,
    );
    const { signal } = this.#opening = new AbortController();
    return untilAbort(opening, signal, (file) => file.close());
  }

  async #close(): Promise<void> {
    try {
      const { failure } = this.#queue;
      if (failure !== undefined) throw failure.error;
      await this.#queue.finish();
      // An abort that came while the flush resolved.
      if (this.#queue.failure !== undefined) throw this.#queue.failure.error;
      this.#state = "committing";
      if (this.#atomicFile !== undefined) await this.#atomicFile.commit();
      else if (this.#plan.fsync && this.#file !== undefined) {
        await syncFile(this.#file, this.path);
        await syncParent(this.path);
      }
    } catch (error) {
      this.#trace?.failed(error);
      await afterFailure(this.#releaseWhenIdle(error), this.path);
      throw error;
    }
    await this.#release();
  }

  #beginAbort(reason: unknown): Promise<void> {
    return this.#aborting ??= this.#abort(reason);
  }

  async #abort(reason: unknown): Promise<void> {
    if (this.#state === "open" || this.#state === "closing") {
      this.#state = "aborted";
      const { failure } = this.#queue;
      if (failure === undefined) this.#trace?.cancelled();
      else this.#trace?.failed(failure.error);
      this.#queue.fail(reason, true);
      this.#lockWait?.abort(reason);
    }
    if (this.#closing !== undefined) {
      // It releases the file, and tells its own caller.
      return await this.#closing.catch(() => {});
    }
    await this.#releaseWhenIdle(reason);
  }

  /** After a failure: closes what is open as soon as nothing uses it. */
  async #releaseWhenIdle(reason: unknown): Promise<void> {
    const released = this.#queue.idle().then(() => this.#release());
    // It may fail while that is found out.
    released.catch(() => {});
    const mayWait = this.#queue.isBusy && await isFifo(this.path);
    // Nobody may be at its other end, ever.
    if (mayWait) this.#opening?.abort(reason);
    else await released;
  }

  /** Closes what is open; the old file stays when nothing was committed. */
  async #release(): Promise<void> {
    if (this.#state !== "aborted") this.#state = "ended";
    this.#subscription?.unsubscribe();
    const file = this.#file;
    const atomicFile = this.#atomicFile;
    const trace = this.#trace;
    this.#file = this.#atomicFile = this.#trace = undefined;
    try {
      if (atomicFile !== undefined) await atomicFile.discard();
      else file?.close();
    } finally {
      trace?.end(this.#queue.written);
    }
  }
}
