/**
 * The state machine of a pool: which resource is where, who gets the next one, when one is made
 * and when one ends. How that is done is Creation's, Validation's, Cleaning's and MinimumKeeper's.
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
 *    cleaning never exceeds `maxResources`. Creation, Validation and Cleaning count what they
 *    work at, the shelf what is idle; the rest of `total` is leased. What they tell the pool, by
 *    `made`, `notMade`, `checked` and `cleaned`, moves the resource on in the same step.
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
import { DisposedError, report } from "../../_internal/errors.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import { Waiter, WaitingLine } from "../../_internal/waiting_line.ts";
import { Cleaning, type CleaningPool } from "./cleaning.ts";
import { type Acquire, type CreatingPool, Creation } from "./creation.ts";
import { AcquireTimeoutError, PoolFullError } from "./errors.ts";
import { CallPlace, LeaseTracker, PoolLease } from "./lease.ts";
import { type FilledPool, MinimumKeeper } from "./minimum.ts";
import { type PoolTelemetry, poolTelemetry } from "./telemetry.ts";
import type {
  AcquireOptions,
  Lease,
  PoolFailure,
  ResourcePoolStats,
} from "./types.ts";
import type { PoolSettings } from "./settings.ts";
import { IdleShelf, type PoolEntry } from "./shelf.ts";
import { type ValidatingPool, Validation } from "./validation.ts";

/** What a pool is open for. It only moves to the right. */
type Phase = "open" | "draining" | "closing";

