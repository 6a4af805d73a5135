/**
 * The rate limit of a scheduler at its place in the loop: whether a job may start now, and a timer
 * for when it may not.
 *
 * @module
 */
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import { RateLimit, type RateLimitOptions } from "./rate_limit.ts";

/** Lets starts through, and calls back when it lets through again. */
export class RateGate {
  // Invariant: a timer is set only after `admits` has said no, until it fires, `admits` says yes
  // or `stop` is called. So none is alive while nothing waits: the owner stops it then.
  readonly #limit: RateLimit;
  readonly #opened: () => void;
  #timer: TimerEntry | undefined;

  /** `opened` is called when the next start is allowed. */
  constructor(options: RateLimitOptions, opened: () => void) {
    this.#limit = new RateLimit(options);
    this.#opened = opened;
  }

  /** Whether a job that could start waits for the time when it may. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** How many starts are allowed now. */
  get allowance(): number {
    return this.#limit.allowance();
  }

  /** Whether a job may start now, which is noted; if not, `opened` is called when it may. */
  admits(): boolean {
    const time = this.#limit.nextStart();
    if (time === 0) {
      // Its time may have come a moment before the timer fires.
      this.stop();
      this.#limit.started();
      return true;
    }
    this.#timer ??= timers.add(time, this);
    return false;
  }

  timeUp(): void {
    this.#timer = undefined;
    this.#opened();
  }

  /** Nothing waits any more. */
  stop(): void {
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = undefined;
  }
}
