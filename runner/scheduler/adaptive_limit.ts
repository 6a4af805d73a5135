/**
 * A concurrency limit that is found by measuring: the gradient algorithm of Netflix's
 * concurrency-limits (Gradient2). While the latency of single tasks stays near its long average,
 * the limit grows by its square root (at most a fifth); when tasks take longer, it shrinks in proportion.
 *
 * @module
 */

/** Bounds of a limit that adapts itself. */
export interface AdaptiveOptions {
  /** The limit never falls below this. @default {1} */
  min?: number | undefined;
  /** The limit never rises above this. @default {1000} */
  max?: number | undefined;
}

/** Latency may rise this far over its long average before the limit shrinks. */
const TOLERANCE = 1.5;
/** How much of each new estimate is taken over. */
const SMOOTHING = 0.2;
/** The long average forgets at the pace of this many samples. */
const LONG_WINDOW = 600;
/** Samples until which the long average is a plain mean. */
const WARM_UP = 10;
/** What a task that failed by its time limit does to the limit. */
const BACK_OFF = 0.9;

/** Sets a limit from the latency of the tasks that ran under it. */
export class AdaptiveLimit {
  // Invariant: #limit, which need not be whole, lies between #min and `max`, both included.
  readonly #min: number;
  /** The limit never rises above this. */
  readonly max: number;
  #limit: number;
  #longAverage = 0;
  #samples = 0;

  constructor(options: AdaptiveOptions, initial: number) {
    this.#min = options.min ?? 1;
    this.max = options.max ?? 1000;
    if (this.#min > this.max) {
      throw new RangeError(
        `adaptive.min must not be above adaptive.max, got ${this.#min} and ${this.max}`,
      );
    }
    this.#limit = Math.min(Math.max(initial, this.#min), this.max);
  }

  /** The limit now, a whole number. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Goes on from `limit`, within the bounds; returns the limit now. */
  startFrom(limit: number): number {
    this.#set(limit);
    return this.limit;
  }

  /** A task succeeded after `latency` ms, with `inFlight` slots in use when it ended. */
  succeeded(latency: number, inFlight: number): void {
    this.#samples++;
    const long = this.#longAverage;
    if (this.#samples <= WARM_UP) {
      this.#longAverage += (latency - long) / this.#samples;
    } else {
      this.#longAverage += (latency - long) * 2 / (LONG_WINDOW + 1);
    }
    // Latency fell far below the average: forget faster, or the limit would stay high for long.
    if (long > latency * 2) this.#longAverage *= 0.95;
    // Less than half in use says nothing about what the limit could be.
    if (inFlight < this.#limit / 2) return;
    const gradient = latency === 0
      ? 1
      : Math.max(0.5, Math.min(1, TOLERANCE * this.#longAverage / latency));
    // The cap of a fifth: the root alone would let a limit under 16 grow while latency doubles.
    const growth = Math.min(Math.sqrt(this.#limit), this.#limit / 5);
    const wanted = this.#limit * gradient + growth;
    this.#set(this.#limit * (1 - SMOOTHING) + wanted * SMOOTHING);
  }

  /** A task ran into its time limit: too much was in flight, whatever the average says. */
  timedOut(): void {
    this.#set(this.#limit * BACK_OFF);
  }

  #set(limit: number): void {
    this.#limit = Math.min(Math.max(limit, this.#min), this.max);
  }
}
