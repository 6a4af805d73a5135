/**
 * map, filter and flatMap with several calls in flight: bounded, in order or as they end.
 *
 * @module
 */
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { SubmitOptions, TaskRunner } from "../../runner/types.ts";
import type { PullableIterator } from "../engine.ts";
import type { Plan } from "../plan.ts";
import type { Mapper } from "./element.ts";

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

/** Whether the options ask for more than one call after the other. */
export function isConcurrent(options: ConcurrencyOptions | undefined): boolean {
  return options !== undefined &&
    ((options.concurrency ?? 1) !== 1 || options.runner !== undefined);
}

/** fn over a plan, `concurrency` calls at a time. */
export function concurrentMap<T, U>(
  plan: Plan<T>,
  fn: Mapper<T, U>,
  options: ConcurrencyOptions,
): PullableIterator<U> {
  const { runner, priority, signal, ordered = true } = options;
  if (runner === undefined) {
    return new ConcurrentMap(plan.iterate(), fn, {
      concurrency: options.concurrency ?? 1,
      ordered,
    });
  }
  // Without a name of its own a task is called by its id.
  const name = fn.name || undefined;
  const submit: SubmitOptions = { priority, signal, name };
  return new ConcurrentMap(
    plan.iterate(),
    (value: T, index: number) => runner.submit(() => fn(value, index), submit),
    {
      concurrency: options.concurrency ?? 64,
      ordered,
      ready: () => runner.isFull ? runner.ready(signal) : undefined,
    },
  );
}
