/**
 * What a pool rejects with.
 *
 * @module
 */

/**
 * No resource came free in time.
 *
 * @example
 * ```ts
 * import { AcquireTimeoutError, ResourcePool } from "@specify/async-core";
 *
 * await using pool = new ResourcePool({ maxResources: 1, factory: () => 1 });
 * using lease = await pool.acquire();
 * await pool.acquire({ timeout: 1 }).catch((error) => {
 *   console.log(error instanceof AcquireTimeoutError, error.timeout); // true 1
 * });
 * console.log(lease.resource);
 * ```
 */
export class AcquireTimeoutError extends Error {
  /** Always `"AcquireTimeoutError"`. */
  override readonly name = "AcquireTimeoutError";

  /** @internal */
  constructor(
    /** How long the acquire waited, in milliseconds. */
    readonly timeout: number,
    state: string,
  ) {
    super(
      `ResourcePool.acquire() got no resource within ${timeout} ms (${state}). ` +
        "Release leases sooner, or raise maxResources or acquireTimeout.",
    );
  }
}

/**
 * As many acquires wait as `maxWaiting` allows.
 *
 * @example
 * ```ts
 * import { PoolFullError, ResourcePool } from "@specify/async-core";
 *
 * await using pool = new ResourcePool({
 *   maxResources: 1,
 *   maxWaiting: 0,
 *   factory: () => 1,
 * });
 * using lease = await pool.acquire();
 * await pool.acquire().catch((error) => {
 *   console.log(error instanceof PoolFullError, lease.resource); // true 1
 * });
 * ```
 */
export class PoolFullError extends Error {
  /** Always `"PoolFullError"`. */
  override readonly name = "PoolFullError";

  /** @internal */
  constructor(
    /** The pool's bound. */
    readonly maxWaiting: number,
    state: string,
  ) {
    super(
      `ResourcePool.acquire() was refused: the pool lets no more than ${maxWaiting} callers wait ` +
        `(${state}). Try again later, or raise maxResources or maxWaiting.`,
    );
  }
}

/**
 * A lease was used after it had been given back.
 *
 * @example
 * ```ts
 * import { LeaseReleasedError, ResourcePool } from "@specify/async-core";
 *
 * await using pool = new ResourcePool({ maxResources: 1, factory: () => 1 });
 * const lease = await pool.acquire();
 * lease.release();
 * try {
 *   lease.release();
 * } catch (error) {
 *   console.log(error instanceof LeaseReleasedError); // true
 * }
 * ```
 */
export class LeaseReleasedError extends Error {
  /** Always `"LeaseReleasedError"`. */
  override readonly name = "LeaseReleasedError";

  /** @internal */
  constructor(what: string) {
    super(
      `Lease.${what} was used after the lease had been given back. Acquire a new one.`,
    );
  }
}

/**
 * A lease was garbage collected without its release: its resource is lost to the pool. Only with
 * `trackLeaks`, and only to the pool's `onError`.
 *
 * @example
 * ```ts
 * import { LeaseLeakError, ResourcePool } from "@specify/async-core";
 *
 * await using pool = new ResourcePool({
 *   maxResources: 1,
 *   factory: () => 1,
 *   trackLeaks: true,
 *   onError: (error) => {
 *     if (error instanceof LeaseLeakError) console.error(error.acquiredAt);
 *   },
 * });
 * console.log(await pool.use((n) => n)); // 1
 * ```
 */
export class LeaseLeakError extends Error {
  /** Always `"LeaseLeakError"`. */
  override readonly name = "LeaseLeakError";

  /** @internal */
  constructor(
    /** Where it was acquired: the stack of that call. */
    readonly acquiredAt: string,
  ) {
    super(
      "A lease was never released, so its resource is lost to the pool. Use `await using lease = " +
        `await pool.acquire()\` or pool.use(). It was acquired\n${acquiredAt}`,
    );
  }
}

/**
 * A `close` or a clean-up took longer than it was allowed to.
 *
 * @example
 * ```ts
 * import { PoolTimeoutError, ResourcePool } from "@specify/async-core";
 *
 * const pool = new ResourcePool({ maxResources: 1, factory: () => 1 });
 * const lease = await pool.acquire();
 * await pool.close({ timeout: 1 }).catch((error) => {
 *   console.log(error instanceof PoolTimeoutError); // true
 * });
 * lease.release();
 * ```
 */
export class PoolTimeoutError extends Error {
  /** Always `"PoolTimeoutError"`. */
  override readonly name = "PoolTimeoutError";
}
