/**
 * The rate limit of a scheduler: whether a job may start now, and a timer for when it may not.
 *
 * It is an exact sliding window (a log of starts), not a bucket, so that no stretch of `interval`
 * sees more than `limit` starts wherever it begins, and idle time saves nothing up.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { Ring } from "../../_internal/ring.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";

/** Bounds how many tasks start in a stretch of time. */
export interface RateLimitOptions {
  /** Most starts in any stretch of `interval`. */
  limit: number;
  /** Length of the stretch in milliseconds. */
  interval: number;
  /**
   * Spaces the starts evenly, `interval / limit` apart, instead of letting `limit` of them go at
   * once. @default {false}
   */
  spread?: boolean | undefined;
}

/** Lets starts through, and calls back when it lets through again. */
export class RateGate {
  // Invariant: #starts holds, oldest first, at least all starts younger than #interval, and
  // never more than #limit. The next start may come #interval after the one #limit before it.
  // A timer is set only after `admits` has said no, until it fires, `admits` says yes or `stop` is
  // called. So none is alive while nothing waits: the owner stops it then.
  readonly #starts = new Ring<number>();
  readonly #limit: number;
  readonly #interval: number;
  readonly #opened: () => void;
  #timer: TimerEntry | undefined;

  /** The options are checked; `opened` is called when the next start is allowed. */
  constructor(
    { limit, interval, spread = false }: RateLimitOptions,
    opened: () => void,
  ) {
    this.#limit = spread ? 1 : limit;
    this.#interval = spread ? interval / limit : interval;
    this.#opened = opened;
  }

  /** Whether a job that could start waits for the time when it may. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** How many starts are allowed now. */
  get allowance(): number {
    const time = now();
    while (
      this.#starts.size > 0 && this.#starts.at(0)! + this.#interval <= time
    ) this.#starts.shift();
    return this.#limit - this.#starts.size;
  }

  /** Whether a job may start now, which is noted; if not, `opened` is called when it may. */
  admits(): boolean {
    const time = now();
    if (this.#starts.size === this.#limit) {
      // Full, so there is a first.
      const next = this.#starts.at(0)! + this.#interval;
      if (next > time) {
        this.#timer ??= timers.add(next, this);
        return false;
      }
      this.#starts.shift();
    }
    // Its time may have come a moment before the timer fires.
    this.stop();
    this.#starts.push(time);
    return true;
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
