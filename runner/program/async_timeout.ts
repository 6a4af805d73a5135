/**
 * Time limits: for one function, or for a block.
 *
 * @module
 */
import {
  type AbortSubscription,
  type AbortTarget,
  subscribeAbort,
} from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { timeoutError } from "../../_internal/errors.ts";
import { tellOutcome } from "../../_internal/thenable.ts";
import {
  type TimerEntry,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  duration as checkDuration,
  functionNamed,
} from "../../_internal/validate.ts";

/** What else ends the time limit. */
export interface AsyncTimeoutOptions {
  /**
   * Ends it early, with this signal's own reason: a caller's signal, or the signal of an outer
   * time limit, so that the earlier of the two wins.
   */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<AsyncTimeoutOptions> = { signal: checkSignal };

/**
 * A time limit for a block. Its timer is gone at the end of the block.
 *
 * @example
 * ```ts
 * import { asyncTimeout, type Deadline } from "@specify/async-core";
 *
 * function halfOf(outer: Deadline): Deadline {
 *   return asyncTimeout(outer.remaining / 2, { signal: outer.signal });
 * }
 * using outer = asyncTimeout(1000);
 * using inner = halfOf(outer);
 * console.log(inner.time < outer.time); // true
 * ```
 */
export interface Deadline extends Disposable {
  /** Aborts with a `TimeoutError` when the time is up, or with the outer signal's reason. */
  readonly signal: AbortSignal;
  /** When, on the `performance.now()` line: what `submit` takes as its `deadline`. */
  readonly time: number;
  /** Milliseconds until then; never below 0. */
  readonly remaining: number;
}

/**
 * Invariant: the timer and the subscription exist exactly until the first of three: time up,
 * outer abort, dispose. So the controller aborts at most once and nothing is left behind.
 */
class TimeLimit implements Deadline, AbortTarget, TimerTarget {
  readonly time: number;
  readonly #duration: number;
  readonly #controller = new AbortController();
  readonly #ended: ((reason: unknown) => void) | undefined;
  #timer: TimerEntry | undefined = undefined;
  #subscription: AbortSubscription | undefined = undefined;

  /** `ended` is told before the signal aborts, so that the outcome is set when others react. */
  constructor(
    duration: number,
    signal: AbortSignal | undefined,
    ended?: (reason: unknown) => void,
  ) {
    this.#duration = duration;
    this.#ended = ended;
    this.time = now() + duration;
    if (signal?.aborted) {
      this.aborted(signal.reason);
      return;
    }
    if (signal !== undefined) this.#subscription = subscribeAbort(signal, this);
    if (duration !== Infinity) this.#timer = timers.add(this.time, this);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remaining(): number {
    return Math.max(this.time - now(), 0);
  }

  timeUp(): void {
    this.aborted(
      timeoutError(
        `asyncTimeout(): the time limit of ${this.#duration} ms has passed`,
      ),
    );
  }

  aborted(reason: unknown): void {
    this[Symbol.dispose]();
    this.#ended?.(reason);
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#subscription?.unsubscribe();
    this.#timer = this.#subscription = undefined;
  }
}

/**
 * Calls `fn` and waits for it, at most `duration` milliseconds. When the time is up, the promise
 * rejects at once with a `TimeoutError` (a DOMException, as `AbortSignal.timeout()` has it) and
 * the signal that `fn` was given aborts with the same error; what an `fn` that ignores it does
 * later goes nowhere. Whichever comes first wins: an error of `fn` before its time is up is
 * the outcome. The timer is gone as soon as there is one.
 *
 * @param duration Milliseconds; Infinity sets no limit.
 * @throws {DOMException} `TimeoutError` when the time is up.
 * @throws {RangeError} When `duration` is negative or NaN.
 * @throws The reason of `options.signal`, when that aborts first.
 *
 * @example
 * ```ts
 * import { asyncTimeout } from "@specify/async-core";
 *
 * console.log(await asyncTimeout(1000, () => Promise.resolve("in time")));
 * await asyncTimeout(1, () => new Promise(() => {})).catch((error) => {
 *   console.log(error.name); // TimeoutError
 * });
 * ```
 */
export function asyncTimeout<T>(
  duration: number,
  fn: (signal: AbortSignal) => T | PromiseLike<T>,
  options?: AsyncTimeoutOptions,
): Promise<T>;
/**
 * A time limit for a block, as Python's `asyncio.timeout()` is one: hand `deadline.signal` to
 * what the block calls. The timer is gone when the block ends.
 *
 * @param duration Milliseconds; Infinity sets no limit.
 * @throws {RangeError} When `duration` is negative or NaN.
 *
 * @example
 * ```ts
 * import { asyncTimeout } from "@specify/async-core";
 *
 * using deadline = asyncTimeout(1000);
 * const answer = await fetch("data:,hello", { signal: deadline.signal });
 * console.log(await answer.text()); // hello
 * ```
 */
export function asyncTimeout(
  duration: number,
  options?: AsyncTimeoutOptions,
): Deadline;
export function asyncTimeout<T>(
  duration: number,
  fnOrOptions?:
    | ((signal: AbortSignal) => T | PromiseLike<T>)
    | AsyncTimeoutOptions,
  options?: AsyncTimeoutOptions,
): Promise<T> | Deadline {
  checkDuration("duration", duration);
  return fnOrOptions === undefined || typeof fnOrOptions === "object"
    ? new TimeLimit(duration, signalOf(fnOrOptions))
    : callWithin(duration, functionNamed("fn", fnOrOptions), options);
}

function signalOf(
  options: AsyncTimeoutOptions | undefined,
): AbortSignal | undefined {
  if (options === undefined) return undefined;
  return checkOptions("asyncTimeout()", options, CHECKS).signal;
}

function callWithin<T>(
  duration: number,
  fn: (signal: AbortSignal) => T | PromiseLike<T>,
  options: AsyncTimeoutOptions | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = signalOf(options);
    signal?.throwIfAborted();
    const limit = new TimeLimit(duration, signal, reject);
    // After the limit has rejected, what follows is a resolve or reject without effect; the late
    // error counts as handled.
    tellOutcome(fn, limit.signal, limit, (limit, value) => {
      limit[Symbol.dispose]();
      resolve(value);
    }, (limit, error) => {
      limit[Symbol.dispose]();
      reject(error);
    });
  });
}
