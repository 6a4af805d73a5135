/**
 * The buffered way to the system: pieces go in as fast as they come, one loop writes them in order,
 * and who wants to know waits for a position.
 *
 * Pieces are copied into one buffer; a full buffer goes to the queue; the drain loop takes the
 * queue's first entry to the system, again and again. Nothing else writes to the file, so the
 * order of the calls is the order in the file however they overlap.
 *
 * @module
 */
import { withResolvers } from "../../_internal/resolvers.ts";
import { Ring } from "../../_internal/ring.ts";

/** Buffers that may wait for the system before a caller waits too. */
const MAX_QUEUED = 2;
/** Characters that are joined before they are encoded. */
const MAX_TEXT = 16_384;
/** One resolved promise for all who need not wait: 1.4x the throughput of a new one for each call. */
export const DONE: Promise<void> = Promise.resolve();
const utf8 = new TextEncoder();

/** Where bytes go: what this needs of `Deno.FsFile`. */
export interface ByteSink {
  /** Writes some of `bytes`, at least one, and resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Writes `bytes` to the end; a short write is continued where it stopped. */
export async function writeAll(
  file: ByteSink,
  bytes: Uint8Array,
): Promise<void> {
  let offset = await file.write(bytes);
  while (offset < bytes.byteLength) {
    const count = await file.write(bytes.subarray(offset));
    // The system never takes 0 of more than 0 bytes without an error; if it did, this would spin.
    if (count === 0) {
      throw new Deno.errors.WriteZero(
        `The system took none of ${bytes.byteLength - offset} bytes`,
      );
    }
    offset += count;
  }
}

interface Chunk {
  bytes: Uint8Array;
  /** The whole buffer, when it is ours to use again. */
  buffer: Uint8Array | undefined;
}

/** Waits until `position` bytes have been written. */
interface Waiter {
  position: number;
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** A buffer, a queue behind it, and the loop that empties it. */
export class WriteQueue {
  // Invariant: accepted - written = bytes in `buffer` + bytes in `queue` + the chunk being written,
  // `texts` not counted.
  // `failure` is set once; from then on nothing is written and nobody waits.
  #buffer: Uint8Array | undefined;
  #used = 0;
  readonly #queue: Ring<Chunk> = new Ring();
  readonly #spare: Uint8Array[] = [];
  #accepted = 0;
  #written = 0;
  /** Text that is not encoded yet, shorter than `#maxText` together. */
  readonly #texts: string[] = [];
  #textLength = 0;
  readonly #maxText: number;
  // Positions rise within each of the two, so only the first can be due.
  readonly #producers: Ring<Waiter> = new Ring();
  readonly #flushers: Ring<Waiter> = new Ring();

  readonly #bufferSize: number;
  readonly #open: () => Promise<ByteSink>;
  readonly #explain: (error: unknown) => unknown;
  #sink: ByteSink | undefined;
  #draining: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #isFailureTold = false;
  #failing: AbortController | undefined;
  #isClosing = false;

  /**
   * @param open Opens the file, called once, when something is to be written.
   * @param explain Makes a failed write's error say what it is about.
   */
  constructor(
    bufferSize: number,
    open: () => Promise<ByteSink>,
    explain: (error: unknown) => unknown,
  ) {
    this.#bufferSize = bufferSize;
    this.#maxText = Math.min(MAX_TEXT, bufferSize >> 2);
    this.#open = open;
    this.#explain = explain;
  }

  /** Bytes that the system has taken. */
  get written(): number {
    return this.#written;
  }

  /** What went wrong, once something has. */
  get failure(): { error: unknown } | undefined {
    return this.#failure;
  }

