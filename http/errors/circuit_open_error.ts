/**
 * A call was rejected without being tried.
 *
 * @module
 */

/**
 * The circuit breaker is open, or half-open with all its probes taken: the call was not made.
 *
 * @example
 * ```ts
 * import { CircuitBreaker, CircuitOpenError } from "@specify/async-core";
 *
 * const breaker = new CircuitBreaker({ recoveryTimeout: 5000 });
 * breaker.trip();
 * const error = await breaker.call(() => 1).catch((error) => error);
 * console.log(error instanceof CircuitOpenError, error.retryAfter > 4000); // true true
 * ```
 */
export class CircuitOpenError extends Error {
  /** Always `"CircuitOpenError"`. */
  override readonly name = "CircuitOpenError";

  /** `what` the breaker guards (an origin, or its name). */
  constructor(
    what: string | undefined,
    /** Milliseconds until the breaker lets a probe through; 0 while half-open. */
    readonly retryAfter: number,
    options?: ErrorOptions,
  ) {
    const whose = what === undefined ? "" : ` for ${what}`;
    super(
      retryAfter > 0
        ? `The circuit breaker${whose} is open after too many failures; the call was not made. Try again in ${
          Math.ceil(retryAfter)
        } ms.`
        : `The circuit breaker${whose} is half-open and its probes are taken; the call was not made. Try again when they have ended.`,
      options,
    );
  }
}
