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
  checkOptions,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  integerFrom,
  required,
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
export interface HedgeCallOptions extends HedgeOptions {
  /** Ends all of them, with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

/** The checks of when to hedge. */
export const HEDGE_CHECKS: Checks<HedgeOptions> = {
  delay: required(duration),
  max: integerFrom(1),
};

const CHECKS: Checks<HedgeCallOptions> = {
  ...HEDGE_CHECKS,
  signal: checkSignal,
};

/** What decides between the competitors. */
export interface HedgeRules<T> {
  /** Whether a value wins; one that does not is kept in case nothing better comes. */
  accept(value: T): boolean;
  /** Asked before each further one; false lets it be. */
  allow(): boolean;
  /** Told each value that was not returned, to give back what it holds. */
  discard(value: T): void;
}

/** Every value wins, and holds nothing. */
const FIRST_WINS: HedgeRules<unknown> = {
  accept: () => true,
  allow: () => true,
  discard() {},
};

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
  options: HedgeCallOptions,
): Promise<T> {
  functionNamed("fn", fn);
  checkOptions("hedge()", options, CHECKS);
  return hedgeBy<T>(FIRST_WINS, fn, options);
}

/** What `hedge` does, by rules of the caller's. */
export function hedgeBy<T>(
  rules: HedgeRules<T>,
  fn: (context: HedgeContext) => T | PromiseLike<T>,
  options: HedgeCallOptions,
): Promise<T> {
  const { signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    new Race(rules, fn, options, resolve, reject).start();
  });
}

class Race<T> {
  // Invariant: #running holds the controllers of competitors that have not settled. The race is
  // settled exactly once, by #finish; afterwards every value that still comes is discarded.
  readonly #rules: HedgeRules<T>;
  readonly #fn: (context: HedgeContext) => T | PromiseLike<T>;
  readonly #options: HedgeCallOptions;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #running = new Set<AbortController>();
  readonly #max: number;
  #started = 0;
  #isSettled = false;
  #timer: TimerEntry | undefined;
  #failure: { error: unknown } | undefined;
  #reserve: { value: T } | undefined;
  #subscription: { unsubscribe(): void } | undefined;

  constructor(
    rules: HedgeRules<T>,
    fn: (context: HedgeContext) => T | PromiseLike<T>,
    options: HedgeCallOptions,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#rules = rules;
    this.#fn = fn;
    this.#options = options;
    this.#max = 1 + (options.max ?? 1);
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
    if (this.#rules.allow()) this.#next();
  }

  #next(): void {
    const controller = new AbortController();
    this.#running.add(controller);
    this.#started++;
    if (this.#started < this.#max && this.#options.delay !== Infinity) {
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
    if (this.#isSettled) return this.#rules.discard(value);
    let accepted: boolean;
    try {
      accepted = this.#rules.accept(value);
    } catch (error) {
      this.#rules.discard(value);
      return this.#lost(controller, error);
    }
    if (accepted) {
      this.#discardReserve();
      this.#finish(new HedgeLostError());
      return this.#resolve(value);
    }
    if (this.#reserve === undefined) this.#reserve = { value };
    else this.#rules.discard(value);
    this.#goOn();
  }

  #lost(controller: AbortController, error: unknown): void {
    this.#running.delete(controller);
    if (this.#isSettled) return;
    this.#failure ??= { error };
    this.#goOn();
  }

  /** One has ended without winning: the others go on, and the last decides. */
  #goOn(): void {
    if (this.#running.size > 0) return;
    this.#finish(undefined);
    if (this.#reserve !== undefined) this.#resolve(this.#reserve.value);
    else this.#reject(this.#failure!.error); // the last one failed, and is no reserve
  }

  #discardReserve(): void {
    if (this.#reserve === undefined) return;
    const { value } = this.#reserve;
    this.#reserve = undefined;
    this.#rules.discard(value);
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
