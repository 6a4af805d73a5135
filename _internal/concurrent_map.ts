/**
 * A function over a source, several calls at once: bounded, in order or as they end, and closed
 * once. What `map({ concurrency })` of streams and `runner.map` stand on, and whatever else does
 * one thing to many, so many at a time: give it a source, a function, how many and whether in order;
 * read the results as an iterator, or `run` it for what the function does.
 *
 * States: new, reading, stopped, finished, in this order; none comes back.
 * - new: nothing was read. The first `next()` begins.
 * - reading: elements are read and calls begun while there is room.
 * - stopped: the source is over, by its own end or failure, or because it was closed: by a call
 *   that failed, by `stopWith`, or by `return()`. Nothing more is read; what is in flight goes on.
 * - finished: everything has been delivered, the failure last, or `return()` was called, which
 *   itself waits until nothing is in flight and the source is closed.
 *
 * A call that waits for a place in a runner is in flight like any other; `ready` keeps the source from
 * being read for calls that a runner has no room for.
 *
 * @module
 */
import { abortError } from "./errors.ts";
import {
  type AnyIterator,
  closesWhilePending,
  DONE,
  isAsyncIterable,
  nextOf,
} from "./iterators.ts";
import { isEcho, reportLate } from "./late_failure.ts";
import { withResolvers } from "./resolvers.ts";
import { Ring } from "./ring.ts";
import { callingOnce, isThenable } from "./thenable.ts";
import {
  STOPPED,
  UNCLOSED,
  Upstream,
  type UpstreamReader,
} from "./upstream.ts";

/** How many at once, and in which order the results come. */
export interface ConcurrentMapOptions {
  /** How many elements may be read and not yet delivered: at least 1, or Infinity. */
  concurrency: number;
  /** True: in the order of the source. False: as they end. */
  ordered: boolean;
  /**
   * Asked before each read: `undefined` to go on, or a promise to wait for first. For a runner:
   * `() => runner.isFull ? runner.ready(signal) : undefined`.
   */
  ready?: (() => PromiseLike<void> | undefined) | undefined;
  /** Told at once of a failure that belongs to no call, while what is in flight goes on. */
  failed?: ((error: unknown) => void) | undefined;
  /** Told once, when nothing more will be delivered. */
  finished?: (() => void) | undefined;
  /**
   * Ends the calls from this number on, for `reason`: a call has failed, or the consumer has left,
   * so nobody will see what they give. They are waited for all the same.
   */
  cancelFrom?: ((index: number, reason: unknown) => void) | undefined;
  /**
   * Tells of a failure that is not delivered, where there is a better place than the console.
   * `call` is what the function returned.
   */
  tellLate?: ((error: unknown, call: PromiseLike<unknown>) => void) | undefined;
}

const PENDING = 0;
const SUCCEEDED = 1;
const FAILED = 2;

