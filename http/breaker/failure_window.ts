/**
 * Counts calls and failures of the last so many milliseconds, in ten slices.
 *
 * @module
 */

const SLICES = 10;

/** A sliding window of outcomes. */
export class FailureWindow {
  // Invariant: #calls and #failures are the sums over the slices, which are those of the last
  // `duration` milliseconds, to a tenth.
  readonly #slice: number;
  readonly #failureRate: number;
  readonly #minimumCalls: number;
  readonly #callsBySlice = new Array<number>(SLICES).fill(0);
  readonly #failuresBySlice = new Array<number>(SLICES).fill(0);
  #calls = 0;
  #failures = 0;
  #current = 0;

  constructor(duration: number, failureRate: number, minimumCalls: number) {
    this.#slice = duration / SLICES;
    this.#failureRate = failureRate;
    this.#minimumCalls = minimumCalls;
  }

  /** Counts one outcome; true when the rate is reached. */
  count(failed: boolean, time: number): boolean {
    const slice = Math.floor(time / this.#slice);
    const stale = Math.min(slice - this.#current, SLICES);
    for (let step = 1; step <= stale; step++) {
      const index = (slice - stale + step) % SLICES;
      this.#calls -= this.#callsBySlice[index]!; // within: SLICES long
      this.#failures -= this.#failuresBySlice[index]!;
      this.#callsBySlice[index] = 0;
      this.#failuresBySlice[index] = 0;
    }
    if (stale > 0) this.#current = slice;
    const index = this.#current % SLICES;
    this.#calls++;
    this.#callsBySlice[index]!++; // within: SLICES long
    if (!failed) return false;
    this.#failures++;
    this.#failuresBySlice[index]!++;
    return this.#calls >= this.#minimumCalls &&
      this.#failures / this.#calls >= this.#failureRate;
  }

  /** Forgets everything. */
  clear(): void {
    this.#callsBySlice.fill(0);
    this.#failuresBySlice.fill(0);
    this.#calls = this.#failures = 0;
  }
}
