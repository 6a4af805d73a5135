/**
 * AsyncRunner: the scheduler with everything that one does with tasks.
 *
 * @module
 */
import { type AbortSubscription, heedAbort } from "../_internal/abort.ts";
import { DisposedError } from "../_internal/errors.ts";
import { array, type Checks, takeOptions } from "../_internal/validate.ts";
import { type RaceOptions, withDefaults } from "./batch/batch.ts";
import {
  gather,
  type GatherOptions,
  type SettledTaskResults,
  type TaskResults,
} from "./batch/gather.ts";
import { JobHandle } from "./scheduler/handle.ts";
import { RunnerGroup } from "./scheduler/job_group.ts";
import { any, race } from "./batch/race.ts";
import { map, type RunnerMapOptions } from "./batch/map.ts";
import { type RunnerOptions, takeRunnerOptions } from "./runner_options.ts";
import { coreOf, TaskScheduler } from "./scheduler/scheduler.ts";
import type { SchedulerCore } from "./scheduler/core.ts";
import { concurrency, SUBMIT_CHECKS } from "./scheduler/options.ts";
import { SchedulerHost } from "./scheduler/scheduler_host.ts";
import { scope, type ScopeOptions, type TaskScope } from "./batch/scope.ts";
import {
  checkShutdownOptions,
  Shutdown,
  type ShutdownOptions,
  type ShutdownReport,
} from "./scheduler/shutdown.ts";
import type { SchedulerStatistics } from "./scheduler/statistics.ts";
import type { Timeline } from "./observe/timeline.ts";
import { WorkerPool } from "./threads/worker_pool.ts";
import type {
  SubmitOptions,
  Task,
  TaskContext,
  TaskHandle,
  TaskRunner,
} from "./types.ts";

/** How a call on another thread is run. */
export interface OffloadOptions extends Omit<SubmitOptions, "onProgress"> {
  /** What of the arguments is moved to the worker instead of copied. */
  transfer?: Transferable[] | undefined;
}

const { onProgress: _, ...OFFLOAD_SUBMIT_CHECKS } = SUBMIT_CHECKS;

const OFFLOAD_CHECKS: Checks<OffloadOptions> = {
  ...OFFLOAD_SUBMIT_CHECKS,
  transfer: array,
};

/**
 * Runs tasks: one at a time or many, in scopes, over sources, on worker threads; all under one
 * limit and by one order of priorities.
 *
 * @example
 * ```ts
 * import { AsyncRunner } from "@specify/async-core";
 *
 * await using runner = new AsyncRunner({ maxWorkers: 5 });
 * const doubled = await runner.gather(
 *   [1, 2, 3].map((n) => async () => await Promise.resolve(n * 2)),
 * );
 * console.log(doubled); // [2, 4, 6]
 * ```
 */
export class AsyncRunner implements TaskRunner, AsyncDisposable {
  readonly #scheduler: TaskScheduler;
  readonly #core: SchedulerCore;
  /** Only with a shared scheduler: the tasks that are this runner's. */
  readonly #group: RunnerGroup | undefined;
  /** This runner, as gather, map, race, any and scope use it. */
  readonly #host: SchedulerHost;
  readonly #subscription: AbortSubscription | undefined;
  /** What a submit without options is submitted with; `undefined` when there are no defaults. */
  readonly #defaults: SubmitOptions | undefined;
  readonly #maxThreads: number | undefined;
  #threads: WorkerPool | undefined;
  #shutdown: Shutdown | undefined;

  /**
   * Makes a runner. It starts nothing until something is submitted.
   *
   * @throws {RangeError} or {TypeError} naming the option and the value when one is wrong.
   */
  constructor(options: RunnerOptions = {}) {
    const { scheduler, defaults, maxThreads } = takeRunnerOptions(options);
    this.#defaults = defaults;
    this.#maxThreads = maxThreads;
    const isShared = scheduler instanceof TaskScheduler;
    this.#scheduler = isShared ? scheduler : new TaskScheduler(scheduler);
    const core = this.#core = coreOf(this.#scheduler);
    const group = this.#group = isShared ? new RunnerGroup() : undefined;
    this.#host = new SchedulerHost(core, group, defaults);
    // An own scheduler listens to the signal itself.
    this.#subscription = group &&
      heedAbort(options.signal, (reason) => group.cancelAll(reason, true));
  }

  /**
   * Queues a task. It never throws for what happens to the task: after a shutdown, with an
   * aborted signal or an expired deadline, the handle rejects.
   *
   * @throws {RangeError} or {TypeError} when the task or an option is wrong.
   */
  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    const handle = new JobHandle(task, this.#core);
    this.#core.submit(
      handle,
      withDefaults(options, this.#defaults),
      this.#group,
    );
    return handle;
  }

