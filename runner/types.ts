/**
 * The vocabulary of the runner: task, context, handle, options, and the small interface by
 * which everything else accepts "a runner".
 *
 * @module
 */
import type { TaskPriority } from "./priority.ts";

/**
 * Work to be run: a function, because a JavaScript promise has already started. It may return a
 * value or a promise of one, and should stop when `context.signal` aborts.
 *
 * @example
 * ```ts
 * import { AsyncRunner, type Task } from "@specify/async-core";
 *
 * const double: (n: number) => Task<number> = (n) => () => n * 2;
 * await using runner = new AsyncRunner();
 * console.log(await runner.submit(double(21))); // 42
 * ```
 */
export type Task<T> = (context: TaskContext) => T | PromiseLike<T>;

/** What a running task is given. */
export interface TaskContext {
  /**
   * Aborts when the task is cancelled, runs into its timeout or deadline, its parent or scope
   * ends, or its runner shuts down. `signal.reason` says which.
   */
  readonly signal: AbortSignal;
  /** The id of the task, the same as its handle's. */
  readonly id: string;
  /** The name given at the submit, or the function's own, or the id. */
  readonly name: string;
  /** The level that the task was started with. */
  readonly priority: TaskPriority;
  /**
   * Submits a child: while this task awaits its children, they run in its slot, so that nesting
   * cannot deadlock. No child outlives its parent: those that are left when this task is cancelled
   * or its function ends are cancelled too, and this task ends when they have.
   */
  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T>;
  /** Delivers `value` to the `onProgress` of the submit. */
  progress(value: unknown): void;
  /**
   * Runs work that must finish even after an abort (a commit, a clean-up). The slot is kept and
   * shutdown waits until it has ended. `fn` gets a signal that never aborts.
   */
  shield<T>(fn: (signal: AbortSignal) => T | PromiseLike<T>): Promise<T>;
}

/** How a task is to be run. Every option that is left out costs nothing. */
export interface SubmitOptions {
  /** Level to wait in. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Longest running time in milliseconds; queueing does not count. @default {Infinity} */
  timeout?: number | undefined;
  /**
   * Point on the `performance.now()` line by which the task must have ended, queueing included.
   * A task that expires in the queue never starts. @default {Infinity}
   */
  deadline?: number | undefined;
  /** Cancels the task, queued or running, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Shown in errors, statistics, traces and the timeline. @default {task.name} */
  name?: string | undefined;
  /** Tasks of the same key share the scheduler's `maxPerKey`. */
  key?: PropertyKey | undefined;
  /** How many slots the task takes. @default {1} */
  weight?: number | undefined;
  /** Gets what the task passes to `context.progress`. */
  onProgress?: ((value: unknown) => void) | undefined;
}

/** Where a task stands. It only moves to the right: queued, running, one of the three ends. */
export type TaskState =
  | "queued"
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled";

/** A task that was submitted: a promise of its result that can be watched and steered. */
export interface TaskHandle<T> extends Promise<T> {
  /** Unique within the process, for example `task-17`. */
  readonly id: string;
  /** The name given at the submit, or the function's own, or the id. */
  readonly name: string;
  /** Where the task stands now. */
  readonly state: TaskState;
  /** The level it waits in, or was started from. */
  readonly priority: TaskPriority;
  /**
   * Settles the handle at once with `reason`, queued or running. A running task sees its signal
   * abort, and its slot is free when it has really ended. Later calls do nothing.
   *
   * @param reason What the handle rejects with; of very many handles that are cancelled in one
   * turn, the later ones share the default. @default {DOMException "AbortError"}
   */
  cancel(reason?: unknown): void;
  /**
   * Moves a queued task to another level, where it stands by its age: before those that were
   * submitted later. Does nothing once it has started.
   */
  setPriority(priority: TaskPriority): void;
}

/**
 * "A runner", as everything else in this module accepts it: AsyncRunner, TaskScheduler, a scope
 * and a ClusterRunner all are one.
 */
export interface TaskRunner {
  /** Queues a task and returns its handle. The task starts later, never within the call. */
  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T>;
  /** True while the queue holds `maxQueue` tasks or more. Always false without that bound. */
  readonly isFull: boolean;
  /** Resolves when a further task may be submitted. Look at `isFull` first: it is free. */
  ready(signal?: AbortSignal): Promise<void>;
}

/** A task as an observer sees it. */
export interface TaskInfo {
  /** Unique within the process. */
  readonly id: string;
  /** The name given at the submit, or the function's own, or the id. */
  readonly name: string;
  /** Where the task stands now. */
  readonly state: TaskState;
  /** The level it waits in, or was started from. */
  readonly priority: TaskPriority;
  /** How many slots it takes. */
  readonly weight: number;
  /** The key it shares a limit with, if any. */
  readonly key: PropertyKey | undefined;
  /** The id of the task that submitted it by `context.submit`, if any. */
  readonly parentId: string | undefined;
}

/**
 * Sees every change of every task, synchronously: keep it short. What it throws is reported on
 * the console and changes nothing.
 */
export interface TaskObserver {
  /** A task was accepted and waits. */
  queued?(task: TaskInfo): void;
  /** Its function is about to be called. */
  started?(task: TaskInfo): void;
  /** It has its outcome: `task.state` says which, `reason` is its error or cancel reason. */
  settled?(task: TaskInfo, reason: unknown): void;
  /**
   * Its function has really ended and its slot is free; for a cancelled task later than `settled`.
   * `error`: what a task of a gather, map, race or any failed with after it had been cut off. Without
   * this method such failures are reported on the console.
   */
  ended?(task: TaskInfo, error?: unknown): void;
}