/** The machine behind ResourcePool. */
export class PoolCore<R>
  implements CreatingPool<R>, ValidatingPool<R>, CleaningPool, FilledPool {
  readonly settings: PoolSettings<R>;
  readonly tracker: LeaseTracker | undefined;
  #phase: Phase = "open";
  #total = 0;
  readonly #idle: IdleShelf<R>;
  readonly #waiters = new WaitingLine<Lease<R>, CallPlace | undefined>(() => {
    this.#telemetry?.changed();
    this.#settlePhase();
  });
  /** Told by every function that moves a resource or a waiter. */
  readonly #telemetry: PoolTelemetry | undefined;
  // No step of ours stands between an idle resource and its lease.
  readonly #isPlain: boolean;
  readonly #creation: Creation<R>;
  readonly #validation: Validation<R>;
  readonly #cleaning: Cleaning<R>;
  readonly #minimum: MinimumKeeper;
  #isPumping = false;
  readonly #drained = withResolvers<void>();
  readonly #gone = withResolvers<void>();
  /** What failed while closing: clean-ups, for `close` to reject with. */
  readonly closeErrors: unknown[] = [];
  #acquired = 0;
  #timedOut = 0;

  constructor(settings: PoolSettings<R>) {
    this.settings = settings;
    this.#telemetry = poolTelemetry(() => this.stats);
    this.#isPlain = settings.validate === undefined &&
      settings.maxLifetime === Infinity && !settings.trackLeaks;
    this.#idle = new IdleShelf<R>(settings.idleTimeout, settings.maxLifetime, {
      spare: () => this.#living - settings.minResources,
      expired: (entry) => void this.#cleaning.begin(entry),
    });
    this.#creation = new Creation(settings, this);
    this.#validation = new Validation(this);
    this.#cleaning = new Cleaning(settings, this);
    this.#minimum = new MinimumKeeper(this);
    this.tracker = settings.trackLeaks
      ? new LeaseTracker((error) => this.#tell(error, "leak"))
      : undefined;
    // In a microtask: the factory may refer to the variable that holds the pool.
    if (settings.minResources > 0) {
      queueMicrotask(() => this.#minimum.fill());
    }
  }

  get leased(): number {
    return this.#total - this.creating - this.#idle.size -
      this.#validation.count - this.#cleaning.count;
  }

  get creating(): number {
    return this.#creation.count;
  }

  /** All but those that are being cleaned up. */
  get #living(): number {
    return this.#total - this.#cleaning.count;
  }

  get isShort(): boolean {
    const { minResources, maxResources } = this.settings;
    return this.#phase === "open" && this.#living < minResources &&
      this.#total < maxResources;
  }

  get stats(): ResourcePoolStats {
    return {
      total: this.#total,
      creating: this.creating,
      idle: this.#idle.size,
      validating: this.#validation.count,
      leased: this.leased,
      cleaning: this.#cleaning.count,
      waiting: this.#waiters.size,
      acquired: this.#acquired,
      created: this.#creation.created,
      destroyed: this.#cleaning.destroyed,
      failed: this.#creation.failed,
      timedOut: this.#timedOut,
    };
  }

  /** For messages: where all resources are. */
  describe(): string {
    const { leased } = this;
    const parts = [
      `${leased} of ${this.settings.maxResources} resources leased`,
    ];
    const { creating, validating, cleaning } = this.stats;
    if (creating > 0) parts.push(`${creating} being made`);
    if (validating > 0) parts.push(`${validating} being validated`);
    if (cleaning > 0) parts.push(`${cleaning} being cleaned up`);
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
    const unserved = this.#waiters.size - this.creating -
      this.#validation.count;
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
      this.#telemetry?.changed();
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

  /** From leased: the lease was released. */
  giveBack(entry: PoolEntry<R>): void {
    this.#telemetry?.changed();
    const waiter = this.#waiters.first;
    if (this.#phase !== "open") {
      this.#offer(entry, false);
      this.#settlePhase();
    } else if (waiter !== undefined && this.#isPlain) {
      waiter.resolve(this.#lease(entry));
    } else this.#offer(entry, false);
  }

  /** From leased: the lease was destroyed. */
  async retire(entry: PoolEntry<R>): Promise<void> {
    await this.#cleaning.begin(entry);
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
      void this.#cleaning.begin(entry);
    } else if (this.#waiters.size === 0) this.#idle.put(entry);
    else if (isFresh || this.settings.validate === undefined) this.#hand(entry);
    else this.#validation.begin(entry, this.settings.validate);
  }

  #hand(entry: PoolEntry<R>): void {
    // Called only while somebody waits.
    const waiter = this.#waiters.first!;
    const lease = this.#lease(entry);
    if (waiter.item !== undefined) this.tracker?.began(lease, waiter.item);
    waiter.resolve(lease);
  }

  checked(entry: PoolEntry<R>, isGood: boolean): void {
    this.changed();
    // It was checked just now, whoever gets it: the one for whom it was may have given up.
    if (isGood) this.#offer(entry, true);
    else void this.#cleaning.begin(entry);
    this.#pump();
  }

  checkFailed(error: unknown): void {
    this.#tell(error, "validate");
  }

  // Restores invariant 2. A call from within (user code that calls the pool) leaves the work to
  // the loop that runs already: no recursion, however many resources fail synchronously.
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#waiters.size > this.creating + this.#validation.count) {
      const entry = this.#idle.take();
      if (entry !== undefined) this.#offer(entry, false);
      else if (this.#total < this.settings.maxResources) {
        this.#create(this.#creation.firstWithout(this.#waiters));
      } else break;
    }
    this.#isPumping = false;
  }

  /** Makes one for the minimum. */
  create(): void {
    this.#create(undefined);
  }

  // To creating, and on to leased or idle, or gone.
  #create(owner: Acquire<R> | undefined): void {
    this.#total++;
    this.#creation.begin(owner);
  }

  made(entry: PoolEntry<R>): void {
    this.changed();
    this.#minimum.made();
    this.#offer(entry, true);
    this.#pump();
    this.#minimum.fill();
  }

  notMade(error: unknown, owner: Acquire<R> | undefined): void {
    this.#total--;
    this.changed();
    if (owner?.isWaiting) owner.reject(error);
    else {
      if (owner === undefined && this.#phase === "open") this.#minimum.failed();
      // That it gave up when it was told to is no news.
      if (!this.#creation.wasStoppedBy(error)) this.#tell(error, "factory");
    }
    this.#pump();
    this.#minimum.fill();
    this.#settlePhase();
  }

  cleanFailed(error: unknown): void {
    if (this.#phase === "closing") this.closeErrors.push(error);
    else this.#tell(error, "cleanup");
  }

  // To gone.
  cleaned(): void {
    this.#total--;
    this.changed();
    this.#pump();
    this.#minimum.fill();
    this.#settlePhase();
  }

  /** The counts are different. */
  changed(): void {
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
      this.#minimum.stop();
      const error = new DisposedError("ResourcePool.acquire()");
      while (this.#waiters.first) this.#waiters.first.reject(error);
      this.#creation.stop(error);
      for (const entry of this.#idle.clear()) void this.#cleaning.begin(entry);
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