  /**
   * Runs all tasks and gives their results in order. The source is read only as fast as tasks
   * may run and the queue has room. The first failure cancels the rest, and the promise rejects
   * with it when all have ended. A failure that comes after it (the cancelling itself is none) goes
   * to `observer.ended`, or without an observer to the console. With `settled` it rejects only when
   * it cannot go on: its source or its signal ended it, or the runner was shut down before every
   * task could be submitted.
   *
   * @throws {TypeError} When `tasks` is no iterable, or holds something that is no function.
   */
  gather<const Tasks extends readonly Task<unknown>[]>(
    tasks: Tasks,
    options: GatherOptions & { settled: true },
  ): Promise<SettledTaskResults<Tasks>>;
  /** The same for any iterable. */
  gather<T>(
    tasks: Iterable<Task<T>>,
    options: GatherOptions & { settled: true },
  ): Promise<PromiseSettledResult<Awaited<T>>[]>;
  /** All results, or the first failure. */
  gather<const Tasks extends readonly Task<unknown>[]>(
    tasks: Tasks,
    options?: GatherOptions & { settled?: false | undefined },
  ): Promise<TaskResults<Tasks>>;
  /** The same for any iterable. */
  gather<T>(
    tasks: Iterable<Task<T>>,
    options?: GatherOptions & { settled?: false | undefined },
  ): Promise<Awaited<T>[]>;
  gather(
    tasks: Iterable<Task<unknown>>,
    options: GatherOptions = {},
  ): Promise<unknown> {
    return gather(this.#host, tasks, options);
  }

  /**
   * Calls `fn` for each element of a source, several at once, each call a task of this runner.
   * Lazy: nothing is read before the first result is asked for, and never further ahead than
   * `concurrency`. Leaving the loop cancels what is in work, awaits it and closes the source. It
   * fails as the first call that fails, in its order; later failures go where those of `gather` go.
   * A shutdown does not wait for a map that nobody reads: it gives nothing more afterwards.
   *
   * @example
   * ```ts
   * import { AsyncRunner } from "@specify/async-core";
   *
   * await using runner = new AsyncRunner({ maxWorkers: 2 });
   * for await (const square of runner.map([1, 2, 3], (n) => n * n)) {
   *   console.log(square); // 1, 4, 9
   * }
   * ```
   */
  map<T, U>(
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    fn: (value: T, index: number, context: TaskContext) => U | PromiseLike<U>,
    options: RunnerMapOptions = {},
  ): AsyncIterableIterator<U> & AsyncDisposable {
    return map(this.#host, source, fn, options);
  }

  /**
   * The outcome of the task that ends first, result or failure. The others are cancelled and
   * awaited; what they fail with then goes where later failures of `gather` go.
   *
   * @throws {RangeError} When there are no tasks: it would never settle.
   */
  race<T>(
    tasks: Iterable<Task<T>>,
    options: RaceOptions = {},
  ): Promise<Awaited<T>> {
    return race(this.#host, tasks, options);
  }

  /**
   * The result of the task that succeeds first. Failures before it are passed over. The others are
   * cancelled and awaited; what they fail with then goes where later failures of `gather` go.
   *
   * @throws {AggregateError} When all fail, with every failure, in the order of the tasks; the
   * reason of `signal` when that ended it.
   */
  any<T>(
    tasks: Iterable<Task<T>>,
    options: RaceOptions = {},
  ): Promise<Awaited<T>> {
    return any(this.#host, tasks, options);
  }

  /**
   * Structured concurrency: no task that is submitted to the scope outlives it. When one fails,
   * or the body does, the others are cancelled; all are awaited, then the clean-ups run. One
   * failure is thrown as it is, several as an AggregateError; cancellations that follow from a
   * failure are not among them. A shutdown waits for open scopes as it does for tasks, and a
   * cancelled one sees its `signal` abort.
   *
   * @example
   * ```ts
   * import { AsyncRunner } from "@specify/async-core";
   *
   * await using runner = new AsyncRunner();
   * const sum = await runner.scope(async (scope) => {
   *   const a = scope.submit(() => 1);
   *   const b = scope.submit(() => 2);
   *   scope.defer(() => console.log("both have ended"));
   *   return await a + await b;
   * });
   * console.log(sum); // 3
   * ```
   */
  scope<T>(
    body: (scope: TaskScope) => T | PromiseLike<T>,
    options: ScopeOptions = {},
  ): Promise<T> {
    return scope(this.#host, body, options);
  }

  /**
   * Calls a function of a module on a worker thread, as a task of this runner: for work that
   * would block this thread. Cancelling ends the worker, so even an endless loop ends. Arguments
   * and result are copied (structured clone), or moved by `transfer`.
   *
   * @param moduleUrl Absolute: `import.meta.resolve("./hash.ts")`.
   * @param exportName The exported function.
   * @param args Its arguments.
   * @throws {TypeError} When `moduleUrl` is relative.
   * @throws {OffloadError} When the call could not be made or the worker died.
   *
   * @example
   * ```ts
   * import { AsyncRunner } from "@specify/async-core";
   *
   * const module = "data:text/javascript,export const square = (n) => n * n;";
   * await using runner = new AsyncRunner();
   * console.log(await runner.offload(module, "square", [12])); // 144
   * ```
   */
  offload<T = unknown>(
    moduleUrl: string | URL,
    exportName: string,
    args: readonly unknown[] = [],
    options: OffloadOptions = {},
  ): TaskHandle<T> {
    const { transfer, ...submitOptions } = takeOptions(
      "offload()",
      options,
      OFFLOAD_CHECKS,
      { name: exportName },
    );
    return this.submit<T>(
      async ({ signal }) => {
        this.#threads ??= new WorkerPool({ maxWorkers: this.#maxThreads });
        // The caller says what the function gives.
        return await this.#threads.run(moduleUrl, exportName, args, {
          transfer,
          signal,
        }) as T;
      },
      submitOptions,
    );
  }

  /** The scheduler underneath: pause, resume, clear, limits. */
  get scheduler(): TaskScheduler {
    return this.#scheduler;
  }

  /** How many tasks may run at once; may be changed while they run. */
  get maxWorkers(): number {
    return this.#core.maxConcurrent;
  }

  /** @throws {RangeError} When it is no positive integer or Infinity. */
  set maxWorkers(value: number) {
    this.#core.setMaxConcurrent(concurrency("maxWorkers", value));
  }

  /** Whether the queue holds `maxQueue` tasks or more. */
  get isFull(): boolean {
    return this.#core.isFull;
  }

  /** Resolves when the queue is below `maxQueue`; rejects with the reason of `signal`. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#scheduler.ready(signal);
  }

  /** Resolves when nothing of this runner waits or runs. */
  onIdle(signal?: AbortSignal): Promise<void> {
    return this.#group === undefined
      ? this.#scheduler.onIdle(signal)
      : this.#group.whenEmpty(signal);
  }

  /** Counts, and percentiles of wait and run times by level, of the scheduler. */
  stats(): SchedulerStatistics {
    return this.#core.statistics();
  }

  /**
   * What ran when, on which slot, and who waited: the last tasks as Chrome trace events, which
   * ui.perfetto.dev and chrome://tracing open as JSON.
   *
   * @throws {TypeError} When the runner was made without the option `timeline`.
   *
   * @example
   * ```ts
   * import { AsyncRunner } from "@specify/async-core";
   *
   * await using runner = new AsyncRunner({ timeline: 100 });
   * await runner.gather([() => 1, () => 2]);
   * const json = JSON.stringify(runner.timeline());
   * console.log(json.includes('"ph":"X"')); // true
   * ```
   */
  timeline(): Timeline {
    return this.#core.timeline();
  }

  /** Lets a scheduler that was made with `paused` begin. */
  start(): this {
    this.#core.resume();
    return this;
  }

  /**
   * Stops accepting, lets accepted tasks and open scopes finish, and cancels what is left after
   * `timeout`. What is part of accepted work (a task of a gather, of a scope, a child) is still
   * let in until then. Calling it again joins the same shutdown; the most impatient options win. Awaiting it inside
   * one of the runner's own tasks waits for that task too: give it a `timeout`, or do not await
   * it there.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    checkShutdownOptions(options);
    (this.#group ?? this.#core).admission.close(() =>
      new DisposedError("AsyncRunner.submit()")
    );
    const report =
      await (this.#group === undefined
        ? this.#scheduler.shutdown(options)
        : this.#endGroup(this.#group, options));
    // Idle by now, or cut off: no worker does anything that somebody waits for.
    await this.#threads?.[Symbol.asyncDispose]();
    return report;
  }

  /** Only this runner's tasks: the scheduler is shared. */
  #endGroup(
    group: RunnerGroup,
    options: ShutdownOptions,
  ): Promise<ShutdownReport> {
    this.#shutdown ??= new Shutdown(group, this.#subscription);
    this.#shutdown.apply(options);
    return this.#shutdown.report;
  }

  /** `shutdown()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
