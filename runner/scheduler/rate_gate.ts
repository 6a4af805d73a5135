/**
 * The rate limit of a scheduler at its place in the loop: whether a job may start now, and a timer
 * for when it may not.
 *
 * @module
 */
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import { now } from "../../_internal/clock.ts";
import { Ring } from "../../_internal/ring.ts";
import { boolean, finiteDuration, integer } from "../../_internal/validate.ts";

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

/** The log of starts. */
class RateLimit {
  // Invariant: #starts holds, oldest first, at least all starts younger than #interval, and
  // never more than #limit. The next start may come #interval after the one #limit before it.
  readonly #starts = new Ring<number>();
  readonly #limit: number;
  readonly #interval: number;

  constructor({ limit, interval, spread = false }: RateLimitOptions) {
    integer("rateLimit.limit", limit, 1);
    finiteDuration("rateLimit.interval", interval);
    boolean("rateLimit.spread", spread);
    this.#limit = spread ? 1 : limit;
    this.#interval = spread ? interval / limit : interval;
  }

  /** When the next start is allowed, on the `performance.now()` line; 0 when it is now. */
  nextStart(): number {
    if (this.#starts.size < this.#limit) return 0;
    // Full, so there is a first.
    const next = this.#starts.at(0)! + this.#interval;
    return next <= now() ? 0 : next;
  }

  /** How many starts are allowed now. */
  allowance(): number {
    const time = now();
    while (
      this.#starts.size > 0 && this.#starts.at(0)! + this.#interval <= time
    ) this.#starts.shift();
    return this.#limit - this.#starts.size;
  }

  /** Notes a start. Call it only when `nextStart()` was 0. */
  started(): void {
    if (this.#starts.size === this.#limit) this.#starts.shift();
    this.#starts.push(now());
  }
}
