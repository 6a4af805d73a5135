/**
 * Keeping `minResources` alive, without calling a factory that fails in a hot loop.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { idleTimers, type TimerEntry } from "../../_internal/timer_queue.ts";

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;

/** Whose resources are kept up. */
export interface FilledPool {
  /** Whether it is open, has fewer living resources than it should, and has room for one. */
  readonly isShort: boolean;
  /** How many are being made. */
  readonly creating: number;
  /** Makes one, for nobody in particular. */
  create(): void;
}

/** Makes the resources that are missing. */
export class MinimumKeeper {
  // Invariant: a timer is set from a failure until the pause after it is over; until then nothing
  // is made for the minimum. #pauses counts the failures since something was made.
  readonly #pool: FilledPool;
  #isFilling = false;
  #pauses = 0;
  #retry: TimerEntry | undefined = undefined;

  constructor(pool: FilledPool) {
    this.#pool = pool;
  }

  /** Brings the living to the minimum, unless the factory has just failed at that. */
  fill(): void {
    // A factory that fails at once comes back here.
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (this.#retry === undefined && this.#pool.isShort) {
      // After a failure one creation tries for all; its success calls this again.
      if (this.#pauses > 0 && this.#pool.creating > 0) break;
      this.#pool.create();
    }
    this.#isFilling = false;
  }

  /** A resource was made, for whomever. */
  made(): void {
    this.#pauses = 0;
  }

  /** One for the minimum was not: holds back for a time that doubles with each failure in a row. */
  failed(): void {
    if (this.#retry !== undefined) return;
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#pauses, LONGEST_PAUSE);
    this.#pauses++;
    this.#retry = idleTimers.add(now() + pause, this);
  }

  timeUp(): void {
    this.#retry = undefined;
    this.fill();
  }

  /** Nothing more is made. */
  stop(): void {
    if (this.#retry !== undefined) idleTimers.remove(this.#retry);
    this.#retry = undefined;
  }
}
