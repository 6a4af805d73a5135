/**
 * The options of a scheduler and of a submit, and their checks.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import {
  boolean,
  checkPriority,
  checkSignal,
  duration,
  finiteDuration,
  functionNamed,
  integer,
  integerOrInfinity,
  object,
  oneOf,
  show,
  wrong,
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

const OVERFLOW_POLICIES = [
  "wait",
  "reject",
  "drop-oldest",
  "drop-lowest",
] as const;

/** Checks a limit of concurrency. */
export function concurrency(name: string, value: unknown): number {
  if (value === 0) {
    throw new RangeError(
      `${name} must be a positive integer or Infinity, got 0. To stop tasks from starting, use pause().`,
    );
  }
  return integerOrInfinity(name, value, 1);
}

/** Checks every option that is not checked by the part that it configures. */
export function checkSchedulerOptions(options: SchedulerOptions): void {
  object("options", options);
  const { maxConcurrent, aging, maxQueue, overflow, maxPerKey } = options;
  const { paused, adaptive, rateLimit, onStall, observer } = options;
  if (maxConcurrent !== undefined) concurrency("maxConcurrent", maxConcurrent);
  if (aging !== undefined && aging !== Infinity) finiteDuration("aging", aging);
  if (maxQueue !== undefined) integerOrInfinity("maxQueue", maxQueue, 0);
  if (overflow !== undefined) oneOf("overflow", overflow, OVERFLOW_POLICIES);
  if (maxPerKey !== undefined) integerOrInfinity("maxPerKey", maxPerKey, 1);
  if (options.signal !== undefined) checkSignal("signal", options.signal);
  if (paused !== undefined) boolean("paused", paused);
  if (adaptive !== undefined && typeof adaptive !== "boolean") {
    object("adaptive", adaptive, "true, false or ");
  }
  if (rateLimit !== undefined) object("rateLimit", rateLimit);
  if (onStall !== undefined) object("onStall", onStall);
  if (observer !== undefined) object("observer", observer);
  for (const name of ["queued", "started", "settled", "ended"] as const) {
    const listener = observer?.[name];
    if (listener !== undefined) functionNamed(`observer.${name}`, listener);
  }
}

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
  if (deadline !== undefined) extras.deadline = checkDeadline(deadline);
  if (signal !== undefined) extras.signal = checkSignal("signal", signal);
  if (name !== undefined) extras.name = checkName(name);
  if (key !== undefined) extras.key = checkKey(key);
  if (weight !== undefined) extras.weight = checkWeight(weight, maxConcurrent);
  if (onProgress !== undefined) {
    extras.onProgress = functionNamed("onProgress", onProgress);
  }
}

function checkDeadline(value: unknown): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw wrong(
    "deadline",
    "a point on the performance.now() line",
    value,
    typeof value === "number",
  );
}

function checkName(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`name must be a string, got ${show(value)}`);
}

function checkKey(value: unknown): PropertyKey {
  if (
    typeof value === "string" || typeof value === "symbol" ||
    typeof value === "number"
  ) return value;
  throw new TypeError(
    `key must be a string, a number or a symbol, got ${show(value)}`,
  );
}

function checkWeight(value: unknown, maxConcurrent: number): number {
  const weight = integer("weight", value, 1);
  if (weight <= maxConcurrent) return weight;
  throw new RangeError(
    `weight must not be above maxConcurrent (${maxConcurrent}), got ${weight}: the task could never start`,
  );
}
