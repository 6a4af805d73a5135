/**
 * The state machine of a pool: which resource is where, who gets the next one, when one is made
 * and when one ends.
 *
 * The life of one resource:
 *
 * ```text
 *                 ┌───────────────────────────────┐
 *                 v                               │ release, nobody waits
 *   creating ──> idle ──> validating ──────────> leased ─┐
 *      │  └────── │ ──────── │ ──────────────────^       │ destroy, too old, closing
 *      │ failed   │ too old, │ not good                  │
 *      v          v idle     v                           │
 *    (gone)     cleaning <───┴───────────────────────────┘
 *                 └──> (gone)
 * ```
 *
 * What always holds:
 *
 * 1. A resource is in exactly one state, and `total` = creating + idle + validating + leased +
 *    cleaning never exceeds `maxResources`. Only the functions below whose comment says "to
 *    …" change a state, and each changes the counters in the same step.
 * 2. Outside of a step, either nobody waits, or there is neither an idle resource nor room for
 *    a further one that is not already on its way to the waiters (creating or validating).
 *    `pump` restores this after every step that could break it.
 * 3. A resource that comes free goes to the first waiter before the step ends, so nothing that
 *    comes later can take it.
 * 4. A creation has at most one owner, the waiter for whom it was begun, and a waiter at most
 *    one creation. A failure rejects the owner and nobody else. So the factory is never called
 *    more often than there were acquires, save for `minResources`, where a pause that doubles
 *    stands between failures.
 * 5. User code (factory, validate, cleanup, onError) is only called when 1 holds, so it may call
 *    the pool.
 *
 * @module
 */
import { now } from "../_internal/clock.ts";
import { DisposedError, report } from "../_internal/errors.ts";
import { withResolvers } from "../_internal/resolvers.ts";
import { isThenable } from "../_internal/thenable.ts";
import {
  idleTimers,
  type TimerEntry,
  timers,
} from "../_internal/timer_queue.ts";
import {
  AcquireTimeoutError,
  PoolFullError,
  PoolTimeoutError,
} from "./pool_errors.ts";
import { CallPlace, LeaseTracker, PoolLease } from "./pool_lease.ts";
import { type PoolTelemetry, poolTelemetry } from "./pool_telemetry.ts";
import type {
  AcquireOptions,
  Lease,
  PoolFailure,
  ResourcePoolStats,
} from "./pool_types.ts";
import type { PoolSettings } from "./pool_settings.ts";
import { IdleShelf, PoolEntry } from "./pool_shelf.ts";
import { Waiter, WaiterList } from "./pool_waiters.ts";

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;

