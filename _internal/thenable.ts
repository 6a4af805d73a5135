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
