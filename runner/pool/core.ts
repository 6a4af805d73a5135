/**
 * The state machine of a pool: where each resource is, who gets it next, when one is made and when
 * one ends.
 *
 * The life of a resource. Whenever nobody has it, it comes to one junction, `offer`, which decides
 * where it goes:
 *
 * ```text
 * state        leaves it when                          for
 * creating     the factory has made it                 offer
 *              the factory has failed                  (gone)
 * idle         somebody wants one                      offer
 *              it has been unused, or alive, too long  cleaning
 * validating   it is good                              offer
 *              it is not                               cleaning
 * leased       the lease is released                   offer
 *              the lease is destroyed                  cleaning
 * cleaning     its clean-up has ended, or takes long   (gone)
 *
 * offer        it is too old, or the pool closes       cleaning
 *              nobody waits                            idle
 *              somebody waits                          leased
 *              the same, and it was used before        validating, if there is a `validate`
 * ```
 *
 * One is made when somebody waits whom nothing on its way will help, and when fewer live than
 * `minResources`.
 *
 * What always holds:
 *
 * 1. A resource is in exactly one state, and `total` = creating + idle + validating + leased +
 *    cleaning never exceeds `maxResources`. Four are counted; the rest of `total` is leased.
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
import { now } from "../../_internal/clock.ts";
import { DisposedError, report } from "../../_internal/errors.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import { isThenable, tellOutcome } from "../../_internal/thenable.ts";
import { Waiter, WaitingLine } from "../../_internal/waiting_line.ts";
import { Backoff, within } from "./calls.ts";
import {
  AcquireTimeoutError,
  LeaseReleasedError,
  PoolFullError,
  PoolTimeoutError,
} from "./errors.ts";
import { CallPlace, LeaseTracker } from "./lease_tracker.ts";
import { IdleShelf, PoolEntry } from "./shelf.ts";
import { type PoolTelemetry, poolTelemetry } from "./telemetry.ts";
import type {
  Lease,
  PoolFailure,
  PoolSettings,
  ResourcePoolStats,
} from "./types.ts";

const DONE = Promise.resolve();

/** What a pool is open for. It only moves to the right. */
type Phase = "open" | "draining" | "closing";

