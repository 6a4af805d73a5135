/**
 * ClusterRunner: the shape of a runner, for tasks that run on other machines.
 *
 * @module
 */
import {
  AsyncRunner,
  DisposedError,
  type GatherOptions,
  type RaceOptions,
  type RunnerMapOptions,
  type ScopeOptions,
  type SettledTaskResults,
  type ShutdownOptions,
  type ShutdownReport,
  type Task,
  type TaskContext,
  type TaskHandle,
  type TaskInfo,
  TaskPriority,
  type TaskResults,
  type TaskRunner,
  type TaskScope,
} from "@specify/async-core/runner";
import { ClusterMap, firstOf, gatherAll } from "./batch.ts";
import * as check from "./check.ts";
import type { ClusterHandle } from "./cluster_handle.ts";
import { addressOf, type RedisConnectionOptions } from "./address.ts";
import { LazyEngine } from "./lazy_engine.ts";
import { type Definition, definitionOf } from "./define_task.ts";
import type { Engine, EngineCounts, KeepPolicy } from "./engine.ts";
import { HOW_TO_GET_REDIS } from "./errors.ts";
import { runScope } from "./scope.ts";
import {
  checkKeep,
  type ClusterSubmitOptions,
  Submitter,
} from "./submitter.ts";
import { ClusterWorker } from "./worker/cluster_worker.ts";
import { Server } from "./worker/serve.ts";
import { onTermination } from "./worker/termination.ts";

/** Where the cluster's queue is, and defaults for its tasks. */
export interface ClusterRunnerOptions {
  /**
   * Where Redis is: a URL (`redis://user:password@host:6379/0`, `rediss://…` for TLS), or its
   * parts. @default {"redis://127.0.0.1:6379"}
   */
  connection?: string | RedisConnectionOptions | undefined;
  /** Name of the BullMQ queue. @default {"async-distributed"} */
  queue?: string | undefined;
  /** Prefix of all keys in Redis. @default {"bull"} */
  prefix?: string | undefined;
  /** Longest running time of a task that names none, in milliseconds. @default {Infinity} */
  timeout?: number | undefined;
  /** Level of a task that names none. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Ends the runner's tasks when it aborts, with its reason, and refuses further ones. */
  signal?: AbortSignal | undefined;
  /**
   * How many tasks of this runner may be submitted and not ended before `isFull` is true.
   * @default {Infinity}
   */
  maxQueue?: number | undefined;
  /** How many tasks one gather or map has submitted at once. @default {1000} */
  maxAhead?: number | undefined;
  /** Largest input, as JSON, in bytes. @default {1_048_576} */
  maxInputBytes?: number | undefined;
  /**
   * How long a submit waits for Redis, in milliseconds, before its handle rejects with
   * ClusterUnreachableError. With Infinity it waits until Redis is there. @default {Infinity}
   */
  sendTimeout?: number | undefined;
  /**
   * How long records of ended tasks stay in Redis. Left out, the record of a task goes as soon as
   * its submitter has read the outcome, those of tasks with an `id` of their own after a day.
   */
  keep?: KeepPolicy | undefined;
  /**
   * What happens to tasks whose submitter has died: they `"run"` on, or `"cancel"`.
   * @default {"run"}
   */
  orphans?: "run" | "cancel" | undefined;
  /**
   * How long a submitter must be silent to count as dead, in milliseconds; the same for its
   * workers. @default {30_000}
   */
  orphanAfter?: number | undefined;
  /**
   * How often outcomes are checked against the store, besides after each reconnect, in
   * milliseconds: what an event failed to tell is found then. @default {30_000}
   */
  checkInterval?: number | undefined;
  /**
   * Told of trouble that belongs to no task: a lost connection (once for each time), a failed
   * clean-up. The default prints it with `console.error`.
   */
  onError?: ((error: Error) => void) | undefined;
}

