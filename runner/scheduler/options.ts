/**
 * The options of a scheduler and of a submit, and their checks.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import {
  boolean,
  checkPriority,
  type Checks,
  checkSignal,
  duration,
  finiteDuration,
  functionNamed,
  integer,
  integerFrom,
  integerOrInfinity,
  limitFrom,
  object,
  optionsBy,
  positiveDuration,
  priorityOption,
  required,
  show,
  string,
  timePoint,
  word,
} from "../../_internal/validate.ts";
import type { AdaptiveOptions } from "./adaptive_limit.ts";
import type { Job, JobExtras } from "./job.ts";
import type { RateLimitOptions } from "./rate_gate.ts";
import type { StallOptions } from "./stall_watch.ts";
import type { SubmitOptions, TaskObserver } from "../types.ts";

/** What happens to a submit when the queue is full. */
export type OverflowPolicy = "wait" | "reject" | "drop-oldest" | "drop-lowest";

/** How a scheduler works. What is left out costs nothing. */
export interface SchedulerOptions {
  /** How many tasks may run at once; may be changed later. @default {10} */
  maxConcurrent?: number | undefined;
  /**
   * Milliseconds of waiting that raise a task by one level, so that BACKGROUND work is never
   * starved: behind a flood of more urgent tasks, which age too, a task that is n levels below
   * them starts after (n + 1) * `aging` at the latest, as slots come free. With `maxPerKey`, the
   * key that is first in turn stands for its level. @default {Infinity}
   */
  aging?: number | undefined;
  /**
   * How many tasks may wait; those for which a slot is free do not count. 0 is a bulkhead: what
   * cannot start is turned away (with an overflow policy other than `"wait"`).
   * @default {Infinity}
   */
  maxQueue?: number | undefined;
  /**
   * What happens to a submit when `maxQueue` tasks wait. `"wait"`: it is accepted, and
   * whoever submits is asked to await `ready()` first. `"reject"`: it rejects with
   * QueueFullError. `"drop-oldest"`: the task that has waited longest does.
   * `"drop-lowest"`: the youngest task of the least urgent level does, the newcomer itself when
   * nothing less urgent waits. @default {"wait"}
   */
  overflow?: OverflowPolicy | undefined;
  /** How many tasks may start in a stretch of time. */
  rateLimit?: RateLimitOptions | undefined;
  /** How many tasks of the same `key` may run at once. @default {Infinity} */
  maxPerKey?: number | undefined;
  /**
   * Lets measured latency set `maxConcurrent`, within bounds, beginning with `maxConcurrent`.
   * Setting it later makes the algorithm go on from there. @default {false}
   */
  adaptive?: boolean | AdaptiveOptions | undefined;
  /** Starts paused. @default {false} */
  paused?: boolean | undefined;
  /** Cancels everything with its own reason when it aborts; later submits reject with it. */
  signal?: AbortSignal | undefined;
  /** Sees every change of every task. */
  observer?: TaskObserver | undefined;
  /** How many ended tasks `timeline()` shows; without it nothing is recorded. @default {none} */
  timeline?: number | undefined;
  /** Told when nothing has started or ended for a while although work waits. */
  onStall?: StallOptions | undefined;
}

/** The default of `maxConcurrent` and of `maxWorkers`. */
export const DEFAULT_CONCURRENCY = 10;

/** Checks a limit of concurrency. */
export function concurrency(name: string, value: unknown): number {
  if (value === 0) {
    throw new RangeError(
      `${name} must be a positive integer or Infinity, got 0. To stop tasks from starting, use pause().`,
    );
  }
  return integerOrInfinity(name, value, 1);
}

/** An observer may be of any class: only what is called is looked at. */
function checkObserver(name: string, value: unknown): void {
  object(name, value);
  for (const event of ["queued", "started", "settled", "ended"] as const) {
    const listener = (value as TaskObserver)[event];
    if (listener !== undefined) functionNamed(`${name}.${event}`, listener);
  }
}

