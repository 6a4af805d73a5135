/**
 * map, filter and flatMap with several calls in flight: bounded, in order or as they end.
 *
 * @module
 */
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { isHeard, reportLateTask } from "../../_internal/late_failure.ts";
import type { Heard } from "../../runner/as_task.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  functionNamed,
  limitFrom,
  priorityOption,
  runnerOption,
} from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskHandle, TaskRunner } from "../../runner/types.ts";
import type { Mapper } from "../engine/types.ts";
import type { ReadingOperator } from "../engine/plan.ts";

/** How map, filter and flatMap call their function. Without any of these: one call at a time. */
export interface ConcurrencyOptions {
  /**
   * Most calls in flight, and how far the source may be read ahead. With a `runner` the default
   * is 64: the runner's own limit decides how many of them really run.
   * @default {1}
   */
  concurrency?: number | undefined;
  /** True: results in the order of the source. False: as they end. @default {true} */
  ordered?: boolean | undefined;
  /**
   * Each call is a task of this runner, under its limit and its priorities. It must not await
   * other tasks of that runner: it keeps its slot meanwhile, and there may be no other.
   */
  runner?: TaskRunner | undefined;
  /** The level of those tasks; needs `runner`. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Fails the stream when it aborts, and cancels the runner's tasks. */
  signal?: AbortSignal | undefined;
}

/** The checks of them. */
export const CONCURRENCY_CHECKS: Checks<ConcurrencyOptions> = {
  concurrency: limitFrom(1),
  ordered: boolean,
  runner: runnerOption,
  priority: priorityOption,
  signal: checkSignal,
};

/** Whether the options of `what` ask for more than one call after the other. Checks them. */
export function isConcurrent(
  what: string,
  options: ConcurrencyOptions | undefined,
): boolean {
  if (options === undefined) return false;
  checkOptions(what, options, CONCURRENCY_CHECKS);
  return (options.concurrency ?? 1) !== 1 || options.runner !== undefined;
}

/** fn over a stream, `concurrency` calls at a time. */
export function concurrentMap<T, U>(
  fn: Mapper<T, U>,
  options: ConcurrencyOptions = {},
): ReadingOperator<T, U> {
  functionNamed("fn", fn);
  const { runner, priority, signal, ordered = true } = options;
  if (runner === undefined) {
    const { concurrency = 1 } = options;
    return (plan) =>
      new ConcurrentMap(plan.iterate(), fn, { concurrency, ordered });
  }
  const { concurrency = 64 } = options;
  // Without a name of its own a task is called by its id.
  const submitted = { priority, signal, name: fn.name || undefined };
  return (plan) => {
    // Invariant: `queued` holds the handles of the calls that were submitted and have neither begun
    // nor been cancelled here, by their number. A runner that others keep busy may start them late
    // or never: those whose results nobody will see are taken back, and only those that run are
    // waited for.
    const queued = new Map<number, TaskHandle<U>>();
    const submit = (value: T, index: number): TaskHandle<U> => {
      const handle = runner.submit(() => {
        // No runner starts a task before `submit` has returned its handle.
        queued.delete(index);
        return fn(value, index);
      }, submitted);
      queued.set(index, handle);
      return handle;
    };
    return new ConcurrentMap(plan.iterate(), submit, {
      concurrency,
      ordered,
      ready: () => runner.isFull ? runner.ready(signal) : undefined,
      cancelFrom: (from, reason) => {
        for (const [index, handle] of queued) {
          if (index < from) continue;
          queued.delete(index);
          handle.cancel(reason);
        }
      },
      tellLate: (error, call) => {
        const handle = call as PromiseLike<unknown> as Heard<U>;
        if (handle.state === "failed" && !handle[isHeard]) {
          reportLateTask(handle.name, error);
        }
      },
    });
  };
}