/** Waits for a clean-up, but not for ever. */
async function cleanedWithin(
  done: PromiseLike<unknown>,
  limit: number,
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

/** What a pool is open for. It only moves to the right. */
type Phase = "open" | "draining" | "closing";

/** The machine behind ResourcePool. */
export class PoolCore<R> {
  readonly settings: PoolSettings<R>;
  readonly tracker: LeaseTracker | undefined;
  #phase: Phase = "open";
  #total = 0;
  #creating = 0;
  #validating = 0;
  #cleaning = 0;
  readonly #idle: IdleShelf<R>;
  readonly #waiters = new WaiterList<R>(() => {
    this.#telemetry?.changed();
    this.#settlePhase();
  });
  /** Told by every function that moves a resource or a waiter. */
  readonly #telemetry: PoolTelemetry | undefined;
  // No step of ours stands between an idle resource and its lease.
  readonly #isPlain: boolean;
  readonly #closing = new AbortController();
  #isPumping = false;
  #isFilling = false;
  #pauses = 0;
  #retry: TimerEntry | undefined = undefined;
  readonly #drained = withResolvers<void>();
  readonly #gone = withResolvers<void>();
  /** What failed while closing: clean-ups, for `close` to reject with. */
  readonly closeErrors: unknown[] = [];
  #acquired = 0;
  #created = 0;
  #destroyed = 0;
  #failed = 0;
  #timedOut = 0;

  constructor(settings: PoolSettings<R>) {
    this.settings = settings;
    this.#telemetry = poolTelemetry(() => this.stats);
    this.#isPlain = settings.validate === undefined &&
      settings.maxLifetime === Infinity && !settings.trackLeaks;
    this.#idle = new IdleShelf<R>(settings.idleTimeout, settings.maxLifetime, {
      spare: () => this.#total - this.#cleaning - settings.minResources,
      expired: (entry) => void this.#clean(entry),
    });
    this.tracker = settings.trackLeaks
      ? new LeaseTracker((error) => this.#tell(error, "leak"))
      : undefined;
    // In a microtask: the factory may refer to the variable that holds the pool.
    if (settings.minResources > 0) queueMicrotask(() => this.#fill());
  }

  get leased(): number {
    return this.#total - this.#creating - this.#idle.size -
      this.#validating - this.#cleaning;
  }

  get stats(): ResourcePoolStats {
    return {
      total: this.#total,
      creating: this.#creating,
      idle: this.#idle.size,
      validating: this.#validating,
      leased: this.leased,
      cleaning: this.#cleaning,
      waiting: this.#waiters.size,
      acquired: this.#acquired,
      created: this.#created,
      destroyed: this.#destroyed,
      failed: this.#failed,
      timedOut: this.#timedOut,
    };
  }

  /** For messages: where all resources are. */
  describe(): string {
    const { leased } = this;
    const parts = [
      `${leased} of ${this.settings.maxResources} resources leased`,
    ];
    if (this.#creating > 0) parts.push(`${this.#creating} being made`);
    if (this.#validating > 0) parts.push(`${this.#validating} being validated`);
    if (this.#cleaning > 0) parts.push(`${this.#cleaning} being cleaned up`);
    parts.push(
      this.#waiters.size === 1
        ? "1 caller waiting"
        : `${this.#waiters.size} callers waiting`,
    );
    return parts.join(", ");
  }

  /** `caller` is the public function, for the stack of a tracked lease. */
  acquire(
    options: AcquireOptions | undefined,
    timeout: number,
    caller: (...args: never[]) => unknown,
  ): Promise<Lease<R>> {
    if (this.#phase !== "open") {
      return Promise.reject(new DisposedError("ResourcePool.acquire()"));
    }
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#isPlain) {
      // By invariant 2 nobody waits when one is idle.
      const entry = this.#idle.take();
      if (entry !== undefined) return Promise.resolve(this.#lease(entry));
    }
    // Those for whom nothing is on its way; at least one could not be helped at all.
    const unserved = this.#waiters.size - this.#creating - this.#validating;
    if (
      unserved >= this.settings.maxWaiting && this.#idle.size === 0 &&
      this.#total >= this.settings.maxResources
    ) {
      return Promise.reject(
        new PoolFullError(this.settings.maxWaiting, this.describe()),
      );
    }
    return new Promise((resolve, reject) => {
      const waiter = new Waiter<R>(resolve, reject);
      if (this.tracker !== undefined) waiter.place = new CallPlace(caller);
      this.#waiters.push(waiter);
      this.#telemetry?.changed();
      this.#pump();
      if (!waiter.isWaiting) return;
      // The factory or validate may have aborted it in the meantime.
      if (signal?.aborted) waiter.reject(signal.reason);
      else if (timeout === 0) waiter.reject(this.#expired(0));
      else if (signal !== undefined || timeout !== Infinity) {
        waiter.watch(signal, timeout, () => this.#expired(timeout));
      }
    });
  }

  #expired(timeout: number): AcquireTimeoutError {
    this.#timedOut++;
    return new AcquireTimeoutError(timeout, this.describe());
  }

  /** From leased: the lease was released. */
  giveBack(entry: PoolEntry<R>): void {
    this.#telemetry?.changed();
    if (this.#phase !== "open") {
      if (this.#phase === "closing") this.#clean(entry);
      else {
        this.#offer(entry, false);
        this.#settlePhase();
      }
      return;
    }
    const waiter = this.#waiters.first;
    if (waiter !== undefined && this.#isPlain) {
      waiter.serve(this.#lease(entry));
    } else this.#offer(entry, false);
  }

  /** From leased: the lease was destroyed. */
  async retire(entry: PoolEntry<R>): Promise<void> {
    await this.#clean(entry);
  }

  // To leased. The entry must be in no other state's count.
  #lease(entry: PoolEntry<R>): PoolLease<R, PoolEntry<R>> {
    this.#acquired++;
    this.#telemetry?.changed();
    return new PoolLease<R, PoolEntry<R>>(this, entry);
  }

  // A resource that nobody holds (counted as leased until it is counted elsewhere): to the first
  // waiter, to the idle ones, or to its end.
  #offer(entry: PoolEntry<R>, isFresh: boolean): void {
    if (this.#phase === "closing" || this.#idle.isTooOld(entry)) {
      void this.#clean(entry);
    } else if (this.#waiters.size === 0) this.#idle.put(entry);
    else if (isFresh || this.settings.validate === undefined) this.#hand(entry);
    else this.#check(entry, this.settings.validate);
  }

  #hand(entry: PoolEntry<R>): void {
    // Called only while somebody waits.
    const waiter = this.#waiters.first!;
    const lease = this.#lease(entry);
    if (waiter.place !== undefined) this.tracker?.began(lease, waiter.place);
    waiter.serve(lease);
    if (this.#phase !== "open") this.#settlePhase();
  }

  // To validating, and on to leased, idle or cleaning.
  #check(
    entry: PoolEntry<R>,
    validate: (resource: R) => boolean | PromiseLike<boolean>,
  ): void {
    this.#validating++;
    this.#telemetry?.changed();
    let isGood: boolean | PromiseLike<boolean>;
    try {
      isGood = validate(entry.resource);
      if (isThenable(isGood)) {
        // Promise.resolve: a foreign thenable may settle twice or throw.
        Promise.resolve(isGood).then(
          (isGood) => this.#checked(entry, isGood === true),
          (error) => this.#checkFailed(entry, error),
        );
        return;
      }
    } catch (error) {
      this.#checkFailed(entry, error);
      return;
    }
    this.#checked(entry, isGood === true);
  }

  #checkFailed(entry: PoolEntry<R>, error: unknown): void {
    this.#checked(entry, false);
    this.#tell(error, "validate");
  }

  #checked(entry: PoolEntry<R>, isGood: boolean): void {
    this.#validating--;
    this.#telemetry?.changed();
    // It was checked just now, whoever gets it: the one for whom it was may have given up.
    if (isGood) this.#offer(entry, true);
    else void this.#clean(entry);
    this.#pump();
  }

  // Restores invariant 2. A call from within (user code that calls the pool) leaves the work to
  // the loop that runs already: no recursion, however many resources fail synchronously.
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#waiters.size > this.#creating + this.#validating) {
      const entry = this.#idle.take();
      if (entry !== undefined) this.#offer(entry, false);
      else if (this.#total < this.settings.maxResources) {
        this.#create(this.#waiters.firstWithoutCreation());
      } else break;
    }
    this.#isPumping = false;
  }

  // To creating, and on to leased or idle, or gone.
  #create(owner: Waiter<R> | undefined): void {
    this.#total++;
    this.#creating++;
    this.#telemetry?.changed();
    if (owner !== undefined) owner.isCreating = true;
    let made: R | PromiseLike<R>;
    try {
      made = this.settings.factory(this.#closing.signal);
      if (isThenable(made)) {
        Promise.resolve(made).then(
          (resource) => this.#made(resource as R, owner),
          (error) => this.#createFailed(error, owner),
        );
        return;
      }
    } catch (error) {
      this.#createFailed(error, owner);
      return;
    }
    // Not a thenable.
    this.#made(made as R, owner);
  }

  #made(resource: R, owner: Waiter<R> | undefined): void {
    this.#creating--;
    this.#created++;
    this.#telemetry?.changed();
    this.#pauses = 0;
    if (owner !== undefined) owner.isCreating = false;
    const createdAt = this.settings.maxLifetime === Infinity ? 0 : now();
    this.#offer(new PoolEntry(resource, createdAt), true);
    this.#pump();
    this.#fill();
  }

  #createFailed(error: unknown, owner: Waiter<R> | undefined): void {
    this.#creating--;
    this.#total--;
    this.#failed++;
    this.#telemetry?.changed();
    if (owner?.isWaiting) {
      owner.isCreating = false;
      owner.reject(error);
    } else {
      if (owner === undefined) this.#pause();
      // Closing has told the factory to give up; that it did is no news.
      if (
        this.#phase !== "closing" || error !== this.#closing.signal.reason
      ) this.#tell(error, "factory");
    }
    this.#pump();
    this.#fill();
    this.#settlePhase();
  }

  // Brings the living to minResources, unless the factory has just failed at that.
  #fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (
      this.#phase === "open" && this.#retry === undefined &&
      this.#total - this.#cleaning < this.settings.minResources &&
      this.#total < this.settings.maxResources
    ) {
      // After a failure one creation tries for all; its success calls this again.
      if (this.#pauses > 0 && this.#creating > 0) break;
      this.#create(undefined);
    }
    this.#isFilling = false;
  }

  // Holds #fill back for a time that doubles with each failure in a row.
  #pause(): void {
    if (this.#phase !== "open" || this.#retry !== undefined) return;
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#pauses, LONGEST_PAUSE);
    this.#pauses++;
    this.#retry = idleTimers.add(now() + pause, {
      timeUp: () => {
        this.#retry = undefined;
        this.#fill();
      },
    });
  }

  // To cleaning, and on to gone. Undefined when it is gone already. Never rejects.
  #clean(entry: PoolEntry<R>): Promise<void> | undefined {
    this.#cleaning++;
    this.#telemetry?.changed();
    const { cleanup } = this.settings;
    if (cleanup !== undefined) {
      try {
        const done = cleanup(entry.resource);
        if (isThenable(done)) return this.#cleanLater(done);
      } catch (error) {
        this.#cleanFailed(error);
      }
    }
    this.#cleaned();
    return undefined;
  }

  async #cleanLater(done: PromiseLike<unknown>): Promise<void> {
    try {
      await cleanedWithin(done, this.settings.cleanupTimeout);
    } catch (error) {
      this.#cleanFailed(error);
    }
    this.#cleaned();
  }

  #cleanFailed(error: unknown): void {
    if (this.#phase === "closing") this.closeErrors.push(error);
    else this.#tell(error, "cleanup");
  }

  // To gone.
  #cleaned(): void {
    this.#cleaning--;
    this.#total--;
    this.#destroyed++;
    this.#telemetry?.changed();
    this.#pump();
    this.#fill();
    this.#settlePhase();
  }

  #tell(error: unknown, during: PoolFailure): void {
    const { onError } = this.settings;
    if (onError === undefined) {
      report(`ResourcePool: ${during} failed`, error);
      return;
    }
    try {
      onError(error, during);
    } catch (second) {
      report(`ResourcePool: ${during} failed`, error);
      report("ResourcePool: onError failed", second);
    }
  }

  /** Takes no more acquires. Resolves when those who waited are served and all leases are back. */
  drain(): Promise<void> {
    if (this.#phase === "open") this.#phase = "draining";
    this.#settlePhase();
    return this.#drained.promise;
  }

  /** Ends everything, as it comes back. Resolves when nothing is left. */
  close(): Promise<void> {
    if (this.#phase !== "closing") {
      this.#phase = "closing";
      if (this.#retry !== undefined) idleTimers.remove(this.#retry);
      this.#retry = undefined;
      const error = new DisposedError("ResourcePool.acquire()");
      for (
        let first = this.#waiters.first;
        first !== undefined;
        first = this.#waiters.first
      ) first.reject(error);
      this.#closing.abort(error);
      for (const entry of this.#idle.clear()) void this.#clean(entry);
      this.#settlePhase();
    }
    return this.#gone.promise;
  }

  #settlePhase(): void {
    if (this.#phase === "open") return;
    if (this.#waiters.size === 0 && this.leased === 0) this.#drained.resolve();
    if (this.#phase === "closing" && this.#total === 0) this.#gone.resolve();
  }
}
