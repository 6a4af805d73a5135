/**
 * A function over a source, several calls at once: bounded, in order or as they end, and closed
 * once. The engine of `map({ concurrency })` in streams and of `runner.map`.
 *
 * @module
 */
import { isAbortReason } from "./abort.ts";
import { report } from "./errors.ts";
import {
  type AnyIterator,
  closesWhilePending,
  DONE,
  isAsyncIterable,
} from "./iterators.ts";
import { withResolvers } from "./resolvers.ts";
import { Ring } from "./ring.ts";
import { isThenable, isTrustedThenable } from "./thenable.ts";

/** How many at once, and in which order the results come. */
export interface ConcurrentMapOptions {
  /** How many elements may be read and not yet delivered: at least 1, or Infinity. */
  concurrency: number;
  /** True: in the order of the source. False: as they end. */
  ordered: boolean;
  /** Asked before each read: `undefined` to go on, or a promise to wait for first. */
  ready?: (() => PromiseLike<void> | undefined) | undefined;
  /** Told once, when nothing more will be delivered. */
  finished?: (() => void) | undefined;
}

const PENDING = 0;
const SUCCEEDED = 1;
const FAILED = 2;

/** One call of the function. Reused: one per place, not one per element. */
class Slot<U> {
  state: typeof PENDING | typeof SUCCEEDED | typeof FAILED = PENDING;
  /** The result, or the error when it failed. */
  value: unknown = undefined;
  readonly succeed: (value: U) => void;
  readonly fail: (error: unknown) => void;

  constructor(owner: ConcurrentMap<never, U>) {
    this.succeed = (value) => owner.settle(this, SUCCEEDED, value);
    this.fail = (error) => owner.settle(this, FAILED, error);
  }
}

interface Waiter<U> {
  resolve(result: IteratorResult<U> | PromiseLike<IteratorResult<U>>): void;
  reject(error: unknown): void;
}

// Invariants:
// - held = elements read whose result is not delivered = in flight + settled in `slots` (ordered:
//   the ring also keeps the ones in flight, in their place). held <= concurrency (unless that was
//   lowered since), so the source is never read further ahead, and a consumer that stalls costs
//   at most concurrency + 1 reads.
// - at most one source.next() is pending (`reading`).
// - `stopped` is set once by the source's end, a failure or return(); after it nothing is read.
// - the source is closed at most once, and only when it has neither ended nor failed by itself.
// - a failure is delivered only when nothing is in flight and the source is closed; then comes
//   `finished`, after which every next() is done.
/** See the module. Lazy: nothing is read before the first `next()`. */
export class ConcurrentMap<T, U> implements AsyncIterableIterator<U> {
  readonly [closesWhilePending] = true;
  readonly #iterator: AnyIterator<T>;
  readonly #start: (value: T, index: number) => U | PromiseLike<U>;
  #concurrency: number;
  readonly #ordered: boolean;
  readonly #ready: (() => PromiseLike<void> | undefined) | undefined;
  readonly #tellFinished: (() => void) | undefined;
  readonly #slots = new Ring<Slot<U>>();
  readonly #free: Slot<U>[] = [];
  readonly #waiters = new Ring<Waiter<U>>();
  #index = 0;
  #held = 0;
  #inFlight = 0;
  #reading = false;
  /** What is pending is `ready`, not the source. */
  #gated = false;
  #pumping = false;
  #stopped = false;
  #finished = false;
  /** The source is closed or needs no closing (it ended or failed). */
  #sourceDone = false;
  /** Why it stopped early; passed on to the source. */
  #reason: unknown = undefined;
  /** Set while the source's return() is pending. */
  #closing: Promise<void> | undefined = undefined;
  #closeError: { error: unknown } | undefined = undefined;
  /** Resolves when nothing is in flight any more; made when somebody waits for that. */
  #quiet: PromiseWithResolvers<void> | undefined = undefined;

