/**
 * ClusterRunner: the shape of a runner, for tasks that run on other machines.
 *
 * @module
 */
import {
  type AbortSubscription,
  any,
  checkOpen,
  checkOptions,
  checkShutdownOptions,
  checkSignal,
  gather,
  type GatherOptions,
  map,
  onAbort,
  race,
  type RaceOptions,
  type RunnerMapOptions,
  scope,
  type ScopeOptions,
  show,
} from "@specify/async-core/host";
import {
  AsyncRunner,
  DisposedError,
  type SettledTaskResults,
  type ShutdownOptions,
  type ShutdownReport,
  type Task,
  type TaskContext,
  type TaskHandle,
  type TaskResults,
  type TaskRunner,
  type TaskScope,
} from "@specify/async-core/runner";
import { ClusterHost } from "./cluster_host.ts";
import {
  CLUSTER_CHECKS,
  type ClusterRunnerOptions,
  reporter,
} from "./cluster_options.ts";
import { ClusterShutdown } from "./cluster_shutdown.ts";
import { definitionOf } from "./define_task.ts";
import type { Engine } from "./engine.ts";
import { engineOf } from "./lazy_engine.ts";
import type { ClusterStatistics } from "./statistics.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";
import { Submitter } from "./submit/submitter.ts";
import { submitterSettings } from "./submit/submitter_settings.ts";
import { ClusterWorker } from "./worker/cluster_worker.ts";
import { Server } from "./worker/serve.ts";
import { onTermination } from "./worker/termination.ts";
import {
  definitionsOf,
  WORK_CHECKS,
  type WorkOptions,
} from "./worker/work_options.ts";

/**
 * Runs defined tasks on whatever machine serves the queue. It has the shape of AsyncRunner:
 * moving a program from one machine to many changes the line that makes the runner.
 *
 * Guarantee: at least once. A task whose worker dies, hangs or loses its connection is run again
 * by another one; so make tasks safe to run twice.
 *
 * @example
 * ```ts ignore
 * import { ClusterRunner, defineTask } from "@specify/async-distributed";
 *
 * const square = defineTask("square", (n: number) => n * n);
 *
 * await using cluster = new ClusterRunner({ connection: "redis://127.0.0.1:6379" });
 * cluster.work([square]); // on as many machines as needed
 * console.log(await cluster.submit(square(12))); // 144
 * ```
 */
export class ClusterRunner implements TaskRunner, AsyncDisposable {
  readonly #report: (error: Error) => void;
  readonly #engine: Engine;
  readonly #tasks: Submitter;
  /** This runner, as gather, map, race, any and scope use it. */
  readonly #host: ClusterHost;
  readonly #workers = new Set<ClusterWorker>();
  readonly #subscription: AbortSubscription | undefined;
  #shutdown: ClusterShutdown | undefined;

  /**
   * Makes a runner. It connects when something is submitted or served.
   *
   * @throws {RangeError | TypeError} Naming the option and the value when one is wrong.
   */
  constructor(options: ClusterRunnerOptions = {}) {
    checkOptions("ClusterRunner", options, CLUSTER_CHECKS);
    const { signal } = options;
    this.#report = reporter(options.onError);
    this.#engine = engineOf(options, this.#report);
    const tasks = this.#tasks = new Submitter(
      this.#engine,
      submitterSettings(options, this.#report),
    );
    const { admission } = this.#host = new ClusterHost(tasks);
    if (signal === undefined) return;
    const abort = (reason: unknown) => {
      const handles = tasks.handles();
      admission.cutOff(reason, true);
      for (const handle of handles) handle.cancel(reason);
    };
    if (signal.aborted) abort(signal.reason);
    else this.#subscription = onAbort(signal, abort);
  }

  /**
   * Submits a task that a defined task made. Submits of one tick go out together.
   *
   * @throws {TypeError} When it is no such task.
   * @throws {NotSerializableError | InputTooLargeError} When its input cannot be sent.
   * @throws {RangeError | TypeError} When an option is wrong.
   */
  submit<T>(task: Task<T>, options?: ClusterSubmitOptions): TaskHandle<T> {
    return this.#tasks.submit<T>(task, options, this.#host.refusal);
  }

