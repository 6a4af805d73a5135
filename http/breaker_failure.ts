/**
 * What a circuit breaker takes for a failure when nobody says otherwise.
 *
 * @module
 */
import { CircuitOpenError } from "./errors/circuit_open_error.ts";
import { HTTPStatusError } from "./errors/http_status_error.ts";

/**
 * Any rejection but an abort, an open circuit and a status below 500; any response from 500 up.
 * A 4xx tells of the request, not of the server's health; 429 and 408 are a matter of choice.
 */
export function isBreakerFailure(outcome: unknown): boolean {
  if (outcome instanceof Response) return outcome.status >= 500;
  if (outcome instanceof HTTPStatusError) return outcome.status >= 500;
  if (outcome instanceof CircuitOpenError) return false;
  return !(outcome instanceof DOMException && outcome.name === "AbortError");
}