/** How a worker serves the queue. */
export interface WorkOptions {
  /**
   * The local runner that runs the tasks: its limit, slots and signals. Not shut down with the
   * worker. @default {a new AsyncRunner, ended with the worker}
   */
  runner?: AsyncRunner | undefined;
  /** How many tasks to hold at once. @default {the `maxWorkers` of the runner} */
  concurrency?: number | undefined;
  /**
   * A worker that was not heard of for so many milliseconds is lost, and its tasks are given to
   * others: longer than any task blocks the event loop. The same for all workers of a queue.
   * @default {30_000}
   */
  lostAfter?: number | undefined;
  /**
   * How often a task may be lost with its worker; then it fails with TaskLostError. The same for
   * all workers of a queue. @default {3}
   */
  maxLost?: number | undefined;
  /**
   * A task whose name no worker knows is left for so many milliseconds, then it fails with
   * UnknownTaskError. @default {30_000}
   */
  unknownAfter?: number | undefined;
  /**
   * Raises waiting tasks one level for each so many milliseconds that they have waited.
   * @default {no aging}
   */
  aging?: number | undefined;
  /**
   * How long running tasks may take to finish when the worker stops, in milliseconds, before they
   * are handed back. @default {10_000}
   */
  grace?: number | undefined;
  /** Stops the worker when it aborts. */
  signal?: AbortSignal | undefined;
  /** Stops the worker at SIGTERM; a second one ends the process as usual. @default {true} */
  handleSignals?: boolean | undefined;
  /**
   * Progress of one task is sent at most once in so many milliseconds; the newest value always
   * arrives. @default {100}
   */
  progressInterval?: number | undefined;
}