const checkBounds = optionsBy<AdaptiveOptions>({
  min: integerFrom(1),
  max: limitFrom(1),
});

/** The checks of what a runner passes on to its scheduler. */
export const SHARED_CHECKS: Checks<Omit<SchedulerOptions, "maxConcurrent">> = {
  aging: positiveDuration,
  maxQueue: limitFrom(0),
  overflow: word("wait", "reject", "drop-oldest", "drop-lowest"),
  rateLimit: optionsBy<RateLimitOptions>({
    limit: required(integerFrom(1)),
    interval: required(finiteDuration),
    spread: boolean,
  }),
  maxPerKey: limitFrom(1),
  adaptive: (name, value) => {
    if (typeof value === "boolean") return;
    object(name, value, "true, false or ");
    checkBounds(name, value);
  },
  paused: boolean,
  signal: checkSignal,
  observer: checkObserver,
  timeline: integerFrom(1),
  onStall: optionsBy<StallOptions>({
    after: required(finiteDuration),
    report: required(functionNamed),
  }),
};

/** The checks of a scheduler's options. */
export const SCHEDULER_CHECKS: Checks<SchedulerOptions> = {
  maxConcurrent: concurrency,
  ...SHARED_CHECKS,
};

/** The checks of what is passed on to a submit, which checks by itself (`takeSubmitOptions`). */
export const SUBMIT_CHECKS: Checks<SubmitOptions> = {
  priority: priorityOption,
  timeout: duration,
  deadline: timePoint,
  signal: checkSignal,
  name: string,
  key: checkKey,
  weight: integerFrom(1),
  onProgress: functionNamed,
};

/** Checks that a task is a function. */
export function checkTask(value: unknown): void {
  if (typeof value === "function") return;
  const advice = isThenable(value)
    ? " A promise has already started: pass a function that makes it, () => work()."
    : "";
  throw new TypeError(
    `task must be a function (context) => value or promise, got ${
      isThenable(value) ? "a promise" : String(value)
    }.${advice}`,
  );
}

/**
 * Takes over the options of a submit, checked. Reads each option once, and makes the extras of
 * the job only when one needs them: most submits have none.
 */
export function takeSubmitOptions(
  job: Job,
  options: SubmitOptions,
  maxConcurrent: number,
  extrasOf: (job: Job) => JobExtras,
): void {
  object("options", options);
  const {
    priority,
    timeout,
    deadline,
    signal,
    name,
    key,
    weight,
    onProgress,
  } = options;
  if (priority !== undefined) job.priority = checkPriority(priority);
  if (
    timeout === undefined && deadline === undefined && signal === undefined &&
    name === undefined && key === undefined && weight === undefined &&
    onProgress === undefined
  ) return;
  const extras = extrasOf(job);
  if (timeout !== undefined) extras.timeout = duration("timeout", timeout);
  if (deadline !== undefined) {
    extras.deadline = timePoint("deadline", deadline);
  }
  if (signal !== undefined) extras.signal = checkSignal("signal", signal);
  if (name !== undefined) extras.name = string("name", name);
  if (key !== undefined) extras.key = checkKey("key", key);
  if (weight !== undefined) extras.weight = checkWeight(weight, maxConcurrent);
  if (onProgress !== undefined) {
    extras.onProgress = functionNamed("onProgress", onProgress);
  }
}

function checkKey(name: string, value: unknown): PropertyKey {
  if (
    typeof value === "string" || typeof value === "symbol" ||
    typeof value === "number"
  ) return value;
  throw new TypeError(
    `${name} must be a string, a number or a symbol, got ${show(value)}`,
  );
}

function checkWeight(value: unknown, maxConcurrent: number): number {
  const weight = integer("weight", value, 1);
  if (weight <= maxConcurrent) return weight;
  throw new RangeError(
    `weight must not be above maxConcurrent (${maxConcurrent}), got ${weight}: the task could never start`,
  );
}
