/**
 * The handle of a task that runs somewhere: a real promise, with methods.
 *
 *     queued ──▶ running ──▶ succeeded | failed | cancelled
 *        └──────────────────────────▲
 *
 * A handle is settled exactly once, by whatever comes first: the outcome from the store, or a
 * cancel, timeout or abort here. What comes later changes nothing here, and the store is made to
 * agree (see `submitter.ts`).
 *
 * @module
 */
import {
  abortError,
  type AbortSubscription,
  type JobOwner,
  type LateFailure,
  lateFailure,
  markHandled,
  type TimerEntry,
  timers,
} from "@specify/async-core/host";
import type {
  TaskHandle,
  TaskPriority,
  TaskState,
} from "@specify/async-core/runner";
import type { Absence } from "./submit/store_link.ts";

/** What a handle asks of its runner. */
export interface HandleOwner {
  cancel(handle: ClusterHandle<unknown>, reason: unknown): void;
  setPriority(handle: ClusterHandle<unknown>, priority: TaskPriority): void;
  /** Whether the store, which would tell of ends, is away. */
  readonly absence: Absence;
}

// The executor is shared, so that a handle needs no closure of its own: it runs synchronously
// within `super()`, and the constructor takes both functions over in the next statement.
let resolveOfLast: (value: unknown) => void;
let rejectOfLast: (reason: unknown) => void;

/** What the runner may do with a handle, and nobody else. */
export const settle: unique symbol = Symbol("settle");

/** The same: tells that it has ended where it ran, or will never run. */
export const end: unique symbol = Symbol("end");

/** A promise of the outcome of a task on the cluster. */
export class ClusterHandle<T> extends Promise<T> implements TaskHandle<T> {
  readonly id: string;
  readonly name: string;
  state: TaskState = "queued";
  priority: TaskPriority;
  onProgress: ((value: unknown) => void) | undefined;
  /** Listens to the signal of the submit. */
  subscription: AbortSubscription | undefined;
  /** The timer of the deadline. */
  deadlineTimer: TimerEntry | undefined;
  /** The timer of `sendTimeout`, until the store has the task. */
  sendTimer: TimerEntry | undefined;
  /** How many slots of its worker it takes. */
  weight = 1;
  /** The key it shares a limit with, if any. */
  key: PropertyKey | undefined;
  /** The store has the task. Before that there is nothing to find, forget or cancel there. */
  isStored = false;
  /** Its record is kept for others: the submit named an id. */
  isShared = false;
  /** Events may still tell of a time before it was attached: the store is asked first. */
  isAsking = false;
  /** It has ended where it ran, or will never run. */
  hasEnded = false;
  /** The batch or scope that it belongs to, until that has been told of its end. */
  batch: JobOwner<ClusterHandle<unknown>> | undefined;
  /** What its function threw in the end, where it had been cancelled before. */
  thrown: { error: unknown } | undefined;
  /** What it was settled with, unless it succeeded. */
  #reason: unknown;
  /** Stops watching for the store, which would tell of its end, to be away. */
  #unwatch: (() => void) | undefined;
  readonly #owner: HandleOwner;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (reason: unknown) => void;

  constructor(
    id: string,
    name: string,
    priority: TaskPriority,
    owner: HandleOwner,
  ) {
    super((resolve, reject) => {
      resolveOfLast = resolve as (value: unknown) => void;
      rejectOfLast = reject;
    });
    this.#resolve = resolveOfLast;
    this.#reject = rejectOfLast;
    this.id = id;
    this.name = name;
    this.priority = priority;
    this.#owner = owner;
  }

  cancel(reason?: unknown): void {
    this.#owner.cancel(
      this,
      reason ?? abortError(`Task ${this.name} was cancelled`),
    );
  }

  setPriority(priority: TaskPriority): void {
    this.#owner.setPriority(this, priority);
  }

  [settle](state: TaskState, value: unknown): void {
    this.state = state;
    this.subscription?.unsubscribe();
    this.subscription = undefined;
    if (this.deadlineTimer !== undefined) timers.remove(this.deadlineTimer);
    if (this.sendTimer !== undefined) timers.remove(this.sendTimer);
    const { batch } = this;
    if (state === "succeeded") this.#resolve(value);
    else {
      this.#reason = value;
      // Whoever cancels knows, and so does a batch: no unhandled rejection when nobody awaits it.
      if (state === "cancelled" || batch !== undefined) markHandled(this);
      this.#reject(value);
    }
    batch?.settled(this, state, value, this.hasEnded);
    // One that ended with its outcome tells of no end of its own.
    if (this.hasEnded) this.batch = undefined;
    else if (batch !== undefined && state !== "succeeded") {
      this.#unwatch = this.#owner.absence.watch(() => this.#tellEnd());
    }
  }

  /** Gives what it failed with too late for anybody to have been told. */
  [end](): LateFailure | undefined {
    this.hasEnded = true;
    return this.#tellEnd();
  }

  /** It has ended, or the store is away for so long that its end is waited for no more. */
  #tellEnd(): LateFailure | undefined {
    this.#unwatch?.();
    const { batch, thrown } = this;
    if (batch === undefined) return undefined;
    this.batch = undefined;
    const late = thrown && lateFailure(thrown.error, this.#reason);
    return batch.ended(this, late) ? undefined : late;
  }
}

// `await` and `Promise.all` use a promise directly only when its constructor is Promise.
Object.defineProperty(ClusterHandle.prototype, "constructor", {
  value: Promise,
});
