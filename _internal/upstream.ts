/**
 * The one way to read a source from outside the engine: one `next()` at a time, answered by a call,
 * and closed once. An iterator of somebody else's whose `next()` is pending cannot be closed (an async
 * generator would keep the `return()` waiting, perhaps for ever), so nobody waits for it: it is
 * closed when it wakes.
 *
 * @module
 */
import {
  type AnyIterator,
  closesWhilePending,
  type Wait,
} from "./iterators.ts";
import { reportLate } from "./late_failure.ts";
import { callingOnce, isThenable } from "./thenable.ts";

/** A closing that is under way, or has been. */
export class Closing {
  #pending: Promise<unknown> | undefined = undefined;

  /** Begins it; the result is its own, failure and all. */
  begin(closing: Promise<unknown>): Promise<unknown> {
    const settled = () => void (this.#pending = undefined);
    this.#pending = closing.then(settled, settled);
    return closing;
  }

  /** Waits for it as one who has not begun it: the failure is told to who has. */
  get ended(): Promise<unknown> | undefined {
    return this.#pending;
  }
}

/** Told what a read brought, during the read or later. Must not throw. */
export interface UpstreamReader<T> {
  /** One element. */
  arrived(value: T, upstream: Upstream<T>): void;
  /** The source has ended. */
  ended(upstream: Upstream<T>): void;
  /** The source has failed. */
  failed(error: unknown, upstream: Upstream<T>): void;
  /** Whether `flow` reads on. */
  wants?(): boolean;
}

// Invariants: at most one next() is called or pending (`isPending`). `isOver` is set once: by the
// end, a failure or `close`; after it the reader hears nothing more, and only `close` calls
// return(), if it was the one to set it: at once, or, where the source is somebody else's and its
// next() is pending, when that wakes (`closesOnWake`).
/** See the module. */
export class Upstream<T> {
  readonly #iterator: AnyIterator<T>;
  readonly #reader: UpstreamReader<T>;
  #isPending = false;
  #isFlowing = false;
  #isOver = false;
  #reason: unknown = undefined;
  #closesOnWake = false;
  readonly #closing = new Closing();

  constructor(iterator: AnyIterator<T>, reader: UpstreamReader<T>) {
    this.#iterator = iterator;
    this.#reader = reader;
  }

  /** Whether a read is under way. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /** Whether it has ended, failed or been closed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The end of a closing that is under way, whoever has begun it. Never rejects. */
  get closing(): Promise<unknown> | undefined {
    return this.#closing.ended;
  }

  /** Reads one element; does nothing while a read is pending and when it is over. */
  read(): void {
    if (this.#isPending || this.#isOver) return;
    this.#isPending = true;
    let result;
    try {
      result = this.#iterator.pull === undefined
        ? this.#iterator.next()
        : this.#iterator.pull();
      if (isThenable(result)) {
        callingOnce(result).then(this.#settled, this.#rejected);
        return;
      }
    } catch (error) {
      return this.#rejected(error);
    }
    this.#isPending = false;
    this.#take(result);
  }

  /**
   * Reads as long as the reader wants more, now and whenever an element arrives. A loop, however
   * many elements are there at once; the engine underneath pauses it for the event loop.
   */
  flow(): void {
    if (this.#isFlowing) return;
    this.#isFlowing = true;
    while (
      !this.#isPending && !this.#isOver && this.#reader.wants?.() === true
    ) {
      this.read();
    }
    this.#isFlowing = false;
  }

  /**
   * Closes the source unless it is over. Waits for a closing that is under way, but for no source
   * that must wake first.
   */
  close(reason?: unknown): Wait {
    if (this.#isOver) return this.#closing.ended;
    this.#isOver = true;
    this.#reason = reason;
    if (this.#isPending && this.#iterator[closesWhilePending] !== true) {
      this.#closesOnWake = true;
      return undefined;
    }
    const closed = this.#iterator.return?.(reason);
    return isThenable(closed)
      ? this.#closing.begin(Promise.resolve(closed))
      : undefined;
  }

  readonly #settled = (result: IteratorResult<T>): void => {
    this.#isPending = false;
    this.#take(result);
    if (this.#reader.wants !== undefined) this.flow();
  };

  #take(result: IteratorResult<T>): void {
    let done;
    // Set when it is not done.
    let value!: T;
    try {
      done = result.done;
      if (!done) value = result.value;
    } catch (error) {
      return this.#misunderstood(error);
    }
    if (this.#isOver) {
      if (!done) this.#wake();
    } else if (done) this.#end();
    else this.#reader.arrived(value, this);
  }

  #end(): void {
    this.#isOver = true;
    this.#iterator.release?.();
    this.#reader.ended(this);
  }

  /** What came is no iterator result: a failure of a source that is closed all the same. */
  #misunderstood(error: unknown): void {
    if (this.#isOver) return this.#wake();
    this.#isOver = true;
    this.#reason = error;
    this.#closeQuietly();
    this.#reader.failed(error, this);
  }

  readonly #rejected = (error: unknown): void => {
    this.#isPending = false;
    if (this.#isOver) return reportLate(STOPPED, error, this.#reason);
    this.#isOver = true;
    this.#iterator.release?.();
    this.#reader.failed(error, this);
  };

  /** A next() has come back after `close`, with something else than the end. */
  #wake(): void {
    if (this.#closesOnWake) this.#closeQuietly();
  }

  #closeQuietly(): void {
    const reason = this.#reason;
    const closed = closeNow(() => this.#iterator.return?.(reason), reason);
    if (closed !== undefined) this.#closing.begin(closed);
  }
}

/** What is told of a failure that comes after the stop. */
export const STOPPED = "A stream failed after it had been stopped";

/** What is told of a source that fails to close, where something else is rejected with. */
export const UNCLOSED = "A stream's source failed to close";

/**
 * Closes something, for `reason`, for whose closing nobody waits; it is over when the result
 * settles.
 */
export function closeNow(
  close: () => unknown,
  reason: unknown,
): Promise<void> | undefined {
  const tell = (error: unknown) => reportLate(UNCLOSED, error, reason);
  try {
    const closed = close();
    if (!isThenable(closed)) return undefined;
    return Promise.resolve(closed).then(() => {}, tell);
  } catch (error) {
    tell(error);
    return undefined;
  }
}

/** What can be closed once. */
export interface Closable {
  /** Closes it; a thenable to wait for. */
  close(reason?: unknown): Wait;
}

/** Closes several sources, all at once. Rejects with the first failure, and tells of the others. */
export async function closeAll(
  upstreams: Iterable<Closable>,
  reason?: unknown,
): Promise<void> {
  let hasFailed = false;
  let first: unknown;
  const failed = (error: unknown) => {
    if (hasFailed) return reportLate(UNCLOSED, error, reason);
    hasFailed = true;
    first = error;
  };
  const waits: PromiseLike<unknown>[] = [];
  for (const upstream of upstreams) {
    try {
      const wait = upstream.close(reason);
      if (wait !== undefined) {
        waits.push(Promise.resolve(wait).then(undefined, failed));
      }
    } catch (error) {
      failed(error);
    }
  }
  await Promise.all(waits);
  if (hasFailed) throw first;
}

/** The same after the failure `reason`, which is on its way: tells of all. Never rejects. */
export function closeLost(
  upstreams: Iterable<Closable>,
  reason: unknown,
): Promise<void> {
  return closeAll(upstreams, reason)
    .catch((error) => reportLate(UNCLOSED, error, reason));
}