  /** Aborts with the failure, for those who wait for something else meanwhile. */
  get failing(): AbortSignal {
    this.#failing ??= new AbortController();
    if (this.#failure !== undefined) this.#failing.abort(this.#failure.error);
    return this.#failing.signal;
  }

  /** Whether a call has rejected with the failure. */
  get isFailureTold(): boolean {
    return this.#isFailureTold;
  }

  /** Whether nothing was written and nothing has touched the file: no call needed it. */
  get isUnused(): boolean {
    return this.#accepted === 0 && this.#textLength === 0 &&
      this.#sink === undefined && this.#draining === undefined;
  }

  /** Adds text as UTF-8. A surrogate pair may be split between two calls. */
  writeText(text: string): Promise<void> {
    // Joined in an array and encoded together: by `+=`, V8 takes four times as long.
    if (text === "") return DONE;
    this.#texts.push(text);
    this.#textLength += text.length;
    if (this.#textLength < this.#maxText) return DONE;
    this.#encode(false);
    return this.#room();
  }

  /** Adds bytes: copied when they fit one buffer, otherwise not before the promise resolves. */
  writeBytes(bytes: Uint8Array): Promise<void> {
    if (this.#textLength > 0) this.#encode(true);
    return this.#append(bytes);
  }

  /** Resolves when everything accepted so far has been handed to the system. */
  flush(): Promise<void> {
    if (this.#textLength > 0) this.#encode(true);
    this.#enqueueBuffer();
    if (this.#accepted === this.#written && this.#sink !== undefined) {
      return DONE;
    }
    this.#startDrain();
    return this.#until(this.#accepted, this.#flushers);
  }

  /** The last flush: whoever waits is told of a failure by it, awaited or not. */
  finish(): Promise<void> {
    this.#isClosing = true;
    return this.flush();
  }

  /**
   * Drops what was not written; everybody who waits rejects with `error`. Only the first failure
   * counts. `isKnown`: whoever brought it about needs not be told by an unhandled rejection.
   */
  fail(error: unknown, isKnown = this.#isClosing): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#queue.clear();
    this.#buffer = undefined;
    this.#texts.length = this.#textLength = 0;
    this.#spare.length = 0;
    this.#failing?.abort(error);
    // One rejection that nobody handles is enough to be loud; those after it would end the process
    // of somebody who awaits overlapping calls one after the other.
    let isFirst = !isKnown;
    for (const waiters of [this.#producers, this.#flushers]) {
      for (
        let waiter = waiters.shift();
        waiter !== undefined;
        waiter = waiters.shift()
      ) {
        if (!isFirst) waiter.promise.catch(() => {});
        isFirst = false;
        this.#isFailureTold = true;
        waiter.reject(error);
      }
    }
  }

  /** The rejection of a call that comes after the failure. */
  refuse(failure: { error: unknown }): Promise<never> {
    this.#isFailureTold = true;
    return Promise.reject(failure.error);
  }

  /** Whether the file is being opened or written. */
  get isBusy(): boolean {
    return this.#draining !== undefined;
  }

  /** Resolves when the system is not writing: after a failure, for good. */
  idle(): Promise<void> {
    return this.#draining ?? DONE;
  }

  #append(bytes: Uint8Array): Promise<void> {
    const { byteLength } = bytes;
    if (byteLength >= this.#bufferSize) {
      this.#enqueueBuffer();
      this.#queue.push({ bytes, buffer: undefined });
      this.#accepted += byteLength;
      this.#startDrain();
      return this.#until(this.#accepted, this.#flushers);
    }
    const buffer = this.#buffer ??= this.#newBuffer();
    const room = buffer.byteLength - this.#used;
    this.#accepted += byteLength;
    if (byteLength <= room) {
      buffer.set(bytes, this.#used);
      this.#used += byteLength;
    } else {
      buffer.set(bytes.subarray(0, room), this.#used);
      this.#used = buffer.byteLength;
      this.#enqueueBuffer();
      const next = this.#buffer = this.#newBuffer();
      next.set(bytes.subarray(room));
      this.#used = byteLength - room;
    }
    return this.#room();
  }

  /**
   * Text that was joined, into the buffer. A first half of a character at its end waits for the next
   * call, unless `isComplete`: then it becomes what TextEncoder makes of it.
   */
  #encode(isComplete: boolean): void {
    let text = this.#texts.length === 1
      ? this.#texts[0] as string
      : this.#texts.join("");
    this.#texts.length = this.#textLength = 0;
    if (!isComplete && (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800) {
      this.#texts.push(text.slice(-1));
      this.#textLength = 1;
      text = text.slice(0, -1);
    }
    for (;;) {
      const buffer = this.#buffer ??= this.#newBuffer();
      const { read, written } = utf8.encodeInto(
        text,
        this.#used === 0 ? buffer : buffer.subarray(this.#used),
      );
      this.#used += written;
      this.#accepted += written;
      if (read === text.length) return;
      text = text.slice(read);
      this.#enqueueBuffer();
    }
  }

  #newBuffer(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(this.#bufferSize);
  }

  #enqueueBuffer(): void {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#used === 0) return;
    this.#queue.push({ bytes: buffer.subarray(0, this.#used), buffer });
    this.#buffer = undefined;
    this.#used = 0;
    this.#startDrain();
  }

  #room(): Promise<void> {
    const mark = this.#accepted - MAX_QUEUED * this.#bufferSize;
    return mark <= this.#written ? DONE : this.#until(mark, this.#producers);
  }

  #until(position: number, waiters: Ring<Waiter>): Promise<void> {
    const { promise, resolve, reject } = withResolvers<void>();
    waiters.push({ position, promise, resolve, reject });
    return promise;
  }

  #startDrain(): void {
    // Set before the loop runs: it clears the field itself, at the latest in a later microtask.
    this.#draining ??= Promise.resolve().then(() => this.#drain());
  }

  /** Never rejects: a failure goes to `fail`. */
  async #drain(): Promise<void> {
    try {
      const sink = this.#sink ??= await this.#open();
      this.#wake();
      while (this.#failure === undefined) {
        const chunk = this.#queue.shift();
        if (chunk === undefined) break;
        await writeAll(sink, chunk.bytes);
        this.#written += chunk.bytes.byteLength;
        if (chunk.buffer !== undefined && this.#spare.length < MAX_QUEUED) {
          this.#spare.push(chunk.buffer);
        }
        this.#wake();
      }
    } catch (error) {
      this.fail(this.#explain(error));
    } finally {
      // In the same turn as the empty queue was seen: what comes later starts a new loop.
      this.#draining = undefined;
    }
  }

  #wake(): void {
    for (const waiters of [this.#producers, this.#flushers]) {
      for (
        let first = waiters.at(0);
        first !== undefined && first.position <= this.#written;
        first = waiters.at(0)
      ) {
        waiters.shift();
        first.resolve();
      }
    }
  }
}
