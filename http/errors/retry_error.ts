/**
 * Every attempt failed.
 *
 * @module
 */

/**
 * Every attempt failed. `errors` holds each attempt's failure in order, `cause` is the last one.
 *
 * @example
 * ```ts
 * import { RetryError, RetryPolicy, withRetry } from "@specify/async-core";
 *
 * const error = await withRetry(
 *   () => Promise.reject(new Error("down")),
 *   new RetryPolicy({ maxRetries: 2, baseDelay: 1 }),
 * ).catch((error) => error);
 * console.log(error instanceof RetryError, error.attempts); // true 3
 * ```
 */
export class RetryError extends AggregateError {
  /** Always `"RetryError"`. */
  override readonly name = "RetryError";
  /** How many attempts were made. */
  readonly attempts: number;

  /** `what` was tried (for example `GET http://host/`), `stopped` says why it was given up. */
  constructor(what: string, errors: readonly unknown[], stopped: string) {
    const last = errors.at(-1);
    const text = last instanceof Error ? last.message : String(last);
    super(
      errors,
      `${what} failed in ${errors.length} attempts and was given up: ${stopped}. The last failure: ${text}`,
      { cause: last },
    );
    this.attempts = errors.length;
  }
}
