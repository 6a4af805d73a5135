/**
 * The one clock: monotonic milliseconds. Looked up at each call, so that a test which stubs
 * `performance.now` drives everything that measures time.
 *
 * @module
 */

/** Milliseconds on the `performance.now()` line, which no change of the wall clock moves. */
export function now(): number {
  return performance.now();
}
