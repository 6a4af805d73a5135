/**
 * The three states of a circuit breaker.
 *
 * @module
 */

/**
 * The three states of a circuit breaker.
 *
 * @example
 * ```ts
 * import { CircuitBreaker, CircuitState } from "@specify/async-core";
 *
 * console.log(new CircuitBreaker().state === CircuitState.CLOSED); // true
 * ```
 */
export const CircuitState = {
  /** Everything passes; failures are counted. */
  CLOSED: "closed",
  /** Nothing passes until the recovery timeout has gone by. */
  OPEN: "open",
  /** A few probes pass; they decide. */
  HALF_OPEN: "half-open",
} as const;

/** One of the three states. */
export type CircuitState = typeof CircuitState[keyof typeof CircuitState];
