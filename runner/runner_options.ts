/**
 * The options of an AsyncRunner, checked, with what the environment says in place of those that
 * are left out.
 *
 * @module
 */
import { environmentNumber } from "../_internal/environment.ts";
import {
  checkOptions,
  type Checks,
  duration,
  givenOptions,
  integerFrom,
  priorityOption,
  show,
} from "../_internal/validate.ts";
import type { TaskPriority } from "./priority.ts";
import { TaskScheduler } from "./scheduler/scheduler.ts";
import {
  concurrency,
  DEFAULT_CONCURRENCY,
  type SchedulerOptions,
  SHARED_CHECKS,
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

const CHECKS: Checks<RunnerOptions> = {
  maxWorkers: concurrency,
  timeout: duration,
  priority: priorityOption,
  maxThreads: integerFrom(1),
  scheduler: (name, value) => {
    if (value instanceof TaskScheduler) return;
    throw new TypeError(`${name} must be a TaskScheduler, got ${show(value)}`);
  },
  ...SHARED_CHECKS,
};

/** Takes the options over; throws before anything is made. */
export function takeRunnerOptions(options: RunnerOptions): RunnerSettings {
  checkOptions("AsyncRunner", options, CHECKS);
  const { priority, maxThreads, scheduler } = options;
  const timeout = options.timeout ??
    environmentNumber("SPECIFY_ASYNC_TIMEOUT", Infinity, {
        least: 0,
        whole: false,
      }) * 1000;
  const defaults: SubmitOptions = { priority };
  if (timeout < Infinity) defaults.timeout = timeout;
  if (scheduler !== undefined) checkShared(options);
  return {
    scheduler: scheduler ?? {
      ...givenOptions(options, SHARED_CHECKS),
      maxConcurrent: options.maxWorkers ??
        environmentNumber("SPECIFY_ASYNC_WORKERS", DEFAULT_CONCURRENCY, {
          least: 1,
          whole: true,
        }),
    },
    defaults: timeout < Infinity || priority !== undefined
      ? defaults
      : undefined,
    maxThreads,
  };
}

/** A scheduler that is shared is set up by whoever made it. */
function checkShared(options: RunnerOptions): void {
  const names = ["maxWorkers", ...Object.keys(SHARED_CHECKS)];
  const other = (names as (keyof RunnerOptions)[])
    .find((name) => name !== "signal" && options[name] !== undefined);
  if (other === undefined) return;
  throw new TypeError(
    `${other} must not be given together with scheduler: set it there`,
  );
}
