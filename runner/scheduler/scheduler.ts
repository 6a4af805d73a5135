/**
 * TaskScheduler: the public face of the scheduler core.
 *
 * @module
 */
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { abortError, DisposedError } from "../../_internal/errors.ts";
import { checkOptions, integer } from "../../_internal/validate.ts";
import { JobContext } from "./context.ts";
import { SchedulerCore } from "./core.ts";
import { JobHandle } from "./handle.ts";
import { SCHEDULER_CHECKS, type SchedulerOptions } from "./options.ts";
import {
  checkShutdownOptions,
  Shutdown,
  type ShutdownOptions,
  type ShutdownReport,
} from "./shutdown.ts";
import type { SchedulerStatistics } from "./statistics.ts";
import type { Timeline } from "../observe/timeline.ts";
import type { SubmitOptions, Task, TaskHandle, TaskRunner } from "../types.ts";

let accessCore: (scheduler: TaskScheduler) => SchedulerCore;

/**
 * Runs tasks by priority, no more at once than allowed.
 *
 * Guarantees: strict priority between levels and first in, first out within one; never more than
 * `maxConcurrent` slots in use, cancelled tasks that ignore their signal included; every
 * handle settles exactly once; a slot that comes free goes to what waits before anything that is
 * submitted in the same turn. A task starts in a microtask after its submit, so that what is
 * submitted in one turn competes by priority.
 *
 * @example
 * ```ts
 * import { TaskPriority, TaskScheduler } from "@specify/async-core";
 *
 * await using scheduler = new TaskScheduler({ maxConcurrent: 1 });
 * const order: string[] = [];
 * await Promise.all([
 *   scheduler.submit(() => order.push("low"), { priority: TaskPriority.LOW }),
 *   scheduler.submit(() => order.push("high"), { priority: TaskPriority.HIGH }),
 * ]);
 * console.log(order); // ["high", "low"]
 * ```
 */
export class TaskScheduler implements TaskRunner, AsyncDisposable {
  readonly #core: SchedulerCore;
  readonly #subscription: AbortSubscription | undefined;
  #shutdown: Shutdown | undefined;

  static {
    accessCore = (scheduler) => scheduler.#core;
  }

  /**
   * Makes a scheduler. It holds nothing until something is submitted.
   *
   * @throws {RangeError} or {TypeError} naming the option and the value when one is wrong.
   */
  constructor(options: SchedulerOptions = {}) {
    checkOptions("TaskScheduler", options, SCHEDULER_CHECKS);
    const core: SchedulerCore = new SchedulerCore(
      options,
      (job) => new JobContext(job, core),
    );
    this.#core = core;
    this.#subscription = heedAbort(
      options.signal,
      (reason) => core.cancelAll(reason, true),
    );
  }

  /**
   * Queues a task. It never throws for what happens to the task: after a shutdown, with an
   * aborted signal or an expired deadline, the handle rejects.
   *
   * @throws {RangeError} or {TypeError} when the task or an option is wrong.
   */
  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    const handle = new JobHandle(task, this.#core);
    this.#core.submit(handle, options);
    return handle;
  }

  /** How many tasks wait. */
  get size(): number {
    return this.#core.size;
  }

  /** How many tasks run, those included that were cancelled and have not ended yet. */
  get running(): number {
    return this.#core.running;
  }

  /** Whether tasks are kept from starting by `pause()`. */
  get isPaused(): boolean {
    return this.#core.isPaused;
  }

  /** Whether the queue holds `maxQueue` tasks or more. */
  get isFull(): boolean {
    return this.#core.isFull;
  }

  /**
   * How many tasks may run at once. Lowering it interrupts nothing: it takes effect as tasks end.
   * A queued task that is heavier than the new limit runs alone.
   */
  get maxConcurrent(): number {
    return this.#core.maxConcurrent;
  }

  /** @throws {RangeError} When it is no positive integer or Infinity. */
  set maxConcurrent(value: number) {
    this.#core.setMaxConcurrent(value);
  }

  /** Resolves when the queue is below `maxQueue`; rejects with the reason of `signal`. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#core.ready(signal);
  }

  /** Lets no further task start. Running ones go on. */
  pause(): void {
    this.#core.pause();
  }

  /** Lets tasks start again. */
  resume(): void {
    this.#core.resume();
  }

  /** Resolves when nothing waits and nothing runs; at once when that is so already. */
  onIdle(signal?: AbortSignal): Promise<void> {
    const core = this.#core;
    return core.conditions.wait(() => core.isIdle, signal, "idle");
  }

  /** Resolves when nothing waits; tasks may still run. */
  onEmpty(signal?: AbortSignal): Promise<void> {
    const core = this.#core;
    return core.conditions.wait(() => core.size === 0, signal, "empty");
  }

  /**
   * Resolves when fewer than `count` tasks wait.
   *
   * @throws {RangeError} When `count` is no positive integer: a queue is never shorter than 0.
   */
  onSizeLessThan(count: number, signal?: AbortSignal): Promise<void> {
    integer("count", count, 1);
    const core = this.#core;
    return core.conditions.wait(() => core.size < count, signal, count);
  }

  /** Cancels every queued task with `reason` (by default an AbortError); running ones go on. */
  clear(reason?: unknown): void {
    this.#core.clear(
      reason === undefined ? abortError("The queue was cleared") : reason,
    );
  }

  /** Counts, and percentiles of wait and run times by level. */
  stats(): SchedulerStatistics {
    return this.#core.statistics();
  }

  /**
   * What ran when, on which slot, and who waited: the last tasks as Chrome trace events, which
   * ui.perfetto.dev and chrome://tracing open as JSON.
   *
   * @throws {TypeError} When the scheduler was made without the option `timeline`.
   */
  timeline(): Timeline {
    return this.#core.timeline();
  }

  /**
   * Stops accepting, lets accepted tasks finish (a paused scheduler is resumed for that), and
   * cancels what is left after `timeout`. Calling it again joins the same shutdown; the most
   * impatient options win. Awaiting it inside one of the scheduler's own tasks waits for that
   * task too: give it a `timeout`, or do not await it there.
   */
  shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    checkShutdownOptions(options);
    if (this.#shutdown === undefined) {
      const core = this.#core;
      core.admission.close(() => new DisposedError("TaskScheduler.submit()"));
      this.#shutdown = new Shutdown(core, this.#subscription);
      core.resume();
    }
    this.#shutdown.apply(options);
    return this.#shutdown.report;
  }

  /** `shutdown()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** The core of a scheduler, for the other parts of the runner. */
export function coreOf(scheduler: TaskScheduler): SchedulerCore {
  return accessCore(scheduler);
}