/** One call of the function. Reused: one per place, not one per element. */
class Slot<U> {
  state: typeof PENDING | typeof SUCCEEDED | typeof FAILED = PENDING;
  /** The result, or the error when it failed. */
  value: unknown = undefined;
  /** What the function returned, where `tellLate` may ask for it. */
  call: PromiseLike<unknown> | undefined = undefined;
  /** The number of the element. */
  index = 0;
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
// - stopped is `source.isOver`: after it nothing is read, and no call is begun.
// - a failure is delivered only when nothing is in flight and no closing is under way; then comes
//   `finished`, after which every next() is done. Every other failure is told late, once: what has
//   come before `finished` is in `slots` then, and what comes after it is told as it comes.
// - while `isPumping`, results wait: who pumps answers the waiting next() calls afterwards, so that
//   these are answered in their order.
/** See the module. Lazy: nothing is read before the first `next()`. */
export class ConcurrentMap<T, U>
  implements AsyncIterableIterator<U>, UpstreamReader<T> {
  readonly [closesWhilePending] = true;
  readonly #source: Upstream<T>;
  /** A synchronous source may have promises in it, each awaited before the next is read. */
  readonly #isSynchronous: boolean;
  readonly #start: (value: T, index: number) => U | PromiseLike<U>;
  #concurrency: number;
  readonly #ordered: boolean;
  readonly #ready: (() => PromiseLike<void> | undefined) | undefined;
  readonly #options: ConcurrentMapOptions;
  readonly #tellsCalls: boolean;
  readonly #slots = new Ring<Slot<U>>();
  readonly #free: Slot<U>[] = [];
  readonly #waiters = new Ring<Waiter<U>>();
  #index = 0;
  #held = 0;
  #inFlight = 0;
  /** The next read waits for `ready`, or for an element that is a promise. */
  #isBlocked = false;
  #isPumping = false;
  #finished = false;
  /** Calls of this number and above were cancelled already. */
  #cancelledFrom = Infinity;
  /** What it was finished by: the failure that is delivered, or the reason of `return()`. */
  #reason: unknown = undefined;
  /** What closing the source has failed with, until somebody is told. */
  #closeError: { error: unknown } | undefined = undefined;
  /** Resolves when nothing is in flight any more; made when somebody waits for that. */
  #quiet: PromiseWithResolvers<void> | undefined = undefined;

  constructor(
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    start: (value: T, index: number) => U | PromiseLike<U>,
    options: ConcurrentMapOptions,
  ) {
    this.#isSynchronous = !isAsyncIterable(source);
    const iterator = isAsyncIterable(source)
      ? source[Symbol.asyncIterator]()
      : source[Symbol.iterator]();
    this.#source = new Upstream(iterator as AnyIterator<T>, this);
    this.#start = start;
    this.#concurrency = options.concurrency;
    this.#ordered = options.ordered;
    this.#ready = options.ready;
    this.#options = options;
    this.#tellsCalls = options.tellLate !== undefined;
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
    if (this.#isPumping) return;
    this.#pump();
    this.#answer();
  }

  next(): Promise<IteratorResult<U>> {
    return nextOf(this);
  }

  /** `next()` that costs no promise when a result is there already. Throws a failure. */
  pull(): IteratorResult<U> | Promise<IteratorResult<U>> {
    if (this.#waiters.size === 0) {
      this.#pump();
      const result = this.#take();
      // The function itself may have called next().
      if (this.#waiters.size > 0) this.#answer();
      if (result !== undefined) return result;
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  /** Runs to the end for what the function does. Rejects with the failure, when all has ended. */
  async run(): Promise<void> {
    let done;
    do ({ done } = await this.pull()); while (!done);
  }

  /** Stops: reads nothing more, waits for what is in flight, closes the source. */
  async return(reason?: unknown): Promise<IteratorResult<U>> {
    const isFirst = !this.#finished;
    if (isFirst) {
      this.#finish(reason);
      this.#answer();
      this.#close(reason);
      this.#cancelFrom(0, "The consumer of the map left");
    }
    if (this.#inFlight > 0) {
      await (this.#quiet ??= withResolvers<void>()).promise;
    }
    if (this.#source.closing !== undefined) await this.#source.closing;
    // A second one tells nothing anew, but waits as the first does.
    const failure = this.#closeError;
    if (!isFirst || failure === undefined) return DONE;
    this.#closeError = undefined;
    throw failure.error;
  }

  /** Stops with a failure that belongs to no element; it is delivered as one of the source. */
  stopWith(error: unknown): void {
    if (this.#source.isOver) return;
    this.#fail(error);
    this.#close(error);
    this.readOn();
  }

  /** A call has ended. @internal */
  settle(slot: Slot<U>, state: 1 | 2, value: unknown): void {
    slot.state = state;
    slot.value = value;
    this.#inFlight--;
    if (this.#finished) {
      if (state === FAILED) this.#tellLate(slot);
      if (this.#inFlight === 0) this.#quiet?.resolve();
      return;
    }
    if (!this.#ordered) this.#slots.push(slot);
    if (state === FAILED) this.#callFailed(slot);
    if (!this.#isPumping) this.#answer();
  }

  /** In order, what comes before it is still delivered. */
  #callFailed({ value, index }: Slot<U>): void {
    this.#close(value);
    this.#cancelFrom(
      this.#ordered ? index : 0,
      "Another task of the same map failed",
    );
  }

  #cancelFrom(index: number, why: string): void {
    if (
      this.#inFlight === 0 || index >= this.#cancelledFrom ||
      this.#options.cancelFrom === undefined
    ) return;
    this.#cancelledFrom = index;
    this.#options.cancelFrom(
      index,
      abortError(`${why}, so this one was cancelled`),
    );
  }

  /** An element of the source. @internal */
  arrived(value: T): void {
    if (this.#isSynchronous && this.#isAwaited(value)) return;
    this.#begin(value);
    this.readOn();
  }

  /** The source has ended. @internal */
  ended(): void {
    this.readOn();
  }

  /** The source has failed. @internal */
  failed(error: unknown): void {
    this.#fail(error);
    this.readOn();
  }

  /** Gives a failure that belongs to no call its place in the order. */
  #fail(error: unknown): void {
    const slot = this.#newSlot();
    slot.state = FAILED;
    slot.value = error;
    this.#held++;
    this.#slots.push(slot);
    this.#options.failed?.(error);
  }

  /** Reads and starts until the bound is reached or the source makes us wait. */
  #pump(): void {
    // Not re-entered: `start` and the source may call back into next() or return().
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#mayRead()) this.#source.read();
    this.#isPumping = false;
  }

  #mayRead(): boolean {
    if (
      this.#held >= this.#concurrency || this.#isBlocked ||
      this.#source.isPending || this.#source.isOver
    ) return false;
    if (this.#ready === undefined) return true;
    try {
      const gate = this.#ready();
      if (gate === undefined) return true;
      this.#isBlocked = true;
      gate.then(this.#letIn, this.#refused);
    } catch (error) {
      this.stopWith(error);
    }
    return false;
  }

  /** It reads without asking again. */
  readonly #letIn = (): void => {
    this.#isBlocked = false;
    this.#source.read();
    this.readOn();
  };

  readonly #refused = (error: unknown): void => {
    this.#isBlocked = false;
    this.stopWith(error);
  };

  /** Whether the element is a promise, which is awaited as `for await` does it. */
  #isAwaited(value: unknown): boolean {
    try {
      if (!isThenable(value)) return false;
      this.#isBlocked = true;
      callingOnce(value as PromiseLike<T>)
        .then(this.#awaited, this.#elementFailed);
    } catch (error) {
      this.#refused(error);
    }
    return true;
  }

  readonly #awaited = (value: T): void => {
    this.#isBlocked = false;
    if (this.#source.isOver) return;
    this.#begin(value);
    this.readOn();
  };

  readonly #elementFailed = (error: unknown): void => {
    if (this.#source.isOver) reportLate(STOPPED, error, this.#reason);
    else this.#refused(error);
  };

  #begin(value: T): void {
    const slot = this.#free.pop() ?? this.#newSlot();
    slot.state = PENDING;
    slot.index = this.#index++;
    this.#held++;
    this.#inFlight++;
    if (this.#ordered) this.#slots.push(slot);
    let result;
    try {
      result = this.#start(value, slot.index);
      if (isThenable(result)) {
        if (this.#tellsCalls) slot.call = result;
        // A reused slot relies on being called back once.
        callingOnce(result).then(slot.succeed, slot.fail);
        return;
      }
    } catch (error) {
      return slot.fail(error);
    }
    slot.succeed(result);
  }

  #newSlot(): Slot<U> {
    return new Slot<U>(this as unknown as ConcurrentMap<never, U>);
  }

  /** Closes the source unless it is over. */
  #close(reason: unknown): void {
    if (this.#source.isOver) return;
    const failed = (error: unknown) => void (this.#closeError = { error });
    try {
      this.#source.close(reason)?.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** The next result that may be delivered now; throws a failure; undefined: not yet. */
  #take(): IteratorResult<U> | undefined {
    if (this.#finished) return DONE;
    const slot = this.#slots.at(0);
    if (slot === undefined) {
      if (!this.#source.isOver || this.#inFlight > 0) return undefined;
      this.#finish();
      return DONE;
    }
    if (slot.state === SUCCEEDED) {
      const value = slot.value as U;
      this.#slots.shift();
      this.#held--;
      slot.value = slot.call = undefined;
      this.#free.push(slot);
      this.#pump();
      return { done: false, value };
    }
    if (slot.state === PENDING || this.#inFlight > 0) return undefined;
    const { closing } = this.#source;
    if (closing !== undefined) {
      closing.then(() => this.#answer());
      return undefined;
    }
    this.#slots.shift();
    this.#finish(slot.value);
    if (this.#closeError !== undefined) {
      reportLate(UNCLOSED, this.#closeError.error, slot.value);
      this.#closeError = undefined;
    }
    throw slot.value;
  }

  #finish(reason?: unknown): void {
    this.#finished = true;
    this.#reason = reason;
    while (this.#slots.size > 0) {
      const slot = this.#slots.shift();
      if (slot?.state === FAILED) this.#tellLate(slot);
    }
    this.#options.finished?.();
  }

  /** Tells of a failure that is not delivered. */
  #tellLate({ value, call }: Slot<U>): void {
    const { tellLate } = this.#options;
    if (isEcho(value, this.#reason)) return;
    if (call === undefined || tellLate === undefined) {
      reportLate(STOPPED, value);
    } else tellLate(value, call);
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
