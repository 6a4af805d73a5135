/**
 * What breaks off is continued where it stopped: which failures are, how often, and what is asked
 * for then.
 *
 * @module
 */
import { sleep } from "../../_internal/sleep.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import { NetworkError } from "../errors/network_error.ts";
import type { RequestOptions } from "../options.ts";
import { headerRecord } from "../request/request.ts";
import type { RetryPolicy } from "../retry/retry_policy.ts";

/**
 * Calls `fetch` until it succeeds, as long as the policy allows it (asked for when it has failed).
 * `position` tells how many bytes are there for the next call to build on.
 */
export async function continued(
  policyNow: () => RetryPolicy | undefined,
  signal: AbortSignal | undefined,
  position: () => number,
  fetch: () => Promise<void>,
): Promise<void> {
  let delay: number | undefined;
  for (let failures = 0;;) {
    const before = position();
    try {
      return await fetch();
    } catch (error) {
      const policy = policyNow();
      if (policy === undefined || signal?.aborted || !isContinuable(error)) {
        throw error;
      }
      // Whoever gets on is not failing: the count is of failures in a row.
      failures = position() > before ? 1 : failures + 1;
      if (failures > policy.maxRetries) throw error;
      if (policy.budget?.withdraw() === false) throw error;
      delay = policy.getJitteredDelay(failures - 1, delay);
      await sleep(delay, signal);
    }
  }
}

/** True when the connection broke off, or fell silent, within the body. */
function isContinuable(error: unknown): boolean {
  return (error instanceof NetworkError && error.failure === "body") ||
    (error instanceof HTTPTimeoutError && error.kind === "idle");
}

/**
 * The request for the bytes from `start` on, up to but not including `end`, of the version that
 * `validator` stands for; for the whole of any version where there is none.
 */
export function requestFrom(
  request: RequestOptions,
  signal: AbortSignal | undefined,
  validator: string | undefined,
  start: number,
  end = Infinity,
): RequestOptions {
  const headers = request.headers === undefined
    ? {}
    : headerRecord(request.headers);
  // A compressed body has no lengths to count by, and no ranges to continue.
  headers["accept-encoding"] = "identity";
  if (validator !== undefined) {
    headers["range"] = `bytes=${start}-${end === Infinity ? "" : end - 1}`;
    headers["if-range"] = validator;
  }
  return { ...request, headers, signal };
}
