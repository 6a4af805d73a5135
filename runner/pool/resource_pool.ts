/**
 * Sharing a few expensive things (connections, processes, buffers) among many callers.
 *
 * @module
 */
import { checkOptions, functionNamed } from "../../_internal/validate.ts";
import { within } from "./calls.ts";
import { PoolCore } from "./core.ts";
import { PoolTimeoutError } from "./errors.ts";
import {
  ACQUIRE_CHECKS,
  type AcquireOptions,
  CLOSE_CHECKS,
  type CloseOptions,
  type Lease,
  type LeaseInfo,
  type ResourcePoolOptions,
  type ResourcePoolStats,
  takePoolOptions,
} from "./types.ts";

/**
 * Lends out resources, at most `maxResources` of them, first come first served.
 *
 * - A resource that comes free is handed to the first waiter at once, within `release`.
 * - A factory that fails rejects one acquire, with its error, and the place is free again.
 * - An acquire that gives up loses nothing: what was being made for it goes to the next.
 * - A broken resource is replaced: found by `validate`, or told by `lease.destroy()`.
 *
 * @example
 * ```ts
 * import { ResourcePool } from "@specify/async-core";
 *
 * let made = 0;
 * await using pool = new ResourcePool({
 *   maxResources: 2,
 *   factory: () => ({ id: ++made }),
 *   cleanup: (connection) => console.log(`closed ${connection.id}`),
 * });
 * {
 *   await using lease = await pool.acquire();
 *   console.log(lease.resource.id); // 1
 * }
 * console.log(await pool.use((connection) => connection.id)); // 1 again
 * ```
 */
export class ResourcePool<R> implements AsyncDisposable {
  readonly #core: PoolCore<R>;
  #closed: Promise<void> | undefined;

  /**
   * Makes a pool, and begins to make its `minResources`.
   *
   * @throws {RangeError} When a number is out of its range.
   * @throws {TypeError} When an option is of the wrong type.
   */
  constructor(options: ResourcePoolOptions<R>) {
    this.#core = new PoolCore<R>(takePoolOptions(options));
  }

  /**
   * Takes a resource, or waits for one. Rejects with the factory's error when the resource that
   * was made for this call could not be made.
   *
   * @throws {AcquireTimeoutError} When none came free in time.
   * @throws {PoolFullError} When `maxWaiting` others wait.
   * @throws {DisposedError} When the pool is drained or closed, before or while it waits.
   * @throws The signal's reason, when it aborts.
   *
   * @example
   * ```ts
   * import { ResourcePool } from "@specify/async-core";
   *
   * await using pool = new ResourcePool({ maxResources: 1, factory: () => "the one" });
   * await using lease = await pool.acquire({ timeout: 1000 });
   * console.log(lease.resource);
   * ```
   */
  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    if (options !== undefined) {
      checkOptions("acquire()", options, ACQUIRE_CHECKS);
    }
    return this.#core.acquire(
      options?.signal,
      options?.timeout ?? this.#core.settings.acquireTimeout,
      this.acquire,
    );
  }

  /**
   * Acquires, calls `fn` with the resource, and releases, whatever happens. `fn` may end the
   * resource with `lease.destroy()` when it finds it broken.
   *
   * @throws What `acquire` and `fn` throw.
   *
   * @example
   * ```ts
   * import { ResourcePool } from "@specify/async-core";
   *
   * await using pool = new ResourcePool({ maxResources: 2, factory: () => new Map() });
   * console.log(await pool.use((map) => map.size)); // 0
   * ```
   */
  async use<T>(
    fn: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    functionNamed("fn", fn);
    // No `using` here or elsewhere in this module: not every browser can read it.
    const lease = await this.acquire(options);
    try {
      // Aborted between the hand-over and now.
      options?.signal?.throwIfAborted();
      return await fn(lease.resource, lease);
    } finally {
      if (!lease.isReleased) lease.release();
    }
  }

  /**
   * Takes no more acquires, serves those that wait already, and resolves when all leases are
   * back. Idle resources stay until `close`.
   */
  drain(): Promise<void> {
    return this.#core.drain();
  }

  /**
   * Closes the pool: rejects those who wait, tells factories to give up (their signal aborts),
   * ends every resource, those that are leased when they come back, and resolves when all this
   * is done. Further calls wait for the same end.
   *
   * @throws {AggregateError} When clean-ups failed, with all of their errors.
   * @throws {PoolTimeoutError} When `timeout` ran out; it names what is still out.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { timeout = Infinity } = checkOptions(
      "close()",
      options,
      CLOSE_CHECKS,
    );
    await within(
      timeout,
      this.#closed ??= this.#close(),
      () => this.#tooSlow(timeout),
    );
  }

  async #close(): Promise<void> {
    await this.#core.close();
    const { closeErrors } = this.#core;
    if (closeErrors.length > 0) {
      throw new AggregateError(
        closeErrors,
        `ResourcePool.close(): ${closeErrors.length} clean-up(s) failed. The errors are in \`errors\`.`,
      );
    }
  }

  #tooSlow(timeout: number): PoolTimeoutError {
    const leases = this.leases();
    return new PoolTimeoutError(
      `ResourcePool.close() has not ended within ${timeout} ms (${this.#core.describe()}). ` +
        (leases.length > 0
          ? `Leases acquired:\n${
            leases.map(({ acquiredAt }) => acquiredAt).join("\n\n")
          }`
          : this.#core.leased > 0
          ? "Release the leases; trackLeaks: true names where they were acquired."
          : "Let the factory stop when its signal aborts."),
    );
  }

  /** The leases that are out, the longest first. Always empty without `trackLeaks`. */
  leases(): LeaseInfo[] {
    return this.#core.tracker?.list() ?? [];
  }

  /** What the pool holds at this moment, and what it has done. */
  get stats(): ResourcePoolStats {
    return this.#core.stats;
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
