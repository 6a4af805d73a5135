/**
 * The options of an AsyncRunner, checked, with what the environment says in place of those that
 * are left out.
 *
 * @module
 */
import { environmentNumber } from "../_internal/environment.ts";
import {
  checkPriority,
  checkSignal,
  duration,
  integer,
  object,
  show,
} from "../_internal/validate.ts";
import type { TaskPriority } from "./priority.ts";
import { TaskScheduler } from "./scheduler/scheduler.ts";
import {
  concurrency,
  DEFAULT_CONCURRENCY,
  type SchedulerOptions,
} from "./scheduler/options.ts";
import type { SubmitOptions } from "./types.ts";

/** How a runner works: the options of its scheduler, and defaults for its tasks. */
export interface RunnerOptions extends Omit<SchedulerOptions, "maxConcurrent"> {
  /** How many tasks may run at once. @default {SPECIFY_ASYNC_WORKERS, or 10} */
  maxWorkers?: number | undefined;
  /**
   * Longest running time of a task that names none, in milliseconds.
   * @default {SPECIFY_ASYNC_TIMEOUT (which is in seconds), or Infinity}
   */
  timeout?: number | undefined;
  /** Level of a task that names none. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /**
   * How many worker threads `offload` may use. They count as workers too while they are busy.
   * @default {navigator.hardwareConcurrency}
   */
  maxThreads?: number | undefined;
  /**
   * A scheduler to share instead of an own one. The runner then ends only its own tasks at its
   * shutdown, and takes no other option of a scheduler.
   */
  scheduler?: TaskScheduler | undefined;
}

/** The options, taken apart. */
export interface RunnerSettings {
  /** What the runner's own scheduler is made with, or the one that it shares. */
  readonly scheduler: SchedulerOptions | TaskScheduler;
  /** What a submit without options is submitted with; `undefined` when there are no defaults. */
  readonly defaults: SubmitOptions | undefined;
  readonly maxThreads: number | undefined;
}

/** Takes the options over; throws before anything is made. */
export function takeRunnerOptions(options: RunnerOptions): RunnerSettings {
  object("options", options);
  const { timeout, priority, maxThreads, maxWorkers, scheduler, ...rest } =
    options;
  const limit = timeout === undefined
    ? environmentNumber("SPECIFY_ASYNC_TIMEOUT", Infinity, {
      least: 0,
      whole: false,
    }) * 1000
    : duration("timeout", timeout);
  if (priority !== undefined) checkPriority(priority);
  if (maxThreads !== undefined) integer("maxThreads", maxThreads, 1);
  const defaults: SubmitOptions = { priority };
  if (limit < Infinity) defaults.timeout = limit;
  return {
    scheduler: scheduler === undefined
      ? { ...rest, maxConcurrent: workers(maxWorkers) }
      : checkShared(scheduler, maxWorkers, rest),
    defaults: limit < Infinity || priority !== undefined ? defaults : undefined,
    maxThreads,
  };
}

function workers(maxWorkers: number | undefined): number {
  return maxWorkers === undefined
    ? environmentNumber("SPECIFY_ASYNC_WORKERS", DEFAULT_CONCURRENCY, {
      least: 1,
      whole: true,
    })
    : concurrency("maxWorkers", maxWorkers);
}

/** A scheduler that is shared is set up by whoever made it. */
function checkShared(
  scheduler: TaskScheduler,
  maxWorkers: number | undefined,
  { signal, ...others }: SchedulerOptions,
): TaskScheduler {
  if (!(scheduler instanceof TaskScheduler)) {
    throw new TypeError(
      `scheduler must be a TaskScheduler, got ${show(scheduler)}`,
    );
  }
  const [other] = maxWorkers === undefined
    ? Object.keys(others)
    : ["maxWorkers"];
  if (other !== undefined) {
    throw new TypeError(
      `${other} must not be given together with scheduler: set it there`,
    );
  }
  if (signal !== undefined) checkSignal("signal", signal);
  return scheduler;
}
