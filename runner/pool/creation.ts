/**
 * Making resources: the user's factory, for whom it is called, and what comes of it.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { isThenable } from "../../_internal/thenable.ts";
import type { PoolSettings } from "./settings.ts";
import { PoolEntry } from "./shelf.ts";
import type { Waiter } from "./waiters.ts";

/** Who is told. */
export interface CreatingPool<R> {
  /** The counts are different. */
  changed(): void;
  /** There is a new resource, which nobody holds. */
  made(entry: PoolEntry<R>): void;
  /** The factory failed for `owner`, or for nobody in particular. */
  notMade(error: unknown, owner: Waiter<R> | undefined): void;
}

/** The calls of the factory. */
export class Creation<R> {
  // Invariant: #count is the number of calls whose end has not been told; a waiter's `isCreating`
  // is true exactly while one of them was begun for it. So a creation has at most one owner.
  created = 0;
  failed = 0;
  readonly #settings: PoolSettings<R>;
  readonly #pool: CreatingPool<R>;
  readonly #closing = new AbortController();
  #count = 0;

  constructor(settings: PoolSettings<R>, pool: CreatingPool<R>) {
    this.#settings = settings;
    this.#pool = pool;
  }

  /** How many are under way. */
  get count(): number {
    return this.#count;
  }

  /** Calls the factory, for `owner` if there is one. */
  begin(owner: Waiter<R> | undefined): void {
    this.#count++;
    this.#pool.changed();
    if (owner !== undefined) owner.isCreating = true;
    let made: R | PromiseLike<R>;
    try {
      made = this.#settings.factory(this.#closing.signal);
      if (isThenable(made)) {
        Promise.resolve(made).then(
          (resource) => this.#made(resource as R, owner),
          (error) => this.#failed(error, owner),
        );
        return;
      }
    } catch (error) {
      this.#failed(error, owner);
      return;
    }
    // Not a thenable.
    this.#made(made as R, owner);
  }

  #made(resource: R, owner: Waiter<R> | undefined): void {
    this.#count--;
    this.created++;
    if (owner !== undefined) owner.isCreating = false;
    const createdAt = this.#settings.maxLifetime === Infinity ? 0 : now();
    this.#pool.made(new PoolEntry(resource, createdAt));
  }

  #failed(error: unknown, owner: Waiter<R> | undefined): void {
    this.#count--;
    this.failed++;
    if (owner !== undefined) owner.isCreating = false;
    this.#pool.notMade(error, owner);
  }

  /** Tells the factories to stop. */
  stop(reason: unknown): void {
    this.#closing.abort(reason);
  }

  /** Whether a factory failed with `error` because it was told to stop. */
  wasStoppedBy(error: unknown): boolean {
    const { signal } = this.#closing;
    return signal.aborted && error === signal.reason;
  }
}
