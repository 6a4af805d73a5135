/**
 * Errors that every folder may raise, and how several become one.
 *
 * @module
 */

/**
 * Something was used after it had been closed or disposed.
 *
 * @example
 * ```ts
 * import { AsyncRunner, DisposedError } from "@specify/async-core";
 *
 * const runner = new AsyncRunner();
 * await runner.shutdown();
 * const error = await runner.submit(() => 1).catch((error) => error);
 * console.log(error instanceof DisposedError); // true
 * ```
 */
export class DisposedError extends Error {
  /** Always `"DisposedError"`. */
  override readonly name = "DisposedError";

  /** `what` was used (for example `AsyncRunner.submit()`) after its end; or `happened` to it. */
  constructor(
    what: string,
    advice = "Create a new one.",
    happened = "was called after shutdown or disposal",
  ) {
    super(`${what} ${happened}. ${advice}`);
  }
}

/**
 * Something was used that the runtime has no means for.
 *
 * @example
 * ```ts
 * import { asyncFileExists, UnsupportedRuntimeError } from "@specify/async-core";
 *
 * // In Node, Bun and browsers there is no `Deno` to look with.
 * const found = await asyncFileExists("/nowhere").catch((error) => error);
 * console.log(found instanceof UnsupportedRuntimeError); // false: this runs in Deno
 * ```
 */
export class UnsupportedRuntimeError extends Error {
  /** Always `"UnsupportedRuntimeError"`. */
  override readonly name = "UnsupportedRuntimeError";

  /** `what` was used (for example `asyncDownload()`), and `advice` is what to do. */
  constructor(what: string, advice: string) {
    super(`${what} needs Deno, and this runtime is not Deno. ${advice}`);
  }
}

/** The error of an expired time limit: what `AbortSignal.timeout()` aborts with, with a message. */
export function timeoutError(message: string): DOMException {
  return new DOMException(message, "TimeoutError");
}

/** The reason of a cancel that names none: what `AbortController.abort()` uses, with a message. */
export function abortError(message: string): DOMException {
  return new DOMException(message, "AbortError");
}

/**
 * Reports an error that has no one to go to: on the console, once, without ending the process.
 */
export function report(what: string, error: unknown): void {
  console.error(`${what}:`, error);
}
