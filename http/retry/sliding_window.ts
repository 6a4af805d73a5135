/**
 * Counts the calls of the last so many milliseconds, and some of them (failures, retries) once more.
 *
 * @module
 */

const SLICES = 10;

/** Two counts over a window that slides in ten slices. */
export class SlidingWindow {
  // Invariant: `calls` and `marked` are the sums over the slices, which are those of the last
  // `duration` milliseconds, to a tenth. Only `turn` drops a slice, and takes it from the sums.
  readonly #slice: number;
  readonly #callsBySlice = new Array<number>(SLICES).fill(0);
  readonly #markedBySlice = new Array<number>(SLICES).fill(0);
  #current = 0;
  /** Calls within the window. */
  calls = 0;
  /** Those of them that are counted once more. */
  marked = 0;

  constructor(duration: number) {
    this.#slice = duration / SLICES;
  }

  /** Drops what is too old at `time`; true when a slice has begun. */
  turn(time: number): boolean {
    const slice = Math.floor(time / this.#slice);
    if (slice <= this.#current) return false;
    const stale = Math.min(slice - this.#current, SLICES);
    for (let step = 1; step <= stale; step++) {
      const index = (slice - stale + step) % SLICES;
      this.calls -= this.#callsBySlice[index]!; // within: SLICES long
      this.marked -= this.#markedBySlice[index]!;
      this.#callsBySlice[index] = 0;
      this.#markedBySlice[index] = 0;
    }
    this.#current = slice;
    return true;
  }

  /** Counts a call at the time of the last `turn`. */
  count(): void {
    this.calls++;
    this.#callsBySlice[this.#current % SLICES]!++; // within: SLICES long
  }

  /** Counts one once more. */
  mark(): void {
    this.marked++;
    this.#markedBySlice[this.#current % SLICES]!++; // within: SLICES long
  }

  /** Forgets everything. */
  clear(): void {
    this.#callsBySlice.fill(0);
    this.#markedBySlice.fill(0);
    this.calls = this.marked = 0;
  }
}