/** Counts of the whole queue, and of this runner's own tasks. */
export interface ClusterStatistics extends EngineCounts {
  /** Tasks of this runner. */
  own: {
    /** Submitted and not ended. */
    open: number;
    /** All that were ever submitted. */
    submitted: number;
    /** Ended with a result. */
    succeeded: number;
    /** Ended with an error, a timeout included. */
    failed: number;
    /** Cancelled. */
    cancelled: number;
    /** How often a worker was lost with one of them. */
    lost: number;
  };
}

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
  readonly #options: ClusterRunnerOptions;
  readonly #connection: string | RedisConnectionOptions;
  readonly #maxAhead: number;
  readonly #workers = new Set<ClusterWorker>();
  readonly #abort: (() => void) | undefined;
  // Made when first needed: a runner that is never used opens no connection.
  #engine: Engine | undefined;
  #submitter: Submitter | undefined;
  #refusal: (() => unknown) | undefined;
  #shutdown: Promise<ShutdownReport> | undefined;
  #hurry = new AbortController();

  /**
   * Makes a runner. It connects when something is submitted or served.
   *
   * @throws {RangeError | TypeError} Naming the option and the value when one is wrong.
   */
  constructor(options: ClusterRunnerOptions = {}) {
    if (typeof options !== "object" || options === null) {
      throw new TypeError(
        `options must be an object, got ${check.show(options)}`,
      );
    }
    checkOptions(options);
    this.#options = options;
    this.#connection = options.connection ?? "redis://127.0.0.1:6379";
    this.#maxAhead = options.maxAhead ?? 1000;
    const { signal } = options;
    if (signal?.aborted) this.#refusal = () => signal.reason;
    else if (signal !== undefined) {
      this.#abort = () => {
        this.#refusal = () => signal.reason;
        for (const handle of this.#submitter?.handles() ?? []) {
          handle.cancel(signal.reason);
        }
      };
      signal.addEventListener("abort", this.#abort, { once: true });
    }
  }

  /**
   * Submits a task that a defined task made. Submits of one tick go out together.
   *
   * @throws {TypeError} When it is no such task.
   * @throws {NotSerializableError | InputTooLargeError} When its input cannot be sent.
   * @throws {RangeError | TypeError} When an option is wrong.
   */
  submit<T>(task: Task<T>, options?: ClusterSubmitOptions): TaskHandle<T> {
    return this.#submit(task, options);
  }

  #submit<T>(
    task: unknown,
    options?: ClusterSubmitOptions,
  ): ClusterHandle<T> {
    return this.#tasks.submit<T>(task, options, this.#refusal);
  }

  /**
   * A handle on a task that is in the queue already, by its id: waiting, running, or ended and
   * kept. It rejects with TaskNotFoundError when there is none.
   */
  attach<T = unknown>(id: string): TaskHandle<T> {
    this.#checkOpen();
    return this.#tasks.attach<T>(id);
  }

  /**
   * Runs all tasks and gives their results in order. At most `maxAhead` are submitted at once.
   * The first failure cancels the rest everywhere, and the promise rejects with it when all have
   * ended; failures that came after it are in its `suppressed` property.
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
  async gather(
    tasks: Iterable<Task<unknown>>,
    options: GatherOptions = {},
  ): Promise<unknown> {
    const { settled = false, ...submitOptions } = options;
    this.#checkOpen();
    options.signal?.throwIfAborted();
    return await gatherAll(
      tasks,
      (task) => this.#submit(task, submitOptions),
      this.#maxAhead,
      settled,
    );
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
    const { concurrency, ordered = true, ...submitOptions } = options;
    if (definitionOf(task) === undefined) {
      throw new TypeError(
        `task must be a defined task, got ${
          check.show(task)
        }: define it by name, const task = ` +
          `defineTask("name", (input) => …), and map(source, task)`,
      );
    }
    if (concurrency !== undefined) {
      check.integer("concurrency", concurrency);
    }
    this.#checkOpen();
    options.signal?.throwIfAborted();
    // A defined task, called with an input alone, gives a task.
    const taskOf = task as unknown as (value: T) => Task<U>;
    return new ClusterMap<T, U>(
      source,
      taskOf,
      (task) => this.#submit(task, submitOptions),
      { concurrency: concurrency ?? this.#maxAhead, ordered },
    );
  }

  /** The outcome of the task that ends first. The others are cancelled and awaited. */
  async race<T>(
    tasks: Iterable<Task<T>>,
    options: RaceOptions = {},
  ): Promise<Awaited<T>> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    return await firstOf(
      tasks,
      (task) => this.#submit(task, options),
      false,
    ) as Awaited<T>;
  }

  /**
   * The result of the task that succeeds first. The others are cancelled and awaited.
   *
   * @throws {AggregateError} When all fail.
   */
  async any<T>(
    tasks: Iterable<Task<T>>,
    options: RaceOptions = {},
  ): Promise<Awaited<T>> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    return await firstOf(
      tasks,
      (task) => this.#submit(task, options),
      true,
    ) as Awaited<T>;
  }

  /** Structured concurrency, as AsyncRunner's: no task that is submitted to the scope outlives it. */
  async scope<T>(
    body: (scope: TaskScope) => T | PromiseLike<T>,
    options: ScopeOptions = {},
  ): Promise<T> {
    this.#checkOpen();
    return await runScope(
      {
        submit: (task, options) => this.#submit(task, options),
        ready: (signal) => this.ready(signal),
        isFull: () => this.isFull,
      },
      body,
      options,
    );
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
    this.#checkOpen();
    const definitions = definitionsOf(tasks);
    checkWorkOptions(options);
    const { signal, handleSignals = true } = options;
    signal?.throwIfAborted();
    const runner = options.runner ?? new AsyncRunner();
    const server = new Server(this.#connected, {
      definitions,
      runner,
      concurrency: options.concurrency ??
        Math.min(runner.maxWorkers, Number.MAX_SAFE_INTEGER),
      lostAfter: options.lostAfter ?? 30_000,
      maxLost: options.maxLost ?? 3,
      unknownAfter: options.unknownAfter ?? 30_000,
      aging: options.aging,
      grace: options.grace ?? 10_000,
      progressInterval: options.progressInterval ?? 100,
      orphanAfter: this.#options.orphanAfter ?? 30_000,
      report: this.#report,
    });
    const stop = () => {
      worker.stop().catch(this.#report);
    };
    const stopListening = handleSignals ? onTermination(stop) : undefined;
    signal?.addEventListener("abort", stop, { once: true });
    const worker = new ClusterWorker(server, () => {
      stopListening?.();
      signal?.removeEventListener("abort", stop);
    });
    this.#workers.add(worker);
    worker.finished.catch(() => {}).then(async () => {
      this.#workers.delete(worker);
      if (options.runner === undefined) await runner.shutdown({ wait: false });
    });
    return worker;
  }

  /** Whether `maxQueue` tasks of this runner have not ended. */
  get isFull(): boolean {
    return this.#submitter?.isFull ?? false;
  }

  /** Resolves when fewer than `maxQueue` are left; rejects with the reason of `signal`. */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.#submitter?.ready(signal);
  }

  /** Resolves when no task of this runner waits or runs; those of other processes do not count. */
  async onIdle(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#submitter?.onIdle(signal);
  }

  /** Counts of the whole queue, as its store has them, and of this runner's tasks. */
  async stats(): Promise<ClusterStatistics> {
    this.#checkOpen();
    const counts = await this.#connected.counts();
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
   * Stops accepting, lets this runner's tasks finish wherever they run, and cancels what is left
   * after `timeout`. Then its workers stop and its connections close. Calling it again joins the
   * same shutdown; the most impatient options win.
   */
  shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    const { wait = true, timeout = Infinity, grace = 1000 } = options;
    check.duration("timeout", timeout);
    check.duration("grace", grace);
    this.#refusal ??= () => new DisposedError("ClusterRunner.submit()");
    const hurry = () => this.#hurry.abort();
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (!wait) hurry();
    else if (timeout < 2 ** 31) timer = setTimeout(hurry, timeout);
    const report = this.#shutdown ??= this.#end(grace);
    return report.finally(() => clearTimeout(timer));
  }

  async #end(grace: number): Promise<ShutdownReport> {
    const report: ShutdownReport = { cancelled: [], unfinished: [] };
    const submitter = this.#submitter;
    if (submitter !== undefined && !await isIdle(submitter, this.#hurry)) {
      const reason = new DOMException(
        "The runner was shut down before this task had ended",
        "AbortError",
      );
      const handles = submitter.handles();
      for (const handle of handles) handle.cancel(reason);
      report.cancelled = handles.map(infoOf);
      const late = new AbortController();
      const timer = grace === Infinity
        ? undefined
        : setTimeout(() => late.abort(), grace);
      if (!await isIdle(submitter, late)) {
        report.unfinished = submitter.handles().map(infoOf);
      }
      clearTimeout(timer);
    }
    if (this.#abort !== undefined) {
      this.#options.signal?.removeEventListener("abort", this.#abort);
    }
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
    await submitter?.close();
    await this.#engine?.close();
    return report;
  }

  /** `shutdown()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  get #connected(): Engine {
    return this.#engine ??= new LazyEngine(
      addressOf(this.#connection),
      async () => {
        const { BullMqEngine } = await import("./bullmq_engine.ts");
        return new BullMqEngine({
          connection: this.#connection,
          queue: this.#options.queue ?? "async-distributed",
          prefix: this.#options.prefix ?? "bull",
          report: this.#report,
        });
      },
    );
  }

  get #tasks(): Submitter {
    const options = this.#options;
    return this.#submitter ??= new Submitter(this.#connected, {
      priority: options.priority ?? TaskPriority.NORMAL,
      timeout: options.timeout ?? Infinity,
      maxInputBytes: options.maxInputBytes ?? 1_048_576,
      maxQueue: options.maxQueue ?? Infinity,
      sendTimeout: options.sendTimeout ?? Infinity,
      checkInterval: options.checkInterval ?? 30_000,
      keep: options.keep,
      orphanAfter: options.orphanAfter ?? 30_000,
      endOrphans: options.orphans === "cancel",
      report: this.#report,
    });
  }

  readonly #report = (error: Error): void => {
    if (this.#options.onError !== undefined) {
      this.#options.onError(error);
      return;
    }
    const isConnection = /ECONN|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT/.test(
      error.message,
    );
    console.error(
      `ClusterRunner: ${error.message}${
        isConnection
          ? `. It tries again until Redis is there. ${HOW_TO_GET_REDIS}`
          : ""
      }`,
    );
  };

  #checkOpen(): void {
    if (this.#refusal !== undefined) throw this.#refusal();
  }
}

async function isIdle(
  submitter: Submitter,
  until: AbortController,
): Promise<boolean> {
  try {
    await submitter.onIdle(until.signal);
    return true;
  } catch {
    // Aborted: time is up.
    return false;
  }
}

function infoOf(handle: ClusterHandle<unknown>): TaskInfo {
  return {
    id: handle.id,
    name: handle.name,
    state: handle.state,
    priority: handle.priority,
    weight: 1,
    key: undefined,
    parentId: undefined,
  };
}

function definitionsOf(tasks: Iterable<unknown>): Map<string, Definition> {
  if (typeof tasks?.[Symbol.iterator] !== "function") {
    throw new TypeError(
      `tasks must be an iterable of defined tasks, got ${check.show(tasks)}`,
    );
  }
  const definitions = new Map<string, Definition>();
  for (const task of tasks) {
    const definition = definitionOf(task);
    if (definition === undefined) {
      throw new TypeError(
        `tasks must hold defined tasks (what defineTask returns), got ${
          check.show(task)
        }`,
      );
    }
    const known = definitions.get(definition.name);
    if (known !== undefined && known !== definition) {
      throw new TypeError(
        `tasks must not hold two of one name, got ${
          check.show(definition.name)
        } twice`,
      );
    }
    definitions.set(definition.name, definition);
  }
  return definitions;
}

function checkOptions(options: ClusterRunnerOptions): void {
  const { connection, queue, prefix, priority, orphans } = options;
  if (connection !== undefined && typeof connection !== "object") {
    check.text("connection", connection);
  }
  if (queue !== undefined) {
    check.text("queue", queue);
    if (queue.includes(":")) {
      throw new TypeError(
        `queue must hold no colon, got ${check.show(queue)}`,
      );
    }
  }
  if (prefix !== undefined) check.text("prefix", prefix);
  if (priority !== undefined) check.priority(priority);
  if (options.timeout !== undefined) check.duration("timeout", options.timeout);
  if (options.sendTimeout !== undefined) {
    check.duration("sendTimeout", options.sendTimeout);
  }
  for (const name of ["orphanAfter", "checkInterval"] as const) {
    if (options[name] !== undefined) check.finiteDuration(name, options[name]);
  }
  if (options.maxQueue !== undefined) {
    check.integerOrInfinity("maxQueue", options.maxQueue);
  }
  for (const name of ["maxAhead", "maxInputBytes"] as const) {
    if (options[name] !== undefined) check.integer(name, options[name]);
  }
  checkKeep(options.keep);
  if (orphans !== undefined && orphans !== "run" && orphans !== "cancel") {
    throw new TypeError(
      `orphans must be "run" or "cancel", got ${check.show(orphans)}`,
    );
  }
  if (options.onError !== undefined) {
    check.functionNamed("onError", options.onError);
  }
}

function checkWorkOptions(options: WorkOptions): void {
  const { runner } = options;
  if (runner !== undefined && !(runner instanceof AsyncRunner)) {
    throw new TypeError(
      `runner must be an AsyncRunner, got ${check.show(runner)}`,
    );
  }
  for (const name of ["concurrency", "maxLost"] as const) {
    if (options[name] !== undefined) check.integer(name, options[name]);
  }
  for (
    const name of [
      "lostAfter",
      "unknownAfter",
      "aging",
      "progressInterval",
    ] as const
  ) {
    if (options[name] !== undefined) check.finiteDuration(name, options[name]);
  }
  if (options.grace !== undefined) check.duration("grace", options.grace);
}
