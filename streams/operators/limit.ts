/**
 * Operators that end a stream early or skip its beginning.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import { functionNamed } from "../../_internal/validate.ts";
import type { Operator, Predicate, Wait } from "../engine/types.ts";
import { later } from "../engine/later.ts";
import { countNamed } from "../options.ts";

/** The first `limit` values: after exactly so many the source is closed, with 0 it is not read. */
export function take<T>(limit: number): Operator<T, T> {
  const count = countNamed("limit", limit);
  return (next, run, level) => {
    let left = count;
    if (left === 0) run.stop(level);
    return (value) => {
      if (--left === 0) run.stop(level);
      return next(value);
    };
  };
}

/** The values before the first that does not pass. */
export function takeWhile<T>(predicate: Predicate<T>): Operator<T, T> {
  functionNamed("predicate", predicate);
  return (next, run, level) => {
    let index = 0;
    return (value) => {
      const decide = (passes: unknown): Wait => {
        if (passes) return next(value);
        run.stop(level);
        return undefined;
      };
      const passes = predicate(value, index++);
      return isThenable(passes)
        ? later(run, level, passes, decide)
        : decide(passes);
    };
  };
}

/** The values after the first `count`. */
export function drop<T>(count: number): Operator<T, T> {
  const dropped = countNamed("count", count);
  return (next) => {
    let left = dropped;
    return (value) => {
      if (left === 0) return next(value);
      left--;
      return undefined;
    };
  };
}

/** The values from the first that does not pass on. */
export function dropWhile<T>(predicate: Predicate<T>): Operator<T, T> {
  functionNamed("predicate", predicate);
  return (next, run, level) => {
    let index = 0;
    let isDropping = true;
    return (value) => {
      if (!isDropping) return next(value);
      const decide = (passes: unknown): Wait => {
        if (passes) return undefined;
        isDropping = false;
        return next(value);
      };
      const passes = predicate(value, index++);
      return isThenable(passes)
        ? later(run, level, passes, decide)
        : decide(passes);
    };
  };
}
