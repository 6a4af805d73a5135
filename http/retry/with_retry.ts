/**
 * Retrying anything by a RetryPolicy.
 *
 * @module
 */
import { sleep } from "../../_internal/sleep.ts";
import { now } from "../../_internal/clock.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
} from "../../_internal/validate.ts";
import { CircuitOpenError } from "../errors/circuit_open_error.ts";
import { RetryError } from "../errors/retry_error.ts";
import { dropBody } from "../call/native_body.ts";
import { decideRetry, explainNoRetry } from "./retry_decision.ts";
import { RetryPolicy, type RetryPolicyOptions } from "./retry_policy.ts";

/** What each attempt is given. */
export interface RetryContext {
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** The signal given to `withRetry`. */
  readonly signal: AbortSignal | undefined;
}

/** Options of {@linkcode withRetry}. */
export interface WithRetryOptions {
  /** Ends it, also while it waits, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** No attempt is begun later than so many milliseconds after the first. @default {Infinity} */
  total?: number | undefined;
  /** Told before each wait. */
  onRetry?:
    | ((retry: { attempt: number; error: unknown; delay: number }) => void)
    | undefined;
}

const CHECKS: Checks<WithRetryOptions> = {
  signal: checkSignal,
  total: duration,
  onRetry: functionNamed,
};

/**
 * Calls `fn` until it succeeds or the policy gives up. Every rejection is tried again, save an
 * abort, an open circuit and what `policy.retryOn` refuses; a Response counts as a failure when
 * its status is one of `retryStatuses`, and its body is cancelled before the next attempt.
 *
 * @returns What the first successful attempt returned; or the last Response, when all were refused.
 * @throws {RetryError} When more than one attempt was made and the last one failed: it holds each
 * attempt's failure. A failure that is not retried at all is thrown as it is.
 *
 * @example
 * ```ts
 * import { RetryPolicy, withRetry } from "@specify/async-core";
 *
 * const policy = new RetryPolicy({ maxRetries: 5, baseDelay: 1 });
 * const result = await withRetry(({ attempt }) => {
 *   if (attempt < 3) throw new Error("not yet");
 *   return "done";
 * }, policy);
 * console.log(result); // "done"
 * ```
 */
export function withRetry<T>(
  fn: (context: RetryContext) => T | PromiseLike<T>,
  policy: RetryPolicy | RetryPolicyOptions = {},
  options: WithRetryOptions = {},
): Promise<T> {
  functionNamed("fn", fn);
  checkOptions("withRetry()", options, CHECKS);
  const rules = policy instanceof RetryPolicy
    ? policy
    : new RetryPolicy(policy);
  return run(fn, rules, options);
}

async function run<T>(
  fn: (context: RetryContext) => T | PromiseLike<T>,
  policy: RetryPolicy,
  { signal, total = Infinity, onRetry }: WithRetryOptions,
): Promise<T> {
  signal?.throwIfAborted();
  const { budget } = policy;
  // The clock is read where somebody needs it: it costs as much as the rest of a success.
  const start = total === Infinity ? 0 : now();
  if (total === Infinity) budget?.depositRoughly();
  else budget?.deposit(start);
  let failures: unknown[] | undefined;
  let previousDelay: number | undefined;
  for (let attempt = 1;; attempt++) {
    let result: T | undefined;
    let error: unknown;
    let failed = false;
    try {
      result = await fn({ attempt, signal });
      if (!(result instanceof Response)) return result;
    } catch (caught) {
      error = caught;
      failed = true;
    }
    const response = result instanceof Response ? result : undefined;
    if (signal?.aborted) {
      if (!failed) return result as T;
      throw error === signal.reason ? error : signal.reason;
    }
    const decision = decideRetry(policy, {
      attempt,
      method: undefined,
      status: response?.status,
      retryAfter: response?.headers.get("retry-after"),
      transient: failed && !isFinal(error),
      wanted: wantedBy(policy, attempt, error, response),
      idempotencyKey: false,
      replayable: true,
      budgetLeft: budget === undefined || budget.available >= 1,
      timeLeft: total === Infinity ? Infinity : start + total - now(),
      circuitOpenFor: 0,
      previousDelay,
      random: policy.jitter === "none" ? 0 : Math.random(),
      wallClock: Date.now(),
    });
    if (!decision.retry) {
      if (!failed) return result as T;
      if (failures === undefined) throw error;
      failures.push(error);
      throw new RetryError(
        fn.name === "" ? "The call" : `${fn.name}()`,
        failures,
        explainNoRetry(decision.because, policy, undefined),
      );
    }
    budget?.withdraw();
    (failures ??= []).push(
      failed ? error : new Error(`The response had status ${response!.status}`), // not failed: a Response
    );
    if (response !== undefined) dropBody(response);
    onRetry?.({ attempt, error: failures.at(-1), delay: decision.delay });
    await sleep(decision.delay, signal);
    previousDelay = decision.delay;
  }
}

function wantedBy(
  { retryOn }: RetryPolicy,
  attempt: number,
  error: unknown,
  response: Response | undefined,
): boolean | undefined {
  try {
    return retryOn?.(
      response === undefined ? { attempt, error } : { attempt, response },
    );
  } catch (thrown) {
    // Nobody is given the response now.
    if (response !== undefined) dropBody(response);
    throw thrown;
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof CircuitOpenError ||
    (error instanceof DOMException && error.name === "AbortError");
}
