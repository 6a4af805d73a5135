/**
 * What a call fails with, and which failures may be tried again.
 *
 * @module
 */
import type { Call } from "./call.ts";
import { CircuitOpenError } from "../errors/circuit_open_error.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import { InvalidRequestError } from "../errors/invalid_request_error.ts";
import { NetworkError } from "../errors/network_error.ts";
import { RedirectError } from "../errors/redirect_error.ts";
import { RetryError } from "../errors/retry_error.ts";
import { redactURL, reword } from "../redact.ts";
import { explainNoRetry, type NoRetry } from "../retry/retry_decision.ts";
import type { RetryPolicy } from "../retry/retry_policy.ts";

/** A failure that no policy can wish to try again. */
export function isFinal(error: unknown): boolean {
  return error instanceof CircuitOpenError ||
    error instanceof InvalidRequestError || error instanceof RedirectError ||
    error instanceof HTTPStatusError;
}

/** A failure that may pass by itself. */
export function isPassing(error: unknown): boolean {
  return error instanceof NetworkError
    ? error.failure !== "tls"
    : error instanceof HTTPTimeoutError && error.kind !== "total";
}

/** The reason for an outcome that looks worth a retry and gets none. */
export function noteReason(
  call: Call,
  retry: RetryPolicy,
  because: NoRetry,
): string {
  const reason = explainNoRetry(because, retry, call.method);
  if (because !== "outcome" && because !== "attempts") call.notRetried = reason;
  return reason;
}

export function finalError(
  call: Call,
  error: unknown,
  attempt: number,
  reason: string,
  because: NoRetry,
): unknown {
  if (call.failures !== undefined) {
    return new RetryError(
      `${call.method} ${redactURL(call.url)}`,
      [...call.failures, error],
      reason,
    );
  }
  if (because === "outcome" || because === "attempts" || attempt > 1) {
    return error;
  }
  return amended(error, `Not retried: ${reason}.`);
}

/** Says more in the message of an error that this client made. */
function amended(error: unknown, text: string): unknown {
  if (error instanceof NetworkError || error instanceof HTTPTimeoutError) {
    reword(error, `${error.message} ${text}`);
  }
  return error;
}

export function withFailures(
  call: Call,
  error: unknown,
  attempt: number,
): unknown {
  if (call.failures === undefined || attempt === 1) return error;
  if (error instanceof CircuitOpenError || error instanceof HTTPStatusError) {
    error.cause ??= call.failures.at(-1);
    return error;
  }
  return new RetryError(
    `${call.method} ${redactURL(call.url)}`,
    [...call.failures, error],
    "a failure of this kind is not retried",
  );
}
