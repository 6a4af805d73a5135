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
import type {
  TaskHandle,
  TaskPriority,
  TaskState,
} from "@specify/async-core/runner";

import type { Absence } from "./submit/absence.ts";

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

const ignore = (): void => {};

/** What the runner may do with a handle, and nobody else. */
export const settle: unique symbol = Symbol("settle");

/** A promise of the outcome of a task on the cluster. */
export class ClusterHandle<T> extends Promise<T> implements TaskHandle<T> {
  readonly id: string;
  readonly name: string;
  state: TaskState = "queued";
  priority: TaskPriority;
  onProgress: ((value: unknown) => void) | undefined;
  /** Stops listening to the signal of the submit. */
  unsubscribe: (() => void) | undefined;
  /** The timer of the deadline. */
  deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  /** The timer of `sendTimeout`, until the store has the task. */
  sendTimer: ReturnType<typeof setTimeout> | undefined;
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
  /** Told when it has. */
  onEnded: (() => void) | undefined;
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
      reason ?? new DOMException(
        `Task ${this.name} was cancelled`,
        "AbortError",
      ),
    );
  }

  setPriority(priority: TaskPriority): void {
    this.#owner.setPriority(this, priority);
  }

  /**
   * Resolves when it has ended where it ran, or is settled here and the store, which would tell
   * of that, is away for long; never rejects.
   */
  whenEnded(): Promise<void> {
    if (this.hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.onEnded;
      const unwatch = this.#owner.absence.watch(() => {
        if (this.state === "queued" || this.state === "running") return;
        unwatch();
        resolve();
      });
      this.onEnded = () => {
        before?.();
        unwatch();
        resolve();
      };
    });
  }

  [settle](state: TaskState, value: unknown): void {
    this.state = state;
    this.unsubscribe?.();
    this.unsubscribe = undefined;
    clearTimeout(this.deadlineTimer);
    clearTimeout(this.sendTimer);
    if (state === "succeeded") this.#resolve(value);
    else {
      // Whoever cancels knows: a cancelled handle that nobody awaits is no unhandled rejection.
      if (state === "cancelled") markHandled(this);
      this.#reject(value);
    }
  }
}

// `await` and `Promise.all` use a promise directly only when its constructor is Promise.
Object.defineProperty(ClusterHandle.prototype, "constructor", {
  value: Promise,
});

/** Makes a rejection that nobody looks at somebody's business. */
export function markHandled(promise: Promise<unknown>): void {
  promise.then(undefined, ignore);
}