/** One acquire that waits, and where it was called, when leases are tracked. */
type Acquire<R> = Waiter<Lease<R>, CallPlace | undefined>;

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
  readonly #waiters = new WaitingLine<Lease<R>, CallPlace | undefined>(() => {
    this.#changed();
    this.#settlePhase();
  });
  /** The owners of the creations that are under way. */
  readonly #owners = new Set<Acquire<R>>();
  /** Tells the factories to give up. */
  readonly #closing = new AbortController();
  /** Holds back what is made for the minimum. */
  readonly #backoff = new Backoff(() => this.#fill());
  readonly #telemetry: PoolTelemetry | undefined;
  // No step of ours stands between an idle resource and its lease.
  readonly #isPlain: boolean;
  #isPumping = false;
  #isFilling = false;
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
    const { validate, idleTimeout, maxLifetime, trackLeaks } = settings;
    this.#isPlain = validate === undefined && maxLifetime === Infinity &&
      !trackLeaks;
    this.#idle = new IdleShelf<R>(idleTimeout, maxLifetime, () => {
      this.#endAll(this.#idle.takeAged(this.#living - settings.minResources));
    });
    this.tracker = trackLeaks
      ? new LeaseTracker((error) => this.#tell(error, "leak"))
      : undefined;
    // In a microtask: the factory may refer to the variable that holds the pool.
    if (settings.minResources > 0) queueMicrotask(() => this.#fill());
  }

  get leased(): number {
    return this.#total - this.#creating - this.#idle.size - this.#validating -
      this.#cleaning;
  }

  /** All but those that are being cleaned up. */
  get #living(): number {
    return this.#total - this.#cleaning;
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
    const { leased, creating, validating, cleaning, waiting } = this.stats;
    const parts = [
      `${leased} of ${this.settings.maxResources} resources leased`,
    ];
    if (creating > 0) parts.push(`${creating} being made`);
    if (validating > 0) parts.push(`${validating} being validated`);
    if (cleaning > 0) parts.push(`${cleaning} being cleaned up`);
    parts.push(
      waiting === 1 ? "1 caller waiting" : `${waiting} callers waiting`,
    );
    return parts.join(", ");
  }

  /** `caller` is the public function, for the stack of a tracked lease. */
  acquire(
    signal: AbortSignal | undefined,
    timeout: number,
    caller: (...args: never[]) => unknown,
  ): Promise<Lease<R>> {
    if (this.#phase !== "open") {
      return Promise.reject(new DisposedError("ResourcePool.acquire()"));
    }
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
      const place = this.tracker && new CallPlace(caller);
      const waiter: Acquire<R> = new Waiter(place, resolve, reject);
      this.#waiters.push(waiter);
      this.#changed();
      this.#pump();
      if (!waiter.isWaiting) return;
      // The factory or validate may have aborted it in the meantime.
      if (signal?.aborted) waiter.reject(signal.reason);
      else if (timeout === 0) waiter.reject(this.#expired(0));
      else {
        if (signal !== undefined) waiter.listenTo(signal);
        if (timeout !== Infinity) {
          waiter.expireAfter(timeout, () => this.#expired(timeout));
        }
      }
    });
  }

  #expired(timeout: number): AcquireTimeoutError {
    this.#timedOut++;
    return new AcquireTimeoutError(timeout, this.describe());
  }

  // To leased. The entry must be in no other state's count.
  #lease(entry: PoolEntry<R>): PoolLease<R> {
    this.#acquired++;
    this.#changed();
    return new PoolLease(this, entry);
  }

  /** From leased: the lease was released. */
  giveBack(entry: PoolEntry<R>): void {
    this.#changed();
    this.#offer(entry, false);
    this.#settlePhase();
  }

  /** From leased: the lease was destroyed. Resolves when the resource is gone. */
  retire(entry: PoolEntry<R>): Promise<void> {
    this.#end(entry);
    if (entry.isGone) return DONE;
    return new Promise((resolve) => entry.whenGone = resolve);
  }

  // A resource that nobody has (counted as leased until it is counted elsewhere): to the first
  // waiter, to the idle ones, or to its end.
  #offer(entry: PoolEntry<R>, isFresh: boolean): void {
    const waiter = this.#waiters.first;
    if (this.#phase === "closing" || this.#idle.isTooOld(entry)) {
      this.#end(entry);
    } else if (waiter === undefined) this.#idle.put(entry);
    else if (isFresh || this.settings.validate === undefined) {
      const lease = this.#lease(entry);
      if (waiter.item !== undefined) this.tracker?.began(lease, waiter.item);
      waiter.resolve(lease);
    } else this.#validate(entry, this.settings.validate);
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
        this.#create(this.#firstWithoutCreation());
      } else break;
    }
    this.#isPumping = false;
  }

  // Brings the living to the minimum, unless the factory has just failed at that.
  #fill(): void {
    // A factory that fails at once comes back here.
    if (this.#isFilling) return;
    this.#isFilling = true;
    const { minResources, maxResources } = this.settings;
    while (
      this.#phase === "open" && this.#living < minResources &&
      this.#total < maxResources && !this.#backoff.isPausing
    ) {
      // After a failure one creation tries for all; its success calls this again.
      if (this.#backoff.isFailing && this.#creating > 0) break;
      this.#create(undefined);
    }
    this.#isFilling = false;
  }

  // At most `maxResources` stand before it.
  #firstWithoutCreation(): Acquire<R> | undefined {
    let waiter = this.#waiters.first;
    while (waiter !== undefined && this.#owners.has(waiter)) {
      waiter = waiter.next;
    }
    return waiter;
  }

  // To creating, for `owner` or for the minimum.
  #create(owner: Acquire<R> | undefined): void {
    this.#total++;
    this.#creating++;
    if (owner !== undefined) this.#owners.add(owner);
    this.#changed();
    tellOutcome(
      this.settings.factory,
      this.#closing.signal,
      owner,
      this.#made,
      this.#notMade,
    );
  }

  readonly #made = (owner: Acquire<R> | undefined, resource: R): void => {
    this.#creating--;
    this.#created++;
    if (owner !== undefined) this.#owners.delete(owner);
    this.#changed();
    this.#backoff.succeeded();
    const createdAt = this.settings.maxLifetime === Infinity ? 0 : now();
    this.#offer(new PoolEntry(resource, createdAt), true);
    this.#refill();
  };

  // To gone.
  readonly #notMade = (owner: Acquire<R> | undefined, error: unknown): void => {
    this.#total--;
    this.#creating--;
    this.#failed++;
    if (owner !== undefined) this.#owners.delete(owner);
    this.#changed();
    if (owner?.isWaiting) owner.reject(error);
    else {
      if (owner === undefined && this.#phase === "open") this.#backoff.failed();
      // That it gave up when it was told to is no news.
      const { signal } = this.#closing;
      if (!signal.aborted || error !== signal.reason) {
        this.#tell(error, "factory");
      }
    }
    this.#refill();
  };

  // To validating.
  #validate(
    entry: PoolEntry<R>,
    validate: (resource: R) => boolean | PromiseLike<boolean>,
  ): void {
    this.#validating++;
    this.#changed();
    tellOutcome(
      validate,
      entry.resource,
      entry,
      this.#validated,
      this.#notValidated,
    );
  }

  readonly #validated = (entry: PoolEntry<R>, isGood: boolean): void => {
    this.#validating--;
    this.#changed();
    // It was checked just now, whoever gets it: the one for whom it was may have given up.
    if (isGood === true) this.#offer(entry, true);
    else this.#end(entry);
    this.#pump();
  };

  readonly #notValidated = (entry: PoolEntry<R>, error: unknown): void => {
    this.#validated(entry, false);
    this.#tell(error, "validate");
  };

  // To cleaning.
  #end(entry: PoolEntry<R>): void {
    this.#endAll([entry]);
  }

  // The same for idle ones. All are counted before the first clean-up is called.
  #endAll(entries: PoolEntry<R>[]): void {
    this.#cleaning += entries.length;
    this.#changed();
    for (const entry of entries) {
      tellOutcome(
        this.#cleanup,
        entry.resource,
        entry,
        this.#cleaned,
        this.#notCleaned,
      );
    }
  }

  readonly #cleanup = (resource: R): unknown => {
    const { cleanup, cleanupTimeout } = this.settings;
    const cleaned = cleanup?.(resource);
    if (!isThenable(cleaned)) return;
    return within(cleanupTimeout, cleaned, () =>
      new PoolTimeoutError(
        `ResourcePool cleanup() has not ended within ${cleanupTimeout} ms; its place is used again. ` +
          "Make it faster or raise cleanupTimeout.",
      ));
  };

  // To gone.
  readonly #cleaned = (entry: PoolEntry<R>): void => {
    this.#cleaning--;
    this.#total--;
    this.#destroyed++;
    entry.isGone = true;
    entry.whenGone?.();
    this.#changed();
    this.#refill();
  };

  readonly #notCleaned = (entry: PoolEntry<R>, error: unknown): void => {
    if (this.#phase === "closing") this.closeErrors.push(error);
    else this.#tell(error, "cleanup");
    this.#cleaned(entry);
  };

  // There may be another resource, or room for one.
  #refill(): void {
    this.#pump();
    this.#fill();
    this.#settlePhase();
  }

  // Called by every step that moves a resource or a waiter.
  #changed(): void {
    this.#telemetry?.changed();
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
      this.#backoff.stop();
      const error = new DisposedError("ResourcePool.acquire()");
      while (this.#waiters.first) this.#waiters.first.reject(error);
      this.#closing.abort(error);
      this.#endAll(this.#idle.clear());
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

/** Invariant: `#entry` is set exactly until the lease is given back, which happens once. */
class PoolLease<R> implements Lease<R> {
  readonly #pool: PoolCore<R>;
  #entry: PoolEntry<R> | undefined;

  constructor(pool: PoolCore<R>, entry: PoolEntry<R>) {
    this.#pool = pool;
    this.#entry = entry;
  }

  get resource(): R {
    if (this.#entry === undefined) throw new LeaseReleasedError("resource");
    return this.#entry.resource;
  }

  get isReleased(): boolean {
    return this.#entry === undefined;
  }

  release(): void {
    this.#pool.giveBack(this.#end("release()"));
  }

  destroy(): Promise<void> {
    return this.#pool.retire(this.#end("destroy()"));
  }

  [Symbol.dispose](): void {
    if (this.#entry !== undefined) this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#entry !== undefined) this.release();
    return DONE;
  }

  #end(what: string): PoolEntry<R> {
    const entry = this.#entry;
    if (entry === undefined) throw new LeaseReleasedError(what);
    this.#entry = undefined;
    this.#pool.tracker?.ended(this);
    return entry;
  }
}
