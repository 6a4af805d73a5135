/**
 * A second request when the first is slow: the tail of the latencies is cut for a few percent more
 * traffic.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import {
  checkSignal,
  duration,
  functionNamed,
  integer,
  object,
  show,
} from "../../_internal/validate.ts";

/** When to hedge. */
export interface HedgeOptions {
  /** Milliseconds without an answer before another is started: about the 95th percentile. */
  delay: number;
  /** Further ones at most. @default {1} */
  max?: number | undefined;
}

/** What each of the competitors is given. */
export interface HedgeContext {
  /** Which one this is, from 1. */
  readonly attempt: number;
  /** Aborts when another has won, or the caller has given up. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode hedge}. */
export interface HedgeCallOptions<T> extends HedgeOptions {
  /** Ends all of them, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Whether a value wins; one that does not is kept in case nothing better comes. @default Every value wins. */
  accept?: ((value: T) => boolean) | undefined;
  /** Asked before each further one; false lets it be. */
  allow?: (() => boolean) | undefined;
  /** Told each value that was not returned, to give back what it holds. */
  discard?: ((value: T) => void) | undefined;
}

/** Checks the options. */
export function checkedHedge(
  options: HedgeOptions | undefined,
): HedgeOptions | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`hedge must be { delay, max }, got ${show(options)}`);
  }
  duration("hedge.delay", options.delay);
  if (options.max !== undefined) integer("hedge.max", options.max, 1);
  return options;
}

/** The reason that the losers' signals abort with. */
export class HedgeLostError extends Error {
  /** Always `"HedgeLostError"`. */
  override readonly name = "HedgeLostError";

  /** Made by `hedge`. */
  constructor() {
    super("Another request of the same call was answered first.");
  }
}

/**
 * Calls `fn`; when it has not settled after `delay`, calls it again beside, at most `max` times
 * more. The first success wins, and the others' signals abort. A failure starts nothing (that is
 * `withRetry`'s work); when all that were started have failed, the first failure is thrown.
 *
 * @example
 * ```ts
 * import { hedge } from "@specify/async-core";
 *
 * const winner = await hedge(
 *   ({ attempt }) => attempt === 1 ? new Promise<number>(() => {}) : Promise.resolve(attempt),
 *   { delay: 5 },
 * );
 * console.log(winner); // 2
 * ```
 */
export function hedge<T>(
  fn: (context: HedgeContext) => T | PromiseLike<T>,
  options: HedgeCallOptions<T>,
): Promise<T> {
  functionNamed("fn", fn);
  object("options", options);
  checkedHedge(options);
  const { signal, accept, allow, discard } = options;
  if (signal !== undefined) checkSignal("signal", signal);
  if (accept !== undefined) functionNamed("accept", accept);
  if (allow !== undefined) functionNamed("allow", allow);
  if (discard !== undefined) functionNamed("discard", discard);
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    new Race(fn, options, resolve, reject).start();
  });
}

class Race<T> {
  // Invariant: #running holds the controllers of competitors that have not settled. The race is
  // settled exactly once, by #finish; afterwards every value that still comes is discarded.
  readonly #fn: (context: HedgeContext) => T | PromiseLike<T>;
  readonly #options: HedgeCallOptions<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #running = new Set<AbortController>();
  readonly #most: number;
  #started = 0;
  #isSettled = false;
  #timer: TimerEntry | undefined;
  #failed = false;
  #failure: unknown;
  #reserve: { value: T } | undefined;
  #subscription: { unsubscribe(): void } | undefined;

  constructor(
    fn: (context: HedgeContext) => T | PromiseLike<T>,
    options: HedgeCallOptions<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#fn = fn;
    this.#options = options;
    this.#most = 1 + (options.max ?? 1);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { signal } = this.#options;
    if (signal !== undefined) {
      this.#subscription = onAbort(signal, (reason) => {
        if (!this.#finish(reason)) return;
        this.#discardReserve();
        this.#reject(reason);
      });
    }
    this.#next();
  }

  timeUp(): void {
    this.#timer = undefined;
    if (this.#options.allow?.() ?? true) this.#next();
  }

  #next(): void {
    const controller = new AbortController();
    this.#running.add(controller);
    this.#started++;
    if (this.#started < this.#most && this.#options.delay !== Infinity) {
      this.#timer = timers.add(now() + this.#options.delay, this);
    }
    const context = { attempt: this.#started, signal: controller.signal };
    let result: Promise<T>;
    try {
      result = Promise.resolve(this.#fn(context));
    } catch (error) {
      result = Promise.reject(error);
    }
    result.then(
      (value) => this.#ended(controller, value),
      (error) => this.#lost(controller, error),
    );
  }

  #ended(controller: AbortController, value: T): void {
    this.#running.delete(controller);
    if (this.#isSettled) return this.#options.discard?.(value);
    let accepted: boolean;
    try {
      accepted = this.#options.accept?.(value) ?? true;
    } catch (error) {
      this.#options.discard?.(value);
      return this.#lost(controller, error);
    }
    if (accepted) {
      this.#discardReserve();
      this.#finish(new HedgeLostError());
      return this.#resolve(value);
    }
    if (this.#reserve === undefined) this.#reserve = { value };
    else this.#options.discard?.(value);
    this.#goOn();
  }

  #lost(controller: AbortController, error: unknown): void {
    this.#running.delete(controller);
    if (this.#isSettled) return;
    if (!this.#failed) {
      this.#failed = true;
      this.#failure = error;
    }
    this.#goOn();
  }

  /** One has ended without winning: the others go on, and the last decides. */
  #goOn(): void {
    if (this.#running.size > 0) return;
    this.#finish(undefined);
    if (this.#reserve !== undefined) this.#resolve(this.#reserve.value);
    else this.#reject(this.#failure);
  }

  #discardReserve(): void {
    if (this.#reserve === undefined) return;
    const { value } = this.#reserve;
    this.#reserve = undefined;
    this.#options.discard?.(value);
  }

  #finish(reason: unknown): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#subscription?.unsubscribe();
    for (const controller of this.#running) controller.abort(reason);
    return true;
  }
}
