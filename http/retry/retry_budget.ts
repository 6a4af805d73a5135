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

const SLICES = 10;
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
  // Invariant: #calls and #retries are the sums of the slices' counts, and the slices are those
  // of the last `window` milliseconds. Only `#turn` drops a slice, and takes it from the sums.
  readonly #ratio: number;
  readonly #minimum: number;
  readonly #slice: number;
  readonly #callsBySlice = new Array<number>(SLICES).fill(0);
  readonly #retriesBySlice = new Array<number>(SLICES).fill(0);
  #calls = 0;
  #retries = 0;
  #current = 0;
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
    this.#slice = window / SLICES;
  }

  /** How many retries are left now. */
  get available(): number {
    this.#turn(now());
    return this.#left();
  }

  /** Counts a call. `time`: the present, if the caller knows it. */
  deposit(time: number = now()): void {
    this.#turn(time);
    this.#calls++;
    this.#callsBySlice[this.#current % SLICES]!++; // within: SLICES long
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
      const before = this.#current;
      this.#turn(now());
      this.#untimed = 0;
      this.#maxUntimed = this.#current === before
        ? Math.min(this.#maxUntimed * 2 + 1, MAX_UNTIMED)
        : 0;
    }
    this.#calls++;
    this.#callsBySlice[this.#current % SLICES]!++; // within: SLICES long
  }

  /** Takes one retry; false when none is left. */
  withdraw(time: number = now()): boolean {
    this.#turn(time);
    if (this.#left() < 1) return false;
    this.#retries++;
    this.#retriesBySlice[this.#current % SLICES]!++; // within: SLICES long
    return true;
  }

  #left(): number {
    return Math.floor(
      Math.max(this.#minimum, this.#ratio * this.#calls) - this.#retries,
    );
  }

  #turn(time: number): void {
    const slice = Math.floor(time / this.#slice);
    if (slice <= this.#current) return;
    const stale = Math.min(slice - this.#current, SLICES);
    for (let step = 1; step <= stale; step++) {
      const index = (slice - stale + step) % SLICES;
      this.#calls -= this.#callsBySlice[index]!; // within: SLICES long
      this.#retries -= this.#retriesBySlice[index]!;
      this.#callsBySlice[index] = 0;
      this.#retriesBySlice[index] = 0;
    }
    this.#current = slice;
  }
}
