/**
 * A promise and the functions that settle it. `Promise.withResolvers` is missing in Node 20 and in
 * browsers of early 2024.
 *
 * @module
 */

/** The same as `Promise.withResolvers()`. */
export function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T | PromiseLike<T>) => void; // the executor runs at once and sets both
  let reject!: (reason?: unknown) => void;
  const promise = new Promise<T>((whenDone, whenFailed) => {
    resolve = whenDone;
    reject = whenFailed;
  });
  return { promise, resolve, reject };
}
