/**
 * Checks of what operators, terminals, queues and pipelines are given, made at the call that
 * gives it: a mistake is told where it was made, not where the stream is read.
 *
 * @module
 */
import {
  boolean,
  checkPriority,
  checkRunner,
  checkSignal,
  functionNamed,
  integerOrInfinity,
  object,
  oneOf,
  show,
} from "../_internal/validate.ts";
import type { TaskPriority } from "../runner/priority.ts";
import type { TaskRunner } from "../runner/types.ts";

/** Checks options of which nothing but a signal is asked. */
export function checkSignalOption(
  options: { signal?: AbortSignal | undefined } | undefined,
): void {
  if (options === undefined) return;
  object("options", options);
  if (options.signal !== undefined) checkSignal("signal", options.signal);
}

/** Checks a function that may be left out. */
export function optionalFunction(name: string, value: unknown): void {
  if (value !== undefined) functionNamed(name, value);
}

/** Checks the options of calls that may be in flight together. */
export function checkConcurrency(
  options: {
    concurrency?: number | undefined;
    ordered?: boolean | undefined;
    runner?: TaskRunner | undefined;
    priority?: TaskPriority | undefined;
    signal?: AbortSignal | undefined;
  } | undefined,
): void {
  if (options === undefined) return;
  object("options", options);
  const { concurrency, ordered, runner, priority, signal } = options;
  if (concurrency !== undefined) {
    integerOrInfinity("concurrency", concurrency, 1);
  }
  if (ordered !== undefined) boolean("ordered", ordered);
  if (runner !== undefined) checkRunner(runner);
  if (priority !== undefined) checkPriority(priority);
  if (signal !== undefined) checkSignal("signal", signal);
}

/** What becomes of an element for which a buffer has no room. */
export type StreamOverflow = "drop-oldest" | "drop-newest" | "error";

/** Those policies. */
export const DROPPING: readonly StreamOverflow[] = [
  "drop-oldest",
  "drop-newest",
  "error",
];

/** Checks how elements that nobody reads yet are kept. */
export function takeBuffer<Overflow extends string>(
  options: {
    buffer?: number | undefined;
    overflow?: Overflow | undefined;
  },
  defaults: { buffer: number; overflow: Overflow },
  policies: readonly Overflow[],
): { buffer: number; overflow: Overflow } {
  object("options", options);
  const { buffer = defaults.buffer, overflow = defaults.overflow } = options;
  integerOrInfinity("buffer", buffer, 1);
  oneOf("overflow", overflow, policies);
  return { buffer, overflow };
}

/** A number of elements as the iterator helpers take it: whole part of a number from 0 on. */
export function countNamed(name: string, value: number): number {
  if (typeof value === "number" && value > -1) return Math.trunc(value);
  throw new RangeError(
    `${name} must be a non-negative number of elements, got ${show(value)}`,
  );
}

/** Any number but NaN and, unless `isEndless`, the infinite ones. */
export function numberNamed(
  name: string,
  value: number,
  isEndless = false,
): number {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, got ${show(value)}`);
  }
  if (Number.isFinite(value) || (isEndless && !Number.isNaN(value))) {
    return value;
  }
  throw new RangeError(
    `${name} must be a ${isEndless ? "" : "finite "}number, got ${value}`,
  );
}
