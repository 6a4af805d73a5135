/**
 * What a circuit breaker takes for a failure when nobody says otherwise, and what it never counts.
 *
 * @module
 */
import { CircuitOpenError } from "../errors/circuit_open_error.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import { InvalidRequestError } from "../errors/invalid_request_error.ts";

/**
 * Any rejection but one that `saysNothing`, and a status below 500; any response from 500 up. A
 * 4xx tells of the request, not of the server's health; 429 and 408 are a matter of choice.
 */
export function isBreakerFailure(outcome: unknown): boolean {
  if (outcome instanceof Response) return outcome.status >= 500;
  if (outcome instanceof HTTPStatusError) return outcome.status >= 500;
  return !saysNothing(outcome);
}

/**
 * True for a rejection that says nothing of whether the server is well, since it was not asked or
 * somebody has given up: an abort, another breaker's refusal, a request that cannot be sent.
 */
export function saysNothing(error: unknown): boolean {
  return error instanceof CircuitOpenError ||
    error instanceof InvalidRequestError ||
    (error instanceof DOMException && error.name === "AbortError");
}
