/**
 * The handle of a submitted task: a real promise, with methods, and the job itself.
 *
 * `Promise.prototype.constructor` is what `await` and `Promise.all` look at to decide whether a
 * promise may be used directly. A subclass whose prototype names `Promise` as its constructor
 * costs nothing there; one that names itself costs 2.5 times as much.
 *
 * @module
 */
import { isHeard } from "../../_internal/late_failure.ts";
import type { SchedulerCore } from "./core.ts";
import {
  idOf,
  type Job,
  type JobExtras,
  type JobTiming,
  nameOf,
  nextSequence,
  settle,
  weightOf,
} from "./job.ts";
import { TaskPriority } from "../priority.ts";
import type { Task, TaskContext, TaskHandle, TaskState } from "../types.ts";

// The executor is shared, so that a handle needs no closure of its own: it runs synchronously
// within `super()`, and the constructor takes both functions over in the next statement.
let resolveOfLast: (value: unknown) => void;
let rejectOfLast: (reason: unknown) => void;
const capture = (
  resolve: (value: unknown) => void,
  reject: (reason: unknown) => void,
): void => {
  resolveOfLast = resolve;
  rejectOfLast = reject;
};

const ignore = (): void => {};

type Executor<T> = (
  resolve: (value: T | PromiseLike<T>) => void,
  reject: (reason?: unknown) => void,
) => void;

/** A promise of the outcome of a task, and the job that it stands for. */
export class JobHandle<T> extends Promise<T> implements TaskHandle<T>, Job {
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  state: TaskState = "queued";
  priority: TaskPriority = TaskPriority.NORMAL;
  readonly sequence: number = nextSequence();
  readonly task: Task<unknown>;
  timing: JobTiming | undefined = undefined;
  extras: JobExtras | undefined = undefined;
  protected readonly core: SchedulerCore;
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;

  /** `core` is the one that it is submitted to. */
  constructor(task: Task<T>, core: SchedulerCore) {
    super(capture as Executor<T>);
    this.#resolve = resolveOfLast;
    this.#reject = rejectOfLast;
    this.task = task;
    this.core = core;
  }

  get id(): string {
    return idOf(this);
  }

  get name(): string {
    return nameOf(this);
  }

  get weight(): number {
    return weightOf(this);
  }

  get key(): PropertyKey | undefined {
    return this.extras?.key;
  }

  get parentId(): string | undefined {
    return this.extras?.parent?.id;
  }

  cancel(reason?: unknown): void {
    this.core.cancel(this, reason);
  }

  setPriority(priority: TaskPriority): void {
    this.core.setPriority(this, priority);
  }

  /** See late_failure.ts. */
  get [isHeard](): boolean {
    return this.core.isObserved;
  }

  run(context: TaskContext): unknown {
    // Not as a method: the function's `this` is not this handle.
    const { task } = this;
    return task(context);
  }

  [settle](state: TaskState, value: unknown): void {
    // The value of a task that succeeded is of its type.
    if (state === "succeeded") this.#resolve(value as T);
    else {
      // Whoever cancels knows: a cancelled handle that nobody awaits is no unhandled rejection.
      if (state === "cancelled") markHandled(this);
      this.#reject(value);
    }
  }
}

Object.defineProperty(JobHandle.prototype, "constructor", { value: Promise });

/** Makes a rejection that nobody looks at somebody's business. */
export function markHandled(promise: Promise<unknown>): void {
  // Not the handle's own `then`, which would count as somebody awaiting it.
  Promise.prototype.then.call(promise, undefined, ignore);
}

/**
 * The handle of a child: tells the scheduler when somebody awaits it, so that the parent's slot
 * can be lent. It names itself as its constructor, since only then does `await` call `then`.
 */
export class ChildHandle<T> extends JobHandle<T> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  override then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): Promise<R1 | R2> {
    this.core.awaited(this);
    return super.then(onFulfilled, onRejected);
  }
}

Object.defineProperty(ChildHandle.prototype, "constructor", {
  value: ChildHandle,
});
