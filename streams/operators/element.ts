/**
 * Operators that look at one element at a time. Fused: no promise and no object per element,
 * unless the function returns a promise; that one is awaited before the next element is read.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import type { Operator, Push, RunAccess, Wait } from "../engine/engine.ts";

/** A function of an element and its index. Its promise is awaited. */
export type Mapper<T, U> = (value: T, index: number) => U | PromiseLike<U>;

/** A test of an element. Its promise is awaited. */
export type Predicate<T> = (value: T, index: number) => unknown;

/** Goes on with `then` when `thenable` settles, unless the stream was stopped in the meantime. */
export function later<T>(
  run: RunAccess,
  level: number,
  thenable: PromiseLike<T>,
  then: (value: T) => Wait,
): Wait {
  return Promise.resolve(thenable).then((value) =>
    run.isStopped(level) ? undefined : then(value)
  );
}

/** `next` for a value that arrives late. */
function lateNext<T>(run: RunAccess, level: number, next: Push<T>): Push<T> {
  return (value) => run.isStopped(level) ? undefined : next(value);
}

/** fn(value) in place of each value. */
export function map<T, U>(fn: Mapper<T, U>): Operator<T, U> {
  return (next, run, level) => {
    const late = lateNext(run, level, next);
    let index = 0;
    return (value) => {
      const result = fn(value, index++);
      return isThenable(result)
        ? Promise.resolve(result).then(late)
        : next(result);
    };
  };
}

/**
 * Several maps in a row as one operator. They see the same index, and a loop over them costs a
 * fraction of a push for each, and no stack.
 */
export function mapAll(
  fns: readonly Mapper<unknown, unknown>[],
): Operator<unknown, unknown> {
  return (next, run, level) => {
    let index = 0;
    const mapFrom = (place: number, value: unknown, index: number): Wait => {
      for (; place < fns.length; place++) {
        // Within the array.
        value = fns[place]!(value, index);
        if (isThenable(value)) {
          return later(
            run,
            level,
            value,
            (value) => mapFrom(place + 1, value, index),
          );
        }
      }
      return next(value);
    };
    return (value) => mapFrom(0, value, index++);
  };
}

/** Only the values that pass. */
export function filter<T>(predicate: Predicate<T>): Operator<T, T> {
  return (next, run, level) => {
    let index = 0;
    return (value) => {
      const passes = predicate(value, index++);
      if (isThenable(passes)) {
        return later(
          run,
          level,
          passes,
          (passes) => passes ? next(value) : undefined,
        );
      }
      return passes ? next(value) : undefined;
    };
  };
}

/** The values as they are; fn sees each before it goes on. */
export function tap<T>(fn: Mapper<T, unknown>): Operator<T, T> {
  return (next, run, level) => {
    let index = 0;
    return (value) => {
      const seen = fn(value, index++);
      return isThenable(seen)
        ? later(run, level, seen, () => next(value))
        : next(value);
    };
  };
}

/** The accumulator after each value. Without a seed the first value is the first accumulator. */
export function scan<T, U>(
  fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
  seed: { value: U } | undefined,
): Operator<T, U> {
  return (next, run, level) => {
    let hasAccumulator = seed !== undefined;
    let accumulator = seed?.value as U;
    let index = 0;
    const keep = (result: U): Wait => next(accumulator = result);
    return (value) => {
      if (!hasAccumulator) {
        hasAccumulator = true;
        index++;
        // Without a seed U is T: the overloads of AsyncStream.scan say so.
        return keep(value as unknown as U);
      }
      const result = fn(accumulator, value, index++);
      return isThenable(result)
        ? later(run, level, result as PromiseLike<U>, keep)
        : keep(result as U);
    };
  };
}

/** [index, value]. */
export function enumerate<T>(start: number): Operator<T, [number, T]> {
  return (next) => {
    let index = start;
    return (value) => next([index++, value]);
  };
}

/** [previous, value], from the second value on. */
export function pairwise<T>(): Operator<T, [T, T]> {
  return (next) => {
    let hasPrevious = false;
    let previous: T;
    return (value) => {
      if (!hasPrevious) {
        hasPrevious = true;
        previous = value;
        return undefined;
      }
      const pair: [T, T] = [previous, value];
      previous = value;
      return next(pair);
    };
  };
}

/** Only the first value of each key. Keeps every key. */
export function distinct<T>(
  key: Mapper<T, unknown> | undefined,
): Operator<T, T> {
  return (next, run, level) => {
    const seen = new Set<unknown>();
    let index = 0;
    const pass = (value: T, key: unknown): Wait => {
      const { size } = seen;
      return seen.add(key).size > size ? next(value) : undefined;
    };
    if (key === undefined) return (value) => pass(value, value);
    return (value) => {
      const made = key(value, index++);
      return isThenable(made)
        ? later(run, level, made, (made) => pass(value, made))
        : pass(value, made);
    };
  };
}

/** Only the values whose key differs from the one before. */
export function distinctUntilChanged<T>(
  key: Mapper<T, unknown> | undefined,
): Operator<T, T> {
  return (next, run, level) => {
    let hasPrevious = false;
    let previous: unknown;
    let index = 0;
    const pass = (value: T, key: unknown): Wait => {
      if (hasPrevious && Object.is(previous, key)) return undefined;
      hasPrevious = true;
      previous = key;
      return next(value);
    };
    if (key === undefined) return (value) => pass(value, value);
    return (value) => {
      const made = key(value, index++);
      return isThenable(made)
        ? later(run, level, made, (made) => pass(value, made))
        : pass(value, made);
    };
  };
}
