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

/** True for a native promise, and for a thenable with the mark above. */
export function isTrustedThenable(value: PromiseLike<unknown>): boolean {
  return value instanceof Promise ||
    (value as { [callsBackOnce]?: true })[callsBackOnce] === true;
}
