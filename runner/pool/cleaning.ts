/**
 * Ending resources: the user's clean-up, which is waited for, but not for ever.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import { PoolTimeoutError } from "./errors.ts";
import type { PoolSettings } from "./settings.ts";
import type { PoolEntry } from "./shelf.ts";

/** Who is told. */
export interface CleaningPool {
  /** The counts are different. */
  changed(): void;
  /** `cleanup` threw, rejected or takes too long: told before `cleaned`. */
  cleanFailed(error: unknown): void;
  /** A resource is gone. */
  cleaned(): void;
}

/** The calls of `cleanup`. */
export class Cleaning<R> {
  // Invariant: #count is the number of resources whose clean-up has begun and that are not gone.
  destroyed = 0;
  readonly #settings: PoolSettings<R>;
  readonly #pool: CleaningPool;
  #count = 0;

  constructor(settings: PoolSettings<R>, pool: CleaningPool) {
    this.#settings = settings;
    this.#pool = pool;
  }

  /** How many are under way. */
  get count(): number {
    return this.#count;
  }

  /** Ends a resource. Undefined when it is gone already. Never rejects. */
  begin(entry: PoolEntry<R>): Promise<void> | undefined {
    this.#count++;
    this.#pool.changed();
    const { cleanup } = this.#settings;
    if (cleanup !== undefined) {
      try {
        const done = cleanup(entry.resource);
        if (isThenable(done)) return this.#waitFor(done);
      } catch (error) {
        this.#pool.cleanFailed(error);
      }
    }
    this.#end();
    return undefined;
  }

  async #waitFor(done: PromiseLike<unknown>): Promise<void> {
    try {
      await within(this.#settings.cleanupTimeout, done);
    } catch (error) {
      this.#pool.cleanFailed(error);
    }
    this.#end();
  }

  #end(): void {
    this.#count--;
    this.destroyed++;
    this.#pool.cleaned();
  }
}

async function within(
  limit: number,
  done: PromiseLike<unknown>,
): Promise<void> {
  if (limit === Infinity) {
    await done;
    return;
  }
  let timer: TimerEntry | undefined;
  try {
    await new Promise<unknown>((resolve, reject) => {
      timer = timers.add(now() + limit, {
        timeUp: () =>
          reject(
            new PoolTimeoutError(
              `ResourcePool cleanup() has not ended within ${limit} ms; its place is used again. ` +
                "Make it faster or raise cleanupTimeout.",
            ),
          ),
      });
      // A failure after its time goes nowhere: it has been reported as too slow.
      Promise.resolve(done).then(resolve, reject);
    });
  } finally {
    if (timer !== undefined) timers.remove(timer);
  }
}
