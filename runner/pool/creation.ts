/**
 * Making resources: the user's factory, for whom it is called, and what comes of it.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { isThenable } from "../../_internal/thenable.ts";
import type { PoolSettings } from "./settings.ts";
import { PoolEntry } from "./shelf.ts";
import type { CallPlace } from "./lease.ts";
import type { Lease } from "./types.ts";
import type { Waiter, WaitingLine } from "../../_internal/waiting_line.ts";

/** One acquire that waits, and where it was called, when leases are tracked. */
export type Acquire<R> = Waiter<Lease<R>, CallPlace | undefined>;

/** Who is told. */
export interface CreatingPool<R> {
  /** The counts are different. */
  changed(): void;
  /** There is a new resource, which nobody holds. */
  made(entry: PoolEntry<R>): void;
  /** The factory failed for `owner`, or for nobody in particular. */
  notMade(error: unknown, owner: Acquire<R> | undefined): void;
}

/** The calls of the factory. */
export class Creation<R> {
  // Invariant: #count is the number of calls whose end has not been told; #owners has
  // those for whom they were begun. So a creation has at most one owner.
  created = 0;
  failed = 0;
  readonly #settings: PoolSettings<R>;
  readonly #pool: CreatingPool<R>;
  readonly #closing = new AbortController();
  readonly #owners = new Set<Acquire<R>>();
  #count = 0;

  constructor(settings: PoolSettings<R>, pool: CreatingPool<R>) {
    this.#settings = settings;
    this.#pool = pool;
  }

  /** How many are under way. */
  get count(): number {
    return this.#count;
  }

  /** The first for whom none is under way. At most `maxResources` stand before it. */
  firstWithout(
    line: WaitingLine<Lease<R>, CallPlace | undefined>,
  ): Acquire<R> | undefined {
    let waiter = line.first;
    while (waiter !== undefined && this.#owners.has(waiter)) {
      waiter = waiter.next;
    }
    return waiter;
  }

  /** Calls the factory, for `owner` if there is one. */
  begin(owner: Acquire<R> | undefined): void {
    this.#count++;
    this.#pool.changed();
    if (owner !== undefined) this.#owners.add(owner);
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

  #made(resource: R, owner: Acquire<R> | undefined): void {
    this.#count--;
    this.created++;
    if (owner !== undefined) this.#owners.delete(owner);
    const createdAt = this.#settings.maxLifetime === Infinity ? 0 : now();
    this.#pool.made(new PoolEntry(resource, createdAt));
  }

  #failed(error: unknown, owner: Acquire<R> | undefined): void {
    this.#count--;
    this.failed++;
    if (owner !== undefined) this.#owners.delete(owner);
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
