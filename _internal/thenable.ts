/**
 * Tells values from promises. The check that lets a synchronous function pay for nothing.
 *
 * @module
 */

/** True when `await value` would wait for something: an object or function with a `then` method. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null &&
    (typeof value === "object" || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function";
}

/**
 * Marks a thenable of our own that calls back exactly once and never synchronously from `then`,
 * as a native promise does, so that it may be used without being wrapped in one.
 */
export const callsBackOnce: unique symbol = Symbol("callsBackOnce");

/**
 * A thenable that calls back once, which a foreign one may not do: it is wrapped in a promise. A
 * native promise, and a thenable with the mark above, are used as they are.
 */
export function callingOnce<T>(thenable: PromiseLike<T>): PromiseLike<T> {
  return thenable instanceof Promise ||
      (thenable as { [callsBackOnce]?: true })[callsBackOnce]
    ? thenable
    : Promise.resolve(thenable);
}

/**
 * Calls `fn` and tells what came of it, and `about` with it; at once, unless it is a promise. So
 * nothing is allocated for a function that is synchronous.
 */
export function tellOutcome<A, T, C>(
  fn: (argument: A) => T | PromiseLike<T>,
  argument: A,
  about: C,
  done: (about: C, result: T) => void,
  failed: (about: C, error: unknown) => void,
): void {
  let result: T | PromiseLike<T>;
  try {
    result = fn(argument);
    if (isThenable(result)) {
      // Promise.resolve: a foreign thenable may settle twice or throw.
      Promise.resolve(result).then(
        (result) => done(about, result),
        (error) => failed(about, error),
      );
      return;
    }
  } catch (error) {
    failed(about, error);
    return;
  }
  done(about, result);
}
