/**
 * How many tasks may start in a stretch of time: an exact sliding window (a log of starts), not
 * a bucket, so that no stretch of `interval` sees more than `limit` starts wherever it begins,
 * and idle time saves nothing up.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { Ring } from "../../_internal/ring.ts";
import { boolean, finiteDuration, integer } from "../../_internal/validate.ts";

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
export class RateLimit {
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
