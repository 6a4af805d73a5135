/**
 * Where idle resources lie, and how they age.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  idleTimers,
  type TimerEntry,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";

/** The pool's note of one resource. Its state is where it is: see core.ts. */
export class PoolEntry<R> {
  readonly resource: R;
  /** On the `performance.now()` line; only read where resources have a lifetime. */
  readonly createdAt: number;
  /** The same; only set where idle resources age. */
  idleSince = 0;
  /** True once its clean-up is over, which `whenGone` is told. */
  isGone = false;
  whenGone: (() => void) | undefined = undefined;

  constructor(resource: R, createdAt: number) {
    this.resource = resource;
    this.createdAt = createdAt;
  }
}

/**
 * Idle resources: last in, first out, so that what was used just now is used again and the rest
 * ages at the bottom.
 *
 * Invariant: entries lie in the order of `idleSince`, and where they age, a timer is set for a time
 * not after the first at which one of them may be ended. It may be early (that one was taken);
 * then it finds nothing and is set again. One timer for all, and none for each put and take.
 */
export class IdleShelf<R> implements TimerTarget {
  readonly #entries: PoolEntry<R>[] = [];
  readonly #idleTimeout: number;
  readonly #maxLifetime: number;
  readonly #aged: () => void;
  #timer: TimerEntry | undefined = undefined;

  /** `aged` is called when `takeAged` may have something to take. */
  constructor(idleTimeout: number, maxLifetime: number, aged: () => void) {
    this.#idleTimeout = idleTimeout;
    this.#maxLifetime = maxLifetime;
    this.#aged = aged;
  }

  /** How many lie here. */
  get size(): number {
    return this.#entries.length;
  }

  /** Takes the one that was put last. */
  take(): PoolEntry<R> | undefined {
    return this.#entries.pop();
  }

  /** Puts one on top. */
  put(entry: PoolEntry<R>): void {
    this.#entries.push(entry);
    if (this.#idleTimeout === Infinity && this.#maxLifetime === Infinity) {
      return;
    }
    entry.idleSince = now();
    this.#wakeBy(
      Math.min(
        entry.idleSince + this.#idleTimeout,
        entry.createdAt + this.#maxLifetime,
      ),
    );
  }

  /** Takes all, and stops the timer. */
  clear(): PoolEntry<R>[] {
    if (this.#timer !== undefined) idleTimers.remove(this.#timer);
    this.#timer = undefined;
    return this.#entries.splice(0);
  }

  /** True when it has lived for `maxLifetime`. */
  isTooOld(entry: PoolEntry<R>): boolean {
    return this.#maxLifetime !== Infinity &&
      now() - entry.createdAt >= this.#maxLifetime;
  }

  #wakeBy(time: number): void {
    if (this.#timer !== undefined) {
      if (this.#timer.time <= time) return;
      idleTimers.remove(this.#timer);
    }
    this.#timer = idleTimers.add(time, this);
  }

  /** The first may be old enough. */
  timeUp(): void {
    this.#timer = undefined;
    this.#aged();
  }

  /**
   * Takes those that are too old, and of the unused ones as many as there are resources beyond the
   * minimum (`spare`), and waits for the next.
   */
  takeAged(spare: number): PoolEntry<R>[] {
    const time = now();
    const aged: PoolEntry<R>[] = [];
    const staying: PoolEntry<R>[] = [];
    // From the bottom: who has been idle longest goes first.
    for (const entry of this.#entries) {
      const isOld = time - entry.createdAt >= this.#maxLifetime;
      const isUnused = time - entry.idleSince >= this.#idleTimeout;
      if (isOld || (isUnused && spare > 0)) {
        spare--;
        aged.push(entry);
      } else staying.push(entry);
    }
    this.#entries.length = 0;
    this.#entries.push(...staying);
    let next = Infinity;
    for (const { createdAt, idleSince } of staying) {
      next = Math.min(next, createdAt + this.#maxLifetime);
      // Those that are kept end for their age only.
      if (spare > 0) next = Math.min(next, idleSince + this.#idleTimeout);
    }
    if (next < Infinity) this.#wakeBy(next);
    return aged;
  }
}