  /**
   * A handle on a task that is in the queue already, by its id: waiting, running, or ended and
   * kept. It rejects with TaskNotFoundError when there is none.
   */
  attach<T = unknown>(id: string): TaskHandle<T> {
    checkOpen(this.#host);
    return this.#tasks.attach<T>(id);
  }

  /**
   * Runs all tasks and gives their results in order. At most 1,000 are submitted at once.
   * The first failure cancels the rest everywhere, and the promise rejects with it when all have
   * ended. Later failures go to `observer.ended`, or without an observer to the console. With
   * `settled` it rejects only when it cannot go on: its source or its signal ended it, or the runner
   * was shut down before every task could be submitted.
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
   * Runs a defined task for each element of a source. Lazy: nothing is read before the first
   * result is asked for, and never further ahead than `concurrency`. Leaving the loop cancels
   * what is in work everywhere, awaits it and closes the source.
   *
   * @throws {TypeError} When `task` is no defined task.
   */
  map<T, U>(
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    task: (value: T, index: number, context: TaskContext) => U | PromiseLike<U>,
    options: RunnerMapOptions = {},
  ): AsyncIterableIterator<U> & AsyncDisposable {
    if (definitionOf(task) === undefined) {
      throw new TypeError(
        `task must be a defined task, got ${
          show(task)
        }: define it by name, const task = ` +
          `defineTask("name", (input) => …), and map(source, task)`,
      );
    }
    // A defined task, called with an input alone, gives a task.
    const taskOf = task as unknown as (value: T) => Task<U>;
    return map(this.#host, source, task, options, taskOf);
  }

  /** The outcome of the task that ends first. The others are cancelled and awaited. */
  race<T>(
    tasks: Iterable<Task<T>>,
    options: RaceOptions = {},
  ): Promise<Awaited<T>> {
    return race(this.#host, tasks, options);
  }

  /**
   * The result of the task that succeeds first. The others are cancelled and awaited.
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

  /** Structured concurrency, as AsyncRunner's: no task that is submitted to the scope outlives it. */
  scope<T>(
    body: (scope: TaskScope) => T | PromiseLike<T>,
    options: ScopeOptions = {},
  ): Promise<T> {
    return scope(this.#host, body, options);
  }

  /**
   * Serves the queue on this machine: takes the given tasks and runs them on a local runner.
   *
   * @param tasks The defined tasks that this program knows; others are left for other workers.
   * @throws {TypeError | RangeError} When a task or an option is wrong.
   */
  work(
    // The input of each is checked where it is submitted.
    tasks: Iterable<{ readonly taskName: string }>,
    options: WorkOptions = {},
  ): ClusterWorker {
    checkOpen(this.#host);
    const definitions = definitionsOf(tasks);
    checkOptions("work()", options, WORK_CHECKS);
    const { signal, handleSignals = true } = options;
    signal?.throwIfAborted();
    const runner = options.runner ?? new AsyncRunner();
    const server = new Server(this.#engine, {
      definitions,
      runner,
      concurrency: Math.min(
        options.concurrency ?? runner.maxWorkers,
        Number.MAX_SAFE_INTEGER,
      ),
      lostAfter: options.lostAfter ?? 30_000,
      maxLost: options.maxLost ?? 3,
      unknownAfter: options.unknownAfter ?? 30_000,
      aging: options.aging === Infinity ? undefined : options.aging,
      grace: options.grace ?? 10_000,
      report: this.#report,
    });
    const stop = () => {
      worker.stop().catch(this.#report);
    };
    const stopListening = handleSignals ? onTermination(stop) : undefined;
    const subscription = signal && onAbort(signal, stop);
    const worker = new ClusterWorker(server, {
      stopping: () => {
        // A second signal ends the process as usual.
        stopListening?.();
        subscription?.unsubscribe();
      },
      stopped: async () => {
        this.#workers.delete(worker);
        if (options.runner === undefined) {
          await runner.shutdown({ wait: false });
        }
      },
    });
    this.#workers.add(worker);
    return worker;
  }

  /** Whether `maxQueue` tasks of this runner have not ended. */
  get isFull(): boolean {
    return this.#tasks.isFull;
  }

  /** Resolves when fewer than `maxQueue` are left; rejects with the reason of `signal`. */
  ready(signal?: AbortSignal): Promise<void> {
    if (signal !== undefined) checkSignal("signal", signal);
    return this.#tasks.ready(signal);
  }

  /** Resolves when no task of this runner waits or runs; those of other processes do not count. */
  async onIdle(signal?: AbortSignal): Promise<void> {
    await this.#tasks.when(() => this.#tasks.size === 0, signal);
  }

  /** Counts of the whole queue, as its store has them, and of this runner's tasks. */
  async stats(): Promise<ClusterStatistics> {
    checkOpen(this.#host);
    const counts = await this.#engine.counts();
    const tasks = this.#tasks;
    return {
      ...counts,
      own: {
        open: tasks.size,
        submitted: tasks.submitted,
        ...tasks.ends,
        lost: tasks.lostCount,
      },
    };
  }

  /**
   * Stops accepting, lets this runner's tasks and open scopes finish wherever they run, and
   * cancels what is left after `timeout`. Then its workers stop (at once when time was up, else
   * within their `grace`) and its connections close. What is part of accepted work (a task of a
   * gather, of a scope) is still let in until then. Calling it again joins the same shutdown; the
   * most impatient options win.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    checkShutdownOptions(options);
    const { admission } = this.#host;
    admission.close(() => new DisposedError("ClusterRunner.submit()"));
    if (this.#shutdown !== undefined) this.#shutdown.apply(options);
    else {
      const workers = this.#workers;
      this.#shutdown = new ClusterShutdown({
        admission,
        tasks: this.#tasks,
        stopWorkers: (isHurried) =>
          Promise.all(
            [...workers].map((worker) =>
              worker.stop(isHurried ? { grace: 0 } : {})
            ),
          ),
        close: async () => {
          this.#subscription?.unsubscribe();
          await this.#tasks.close();
          await this.#engine.close();
        },
      }, options);
    }
    return await this.#shutdown.report;
  }

  /** `shutdown()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
