/**
 * Keeps tasks that never leave the microtask queue from starving timers and I/O. Nothing tells
 * whether the event loop has turned, so a callback is asked for that runs when it does: while that
 * is awaited for longer than the budget, no further task is started.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { afterMacrotask } from "../../_internal/macrotask.ts";

/** Milliseconds for which tasks may be started without a turn of the event loop. */
const BUDGET = 4;
/** The clock is read once for so many starts at most, since that costs a tenth of a task … */
const MAX_STARTS_BETWEEN_LOOKS = 128;
/** … and about once for so many milliseconds, however much each task computes. */
const LOOK_INTERVAL = 1;

/** Says when to hold back, and calls back when that is over. */
export class TurnBudget {
  // Invariant: isSpent only while a turn is awaited, so that its callback ends it.
  /** No task may start until the event loop has turned. */
  isSpent = false;
  /** Set while a start cannot wait, because it decides whether another task is turned away. */
  isLifted = false;
  readonly #renewed: () => void;
  #starts = 0;
  #startsBetweenLooks = 1;
  #lookedAt = 0;
  #isAwaited = false;
  #awaitedSince = 0;

  /** `renewed` is called after a turn for which tasks were held back. */
  constructor(renewed: () => void) {
    this.#renewed = renewed;
  }

  /** Called before each start; true when it has to wait for a turn of the event loop. */
  spend(): boolean {
    if (this.isLifted) return false;
    if (this.isSpent) return true;
    if (++this.#starts < this.#startsBetweenLooks) return false;
    this.#starts = 0;
    return this.#look();
  }

  #look(): boolean {
    const time = now();
    const passed = time - this.#lookedAt;
    this.#lookedAt = time;
    this.#startsBetweenLooks = passed < LOOK_INTERVAL
      ? Math.min(MAX_STARTS_BETWEEN_LOOKS, this.#startsBetweenLooks * 2)
      : Math.max(
        1,
        Math.floor(this.#startsBetweenLooks * LOOK_INTERVAL / passed),
      );
    if (this.#isAwaited) this.isSpent = time - this.#awaitedSince >= BUDGET;
    else {
      this.#isAwaited = true;
      this.#awaitedSince = time;
      afterMacrotask(this.#turned);
    }
    return this.isSpent;
  }

  readonly #turned = (): void => {
    this.#isAwaited = false;
    if (!this.isSpent) return;
    this.isSpent = false;
    this.#renewed();
  };
}
