/**
 * Retry or not, and when: one pure function of what is known after an attempt. No clock, no
 * randomness, no state: the caller brings them, so that the whole table can be tested.
 *
 * @module
 */
import { parseRetryAfter } from "./retry_after.ts";
import type { RetryPolicy } from "./retry_policy.ts";

/** What is known after an attempt that did not end well. */
export interface RetryQuestion {
  /** Attempts made so far, this one included: from 1. */
  readonly attempt: number;
  /** The method in capitals; `undefined` where there is none (`withRetry`): then it is allowed. */
  readonly method: string | undefined;
  /** The status of the response, if there was one. */
  readonly status?: number | undefined;
  /** Its `Retry-After`. */
  readonly retryAfter?: string | null | undefined;
  /** True when the failure is of a kind that may pass: the network, a time limit of the attempt. */
  readonly transient: boolean;
  /** The answer of `policy.retryOn`, if it gave one. */
  readonly wanted?: boolean | undefined;
  /** True when a hook asks for a retry: then status and method do not matter. */
  readonly asked?: boolean | undefined;
  /** True when the request has an `Idempotency-Key`. */
  readonly idempotencyKey: boolean;
  /** True when the body can be sent again. */
  readonly replayable: boolean;
  /** True when the budget has a retry left. */
  readonly budgetLeft: boolean;
  /** Milliseconds until the call as a whole runs out of time. */
  readonly timeLeft: number;
  /** Milliseconds until the circuit breaker would let an attempt through; 0 when it would now. */
  readonly circuitOpenFor: number;
  /** The delay before this attempt, for decorrelated jitter. */
  readonly previousDelay: number | undefined;
  /** From 0 to below 1. */
  readonly random: number;
  /** The wall clock, for a `Retry-After` that is a date. */
  readonly wallClock: number;
}

/** Why there is no retry. */
export type NoRetry =
  | "outcome"
  | "attempts"
  | "method"
  | "body"
  | "time"
  | "circuit"
  | "budget";

/** The decision: a delay in milliseconds, or why not. */
export type RetryDecision =
  | { readonly retry: true; readonly delay: number }
  | { readonly retry: false; readonly because: NoRetry };

/** Decides. Refuses for the most lasting reason first. */
export function decideRetry(
  policy: RetryPolicy,
  question: RetryQuestion,
): RetryDecision {
  const { attempt, status, asked = false } = question;
  const eligible = asked || (question.wanted ??
    (status === undefined
      ? question.transient
      : policy.retryStatuses.has(status)));
  if (!eligible) return no("outcome");
  if (
    !asked && question.method !== undefined &&
    !policy.retryMethods.has(question.method) && !question.idempotencyKey
  ) {
    return no("method");
  }
  if (!question.replayable) return no("body");
  if (attempt > policy.maxRetries) return no("attempts");
  const delay = delayBefore(policy, question);
  // A sleep that is sure to end in a timeout helps nobody: fail now.
  if (delay >= question.timeLeft) return no("time");
  if (question.circuitOpenFor > delay) return no("circuit");
  if (!question.budgetLeft) return no("budget");
  return { retry: true, delay };
}

function delayBefore(policy: RetryPolicy, question: RetryQuestion): number {
  if (
    policy.respectRetryAfter && question.retryAfter !== undefined &&
    question.retryAfter !== null
  ) {
    const asked = parseRetryAfter(question.retryAfter, question.wallClock);
    // The server's word stands above maxDelay: coming earlier would only be refused again.
    if (asked !== undefined) return asked;
  }
  return policy.getJitteredDelay(
    question.attempt - 1,
    question.previousDelay,
    question.random,
  );
}

function no(because: NoRetry): RetryDecision {
  return { retry: false, because };
}

/** The reason in words, for messages. */
export function explainNoRetry(
  because: NoRetry,
  policy: RetryPolicy,
  method: string | undefined,
): string {
  switch (because) {
    case "outcome":
      return "a failure of this kind is not retried";
    case "attempts":
      return `maxRetries is ${policy.maxRetries}`;
    case "method":
      return `${method} is not idempotent; set an Idempotency-Key header, or add it to retryMethods`;
    case "body":
      return "the body is a stream, which cannot be sent again; pass a function that makes the body";
    case "time":
      return "the delay before the next attempt is longer than the time left";
    case "circuit":
      return "the circuit breaker is open";
    case "budget":
      return "the retry budget is used up";
  }
}
