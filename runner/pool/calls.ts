/**
 * Calling what a pool was given (factory, validate, cleanup): an outcome comes no later than its
 * limit, and failures are not asked for in a loop.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  idleTimers,
  type TimerEntry,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";

/** Waits for `pending`; after `limit` milliseconds rejects with the error that `late` makes. */
export function within<T>(
  limit: number,
  pending: PromiseLike<T>,
  late: () => unknown,
): Promise<T> {
  if (limit === Infinity) return Promise.resolve(pending);
  return new Promise((resolve, reject) => {
    const timer = timers.add(now() + limit, { timeUp: () => reject(late()) });
    // What comes too late goes nowhere.
    Promise.resolve(pending).then(resolve, reject)
      .then(() => timers.remove(timer));
  });
}

const MIN_PAUSE = 100;
const MAX_PAUSE = 30_000;

/** A pause after a failure, which doubles with each failure in a row. */
export class Backoff implements TimerTarget {
  readonly #over: () => void;
  #failures = 0;
  #timer: TimerEntry | undefined = undefined;

  /** `over` is called at the end of a pause. */
  constructor(over: () => void) {
    this.#over = over;
  }

  /** True from a failure until the pause after it is over. */
  get isPausing(): boolean {
    return this.#timer !== undefined;
  }

  /** True from a failure until the next success. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** It failed. During a pause this is no further failure: it was begun before. */
  failed(): void {
    if (this.isPausing) return;
    const pause = Math.min(MIN_PAUSE * 2 ** this.#failures, MAX_PAUSE);
    this.#failures++;
    this.#timer = idleTimers.add(now() + pause, this);
  }

  /** It succeeded. */
  succeeded(): void {
    this.#failures = 0;
  }

  timeUp(): void {
    this.#timer = undefined;
    this.#over();
  }

  /** Ends the pause, for good. */
  stop(): void {
    if (this.#timer !== undefined) idleTimers.remove(this.#timer);
    this.#timer = undefined;
  }
}