  constructor(
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    start: (value: T, index: number) => U | PromiseLike<U>,
    options: ConcurrentMapOptions,
  ) {
    this.#iterator =
      (isAsyncIterable(source)
        ? source[Symbol.asyncIterator]()
        : source[Symbol.iterator]()) as AnyIterator<T>;
    this.#start = start;
    this.#concurrency = options.concurrency;
    this.#ordered = options.ordered;
    this.#ready = options.ready;
    this.#tellFinished = options.finished;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** How many elements may be read and not yet delivered, from the next read on. */
  set concurrency(value: number) {
    this.#concurrency = value;
  }

  /** Reads on, after the concurrency was raised. Call it only once reading has begun. */
  readOn(): void {
    this.#pump();
    this.#answer();
  }

  next(): Promise<IteratorResult<U>> {
    try {
      const result = this.pull();
      return result instanceof Promise ? result : Promise.resolve(result);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `next()` that costs no promise when a result is there already. Throws a failure. */
  pull(): IteratorResult<U> | Promise<IteratorResult<U>> {
    if (this.#waiters.size === 0) {
      if (!this.#stopped) this.#pump();
      const result = this.#take();
      if (result !== undefined) return result;
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  /** Stops: reads nothing more, waits for what is in flight, closes the source. */
  async return(reason?: unknown): Promise<IteratorResult<U>> {
    if (this.#finished) {
      // A second one tells nothing anew, but waits as the first does.
      await this.#stillClosing();
      return DONE;
    }
    if (!this.#stopped) this.#reason = reason;
    this.#stopped = true;
    this.#finish();
    this.#answer();
    this.#closeSource();
    await this.#stillClosing();
    const failure = this.#closeError;
    this.#closeError = undefined;
    if (failure !== undefined) throw failure.error;
    return DONE;
  }

  /** Waits for the calls in flight and for the source's closing. */
  async #stillClosing(): Promise<void> {
    if (this.#inFlight > 0) {
      await (this.#quiet ??= withResolvers<void>()).promise;
    }
    if (this.#closing !== undefined) await this.#closing;
  }

  /** Stops with a failure that belongs to no element; it is delivered as one of the source. */
  stopWith(error: unknown): void {
    if (this.#stopped) return;
    this.#fail(error);
    this.#closeSource();
    this.#answer();
  }

  /** A call has ended. @internal */
  settle(slot: Slot<U>, state: 1 | 2, value: unknown): void {
    slot.state = state;
    slot.value = value;
    this.#inFlight--;
    if (!this.#ordered) this.#slots.push(slot);
    if (state === FAILED && !this.#stopped) {
      this.#stopped = true;
      this.#reason = value;
      this.#closeSource();
    }
    if (this.#finished) {
      if (this.#inFlight === 0) this.#quiet?.resolve();
      return;
    }
    if (!this.#pumping) this.#answer();
  }

  /** Reads and starts until the bound is reached or the source makes us wait. */
  #pump(): void {
    // Not re-entered: `start` and the source may call back into next() or return().
    if (this.#pumping || this.#reading) return;
    this.#pumping = true;
    try {
      while (
        !this.#stopped && !this.#reading && this.#held < this.#concurrency
      ) {
        const gate = this.#ready?.();
        if (gate !== undefined) {
          this.#reading = this.#gated = true;
          gate.then(this.#opened, this.#elementFailed);
          return;
        }
        this.#read();
      }
    } catch (error) {
      // Only `ready` throws; #read keeps its errors to itself.
      this.#fail(error);
      this.#closeSource();
    } finally {
      this.#pumping = false;
    }
  }

  #read(): void {
    let result;
    try {
      result = this.#iterator.pull === undefined
        ? this.#iterator.next()
        : this.#iterator.pull();
      if (isThenable(result)) {
        this.#reading = true;
        callingOnce(result).then(
          this.#arrived as (result: unknown) => void,
          this.#readFailed,
        );
        return;
      }
    } catch (error) {
      return this.#sourceFailed(error);
    }
    let value;
    try {
      if (result.done) return this.#sourceEnded();
      value = result.value;
      if (isThenable(value)) {
        // A synchronous source of promises: as `for await`, each is awaited before the next.
        this.#reading = true;
        callingOnce(value as PromiseLike<T>)
          .then(this.#elementArrived, this.#elementFailed);
        return;
      }
    } catch (error) {
      return this.#elementFailed(error);
    }
    this.#begin(value);
  }

  readonly #opened = (): void => {
    this.#reading = this.#gated = false;
    if (this.#stopped) return this.#woken();
    this.#read();
    this.#pump();
    this.#answer();
  };

  readonly #arrived = (result: IteratorResult<T>): void => {
    this.#reading = false;
    let value;
    try {
      if (result.done) {
        this.#sourceEnded();
        this.#answer();
        return;
      }
      value = result.value;
    } catch (error) {
      // No iterator result: the source is broken, but not over.
      return this.#elementFailed(error);
    }
    if (this.#stopped) return this.#woken();
    this.#begin(value);
    this.#pump();
    this.#answer();
  };

  readonly #readFailed = (error: unknown): void => {
    this.#reading = false;
    this.#sourceFailed(error);
    this.#answer();
  };

  readonly #elementArrived = (value: T): void => {
    this.#reading = false;
    if (this.#stopped) return this.#woken();
    this.#begin(value);
    this.#pump();
    this.#answer();
  };

  readonly #elementFailed = (error: unknown): void => {
    this.#reading = this.#gated = false;
    // An element or `ready` failed, not the source: that one is closed.
    if (this.#stopped) return this.#woken();
    this.#fail(error);
    this.#closeSource();
    this.#answer();
  };

  #begin(value: T): void {
    const slot = this.#free.pop() ??
      new Slot<U>(this as unknown as ConcurrentMap<never, U>);
    slot.state = PENDING;
    this.#held++;
    this.#inFlight++;
    if (this.#ordered) this.#slots.push(slot);
    let result;
    try {
      result = this.#start(value, this.#index++);
    } catch (error) {
      this.settle(slot, FAILED, error);
      return;
    }
    if (!isThenable(result)) this.settle(slot, SUCCEEDED, result);
    // A reused slot relies on being called back once.
    else callingOnce(result).then(slot.succeed, slot.fail);
  }

  #sourceEnded(): void {
    this.#sourceDone = true;
    this.#stopped = true;
  }

  #sourceFailed(error: unknown): void {
    this.#sourceDone = true;
    if (!this.#stopped) this.#fail(error);
    else if (this.#finished && !isAbortReason(error)) {
      report("A stream's source failed after it had been stopped", error);
    }
  }

  /** Gives a failure that belongs to no call its place in the order. */
  #fail(error: unknown): void {
    this.#stopped = true;
    this.#reason = error;
    const slot = new Slot<U>(this as unknown as ConcurrentMap<never, U>);
    slot.state = FAILED;
    slot.value = error;
    this.#held++;
    this.#slots.push(slot);
  }

  /** Closes the source unless it has ended, failed or been closed. */
  #closeSource(): void {
    if (this.#sourceDone) return;
    // Pending: closed when it wakes, by `woken`.
    if (
      this.#reading && !this.#gated &&
      this.#iterator[closesWhilePending] !== true
    ) return;
    this.#sourceDone = true;
    let closed;
    try {
      closed = this.#iterator.return?.(this.#reason);
    } catch (error) {
      this.#closeError = { error };
    }
    if (!isThenable(closed)) return;
    this.#closing = Promise.resolve(closed).then(
      () => {},
      (error) => {
        this.#closeError = { error };
      },
    ).then(() => {
      this.#closing = undefined;
      this.#answer();
    });
  }

  /** The source's next() came back after the stop: nobody waits for its closing any more. */
  #woken(): void {
    if (this.#sourceDone) return;
    this.#closeSource();
    const tell = () => {
      if (this.#closeError === undefined) return;
      report("A stream's source failed to close", this.#closeError.error);
      this.#closeError = undefined;
    };
    if (this.#closing === undefined) tell();
    else this.#closing.then(tell);
  }

  /** The next result that may be delivered now; throws a failure; undefined: not yet. */
  #take(): IteratorResult<U> | undefined {
    if (this.#finished) return DONE;
    const slot = this.#slots.at(0);
    if (slot === undefined) {
      if (!this.#stopped || this.#inFlight > 0 || this.#reading) {
        return undefined;
      }
      this.#finish();
      return DONE;
    }
    if (slot.state === SUCCEEDED) {
      const value = slot.value as U;
      this.#slots.shift();
      this.#held--;
      slot.value = undefined;
      this.#free.push(slot);
      if (!this.#stopped) this.#pump();
      return { done: false, value };
    }
    if (
      slot.state === PENDING || this.#inFlight > 0 ||
      this.#closing !== undefined
    ) return undefined;
    this.#finish();
    if (this.#closeError !== undefined) {
      report("A stream's source failed to close", this.#closeError.error);
      this.#closeError = undefined;
    }
    throw slot.value;
  }

  #finish(): void {
    this.#finished = true;
    this.#tellFinished?.();
  }

  /** Answers waiting next() calls with what is there; once finished, all of them. */
  #answer(): void {
    while (this.#waiters.size > 0) {
      let result;
      try {
        result = this.#take();
      } catch (error) {
        this.#waiters.shift()?.reject(error);
        continue;
      }
      if (result === undefined) return;
      this.#waiters.shift()?.resolve(result);
    }
  }
}

/** A thenable that calls back once, which a foreign one may not do. */
function callingOnce<T>(thenable: PromiseLike<T>): PromiseLike<T> {
  return isTrustedThenable(thenable) ? thenable : Promise.resolve(thenable);
}
