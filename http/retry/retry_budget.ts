/**
 * Keeps retries from making an outage worse: they may be a share of the traffic, no more.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  checkOptions,
  type Checks,
  finiteDuration,
  integerFrom,
  numberBetween,
} from "../../_internal/validate.ts";
import { SlidingWindow } from "./sliding_window.ts";

/** How many retries there may be. */
export interface RetryBudgetOptions {
  /** Retries as a share of the calls within the window: 0.2 are 20 for 100 calls. @default {0.2} */
  ratio?: number | undefined;
  /**
   * So many retries are allowed within the window even if the share would be less, so that a
   * program that makes one call a minute may retry at all. @default {10}
   */
  minimum?: number | undefined;
  /** Length of the window in milliseconds. @default {10000} */
  window?: number | undefined;
}

const CHECKS: Checks<RetryBudgetOptions> = {
  ratio: numberBetween(0, 1),
  minimum: integerFrom(0),
  window: finiteDuration,
};

/** Calls that are counted between two looks at the clock, at most. */
const MAX_UNTIMED = 15;

/**
 * A bucket of retries that calls fill: within a sliding window, retries never exceed
 * `max(minimum, ratio * calls)`. One budget may serve many clients and `withRetry` calls.
 *
 * @example
 * ```ts
 * import { RetryBudget } from "@specify/async-core";
 *
 * const budget = new RetryBudget({ ratio: 0.5, minimum: 0 });
 * budget.deposit();
 * budget.deposit();
 * console.log(budget.withdraw(), budget.withdraw()); // true false
 * ```
 */
export class RetryBudget {
  // Invariant: #window has counted the calls, and marked the retries.
  readonly #ratio: number;
  readonly #minimum: number;
  readonly #window: SlidingWindow;
  #untimed = 0;
  #maxUntimed = 0;

  /**
   * A budget with nothing counted yet.
   *
   * @throws {RangeError | TypeError} For an option that is out of its range or unknown, naming it.
   */
  constructor(options: RetryBudgetOptions = {}) {
    checkOptions("RetryBudget", options, CHECKS, "budget");
    const { ratio = 0.2, minimum = 10, window = 10_000 } = options;
    this.#ratio = ratio;
    this.#minimum = minimum;
    this.#window = new SlidingWindow(window);
  }

  /** How many retries are left now. */
  get available(): number {
    this.#window.turn(now());
    return this.#left();
  }

  /** Counts a call. `time`: the present, if the caller knows it. */
  deposit(time: number = now()): void {
    this.#window.turn(time);
    this.#window.count();
  }

  /**
   * The same as `deposit()`, for a caller to whom the clock would cost as much as all the rest
   * (0.2 us): it is read at each of the first calls of a slice, then less and less often. The
   * calls between are counted where the one before was, so after a pause as many as MAX_UNTIMED
   * may count as older than they are: fewer retries then, never more.
   *
   * @internal
   */
  depositRoughly(): void {
    if (this.#untimed < this.#maxUntimed) this.#untimed++;
    else {
      this.#untimed = 0;
      this.#maxUntimed = this.#window.turn(now())
        ? 0
        : Math.min(this.#maxUntimed * 2 + 1, MAX_UNTIMED);
    }
    this.#window.count();
  }

  /** Takes one retry; false when none is left. */
  withdraw(time: number = now()): boolean {
    this.#window.turn(time);
    if (this.#left() < 1) return false;
    this.#window.mark();
    return true;
  }

  #left(): number {
    const { calls, marked } = this.#window;
    return Math.floor(Math.max(this.#minimum, this.#ratio * calls) - marked);
  }
}
