/**
 * What a pool is given, checked, and what it gives: options, lease, statistics.
 *
 * @module
 */
import {
  boolean,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  integerFrom,
  limitFrom,
  positiveDuration,
  required,
  takeOptions,
} from "../../_internal/validate.ts";

/** What went wrong when no caller was there to be told. */
export type PoolFailure = "factory" | "validate" | "cleanup" | "leak";

/** How a pool makes, checks and ends its resources. */
export interface ResourcePoolOptions<R> {
  /** The most resources that exist at any time, those being made or cleaned up included. */
  maxResources: number;
  /**
   * Makes one resource. Calls run concurrently up to the limit. `signal` aborts when the pool
   * closes. An error rejects the one acquire that it was made for.
   */
  factory: (signal: AbortSignal) => R | PromiseLike<R>;
  /**
   * How many are made before they are asked for, kept when idle, and replaced when they end. A
   * factory that fails at this is called again after a pause that grows from 100 ms to 30 s.
   *
   * @default {0}
   */
  minResources?: number | undefined;
  /** Ends one resource. Its place in the pool is free when this is done. */
  cleanup?: ((resource: R) => unknown) | undefined;
  /**
   * Tells whether a resource that was used before is still good; asked before each further
   * lease. False, or an error, ends the resource, and another is taken or made.
   */
  validate?: ((resource: R) => boolean | PromiseLike<boolean>) | undefined;
  /** Longest wait of an acquire in milliseconds. @default {Infinity} */
  acquireTimeout?: number | undefined;
  /**
   * How long in milliseconds a resource beyond `minResources` may lie unused before it is ended.
   *
   * @default {Infinity}
   */
  idleTimeout?: number | undefined;
  /**
   * How long in milliseconds a resource is used after it was made. One that is leased then is
   * ended at its release.
   *
   * @default {Infinity}
   */
  maxLifetime?: number | undefined;
  /** How many acquires may wait for a resource; more are refused. @default {Infinity} */
  maxWaiting?: number | undefined;
  /**
   * How long in milliseconds a clean-up may take. One that takes longer counts as failed, and
   * its place is used again.
   *
   * @default {10_000}
   */
  cleanupTimeout?: number | undefined;
  /**
   * Remembers where each lease was acquired: named by `leases()`, by a `close` that runs out of
   * time, and to `onError` when a lease was garbage collected without its release. Costs a stack
   * trace for each acquire.
   *
   * @default {false}
   */
  trackLeaks?: boolean | undefined;
  /**
   * Gets what no caller can be told: a failed clean-up, a `validate` that throws, a factory that
   * fails when nobody waits for it (any more), a leaked lease. The default prints it with
   * `console.error`.
   */
  onError?: ((error: unknown, during: PoolFailure) => void) | undefined;
}

const POOL_CHECKS: Checks<ResourcePoolOptions<never>> = {
  maxResources: required(integerFrom(1)),
  factory: required(functionNamed),
  minResources: integerFrom(0),
  cleanup: functionNamed,
  validate: functionNamed,
  acquireTimeout: duration,
  idleTimeout: duration,
  maxLifetime: positiveDuration,
  maxWaiting: limitFrom(0),
  cleanupTimeout: duration,
  trackLeaks: boolean,
  onError: functionNamed,
};

/** How one acquire waits. */
export interface AcquireOptions {
  /** Ends the wait with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /**
   * Longest wait in milliseconds; 0 gives up unless a resource can be had at once.
   *
   * @default {the pool's acquireTimeout}
   */
  timeout?: number | undefined;
}

/** The checks of them. */
export const ACQUIRE_CHECKS: Checks<AcquireOptions> = {
  signal: checkSignal,
  timeout: duration,
};

/**
 * The right to use one resource until it is given back: by `release`, by `destroy`, or at the
 * end of the block by `using` or `await using`.
 *
 * @example
 * ```ts
 * import { type Lease, ResourcePool } from "@specify/async-core";
 *
 * await using pool = new ResourcePool({ maxResources: 1, factory: () => ["a"] });
 * const lease: Lease<string[]> = await pool.acquire();
 * lease.resource.push("b");
 * lease.release();
 * console.log(await pool.use((letters) => letters.join())); // a,b
 * ```
 */
export interface Lease<R> extends AsyncDisposable, Disposable {
  /**
   * The resource.
   *
   * @throws {LeaseReleasedError} When it was given back already.
   */
  readonly resource: R;
  /** True once it was given back. */
  readonly isReleased: boolean;
  /**
   * Gives the resource back; the first waiter has it before this returns.
   *
   * @throws {LeaseReleasedError} When it was given back already.
   */
  release(): void;
  /**
   * Ends the resource instead of giving it back. Resolves when it is cleaned up and never
   * rejects: a failed clean-up goes to the pool's `onError`.
   *
   * @throws {LeaseReleasedError} When it was given back already.
   */
  destroy(): Promise<void>;
}

/** A lease that is out, as `ResourcePool.leases()` lists it. */
export interface LeaseInfo {
  /** Where it was acquired: the stack of that call. */
  readonly acquiredAt: string;
  /** For how many milliseconds it has been out. */
  readonly heldFor: number;
}

/** What a pool holds at this moment, and what it has done since it was made. */
export interface ResourcePoolStats {
  /** Resources that exist: the five below together. */
  readonly total: number;
  /** Being made. */
  readonly creating: number;
  /** Ready, unused. */
  readonly idle: number;
  /** Being checked by `validate`. */
  readonly validating: number;
  /** In use. */
  readonly leased: number;
  /** Being ended by `cleanup`. */
  readonly cleaning: number;
  /** Acquires that wait. */
  readonly waiting: number;
  /** Leases given since the beginning. */
  readonly acquired: number;
  /** Resources made since the beginning. */
  readonly created: number;
  /** Resources ended since the beginning. */
  readonly destroyed: number;
  /** Calls of the factory that failed since the beginning. */
  readonly failed: number;
  /** Acquires that ran out of time since the beginning. */
  readonly timedOut: number;
}

/** How `close` waits. */
export interface CloseOptions {
  /**
   * How long in milliseconds to wait for leases and factories. The pool stays closed when it
   * runs out, and whatever comes back later is still cleaned up.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
}

/** The checks of them. */
export const CLOSE_CHECKS: Checks<CloseOptions> = { timeout: duration };

const POOL_DEFAULTS = {
  minResources: 0,
  acquireTimeout: Infinity,
  idleTimeout: Infinity,
  maxLifetime: Infinity,
  maxWaiting: Infinity,
  cleanupTimeout: 10_000,
  trackLeaks: false,
};

/** The options, checked and with their defaults. */
export type PoolSettings<R> = Readonly<
  ResourcePoolOptions<R> & typeof POOL_DEFAULTS
>;

/** Checks the options and fills in the defaults. */
export function takePoolOptions<R>(
  options: ResourcePoolOptions<R>,
): PoolSettings<R> {
  const settings = takeOptions(
    "ResourcePool",
    options,
    POOL_CHECKS,
    POOL_DEFAULTS,
  );
  const { minResources, maxResources } = settings;
  if (minResources <= maxResources) return settings;
  throw new RangeError(
    `minResources must be at most maxResources (${maxResources}), got ${minResources}`,
  );
}
