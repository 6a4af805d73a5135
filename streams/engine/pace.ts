/**
 * How far a run goes before it lets timers and I/O have their turn.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import type { Wait } from "../../_internal/iterators.ts";

/** How long a run may keep the event loop, in milliseconds. */
const SLICE = 8;
/** Most elements between two looks at the clock (0.2 us each). */
const MAX_STRIDE = 1024;

// Invariant: a stride takes about SLICE / 8 to SLICE / 4, however long the functions of the
// stream take for an element: it doubles when it was quicker, and is halved when it was slower.
/** The pace of one run. */
export class Pace {
  /** How many elements to push until the next look. */
  stride = 16;
  #strideStart = -1;
  #sliceStart = -1;

  /**
   * Looks at the clock. A thenable: pause until it settles. The stride does not become shorter
   * than `shortest`.
   */
  look(shortest: number): Wait {
    const time = now();
    if (this.#sliceStart < 0) this.#sliceStart = time;
    else {
      const elapsed = time - this.#strideStart;
      if (elapsed < SLICE / 8) {
        if (this.stride < MAX_STRIDE) this.stride *= 2;
      } else if (elapsed > SLICE / 4 && this.stride > shortest) {
        this.stride /= 2;
      }
    }
    this.#strideStart = time;
    return time - this.#sliceStart < SLICE
      ? undefined
      : macrotask().then(this.#paused);
  }

  readonly #paused = (): void => {
    this.#sliceStart = this.#strideStart = now();
  };
}
