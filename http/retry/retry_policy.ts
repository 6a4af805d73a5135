/**
 * When to try again, and how long to wait before: the settings. The decision itself is in
 * retry_decision.ts.
 *
 * @module
 */
import { environmentNumber } from "../../_internal/environment.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  duration,
  functionNamed,
  integer,
  limitFrom,
  numberBetween,
  object,
  orFalse,
  show,
  word,
} from "../../_internal/validate.ts";
import { RetryBudget, type RetryBudgetOptions } from "./retry_budget.ts";

/** How delays are spread, so that callers who failed together do not come back together. */
export type Jitter = "full" | "decorrelated" | "none";

/** What `retryOn` is asked about: an attempt that failed, or a response that could be refused. */
export interface RetryOutcome {
  /** Attempts made so far, this one included. */
  readonly attempt: number;
  /** What the attempt failed with. */
  readonly error?: unknown;
  /** What the server answered. Its body is not to be read here. */
  readonly response?: Response;
  /** The request's method; `undefined` in `withRetry`. */
  readonly method?: string | undefined;
}

/** Options of {@linkcode RetryPolicy}. */
export interface RetryPolicyOptions {
  /**
   * Attempts after the first. Infinity is allowed: then only the total timeout and the budget end
   * it. @default {3}, or the environment variable SPECIFY_ASYNC_RETRY_MAX
   */
  maxRetries?: number | undefined;
  /** How much longer each delay is than the one before. @default {2} */
  backoffFactor?: number | undefined;
  /** The first delay in milliseconds, before jitter. @default {1000} */
  baseDelay?: number | undefined;
  /** The longest delay in milliseconds. @default {30000} */
  maxDelay?: number | undefined;
  /**
   * `"full"`: anything between 0 and the delay; `"decorrelated"`: anything between `baseDelay` and
   * three times the delay before; `"none"`: the delay itself. @default {"full"}
   */
  jitter?: Jitter | undefined;
  /** Statuses that are tried again. @default {[408, 425, 429, 500, 502, 503, 504]} */
  retryStatuses?: Iterable<number> | undefined;
  /**
   * Methods that are tried again. A call with an `Idempotency-Key` header is, whatever its method.
   * @default {["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]}
   */
  retryMethods?: Iterable<string> | undefined;
  /**
   * Has the first word on a failure or a response: true tries again, false does not, `undefined`
   * leaves it to `retryStatuses` and to whether the failure may pass. The other rules hold in any
   * case: the count, the method, the budget, the time left, a body that can be sent again.
   */
  retryOn?: ((outcome: RetryOutcome) => boolean | undefined) | undefined;
  /**
   * What share of the traffic retries may be: one budget for all who use this policy. `false`: no
   * bound. @default {{ ratio: 0.2, minimum: 10, window: 10000 }}
   */
  budget?: RetryBudget | RetryBudgetOptions | false | undefined;
  /** Whether a `Retry-After` header sets the delay. @default {true} */
  respectRetryAfter?: boolean | undefined;
}

const STATUSES = [408, 425, 429, 500, 502, 503, 504];
const METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];

const CHECKS: Checks<RetryPolicyOptions> = {
  maxRetries: limitFrom(0),
  backoffFactor: numberBetween(1, Number.MAX_VALUE),
  baseDelay: duration,
  maxDelay: duration,
  jitter: word("full", "decorrelated", "none"),
  // Their elements are looked at as they are taken: an iterator gives them once.
  retryStatuses: iterable,
  retryMethods: iterable,
  retryOn: functionNamed,
  budget: orFalse(object),
  respectRetryAfter: boolean,
};

/**
 * When to try again, and how long to wait before:
 * `min(maxDelay, baseDelay * backoffFactor ** attempt)`, spread by jitter. Immutable but for its
 * budget, which counts; share one policy to share one budget.
 *
 * @example
 * ```ts
 * import { RetryPolicy } from "@specify/async-core";
 *
 * const policy = new RetryPolicy({ maxRetries: 5, baseDelay: 100, jitter: "none" });
 * console.log([0, 1, 2].map((attempt) => policy.getBackoffDelay(attempt))); // [100, 200, 400]
 * ```
 */
export class RetryPolicy {
  /** Attempts after the first. */
  readonly maxRetries: number;
  /** How much longer each delay is than the one before. */
  readonly backoffFactor: number;
  /** The first delay in milliseconds, before jitter. */
  readonly baseDelay: number;
  /** The longest delay in milliseconds. */
  readonly maxDelay: number;
  /** How delays are spread. */
  readonly jitter: Jitter;
  /** Statuses that are tried again. */
  readonly retryStatuses: ReadonlySet<number>;
  /** Methods that are tried again, in capitals. */
  readonly retryMethods: ReadonlySet<string>;
  /** Has the first word. */
  readonly retryOn:
    | ((outcome: RetryOutcome) => boolean | undefined)
    | undefined;
  /** The bound on retries; `undefined` for none. */
  readonly budget: RetryBudget | undefined;
  /** Whether a `Retry-After` header sets the delay. */
  readonly respectRetryAfter: boolean;

  /**
   * A policy of these options.
   *
   * @throws {RangeError | TypeError} For an option that is out of its range, naming it, or unknown.
   */
  constructor(options: RetryPolicyOptions = {}) {
    checkOptions("RetryPolicy", options, CHECKS);
    this.maxRetries = options.maxRetries ??
      environmentNumber("SPECIFY_ASYNC_RETRY_MAX", 3, {
        least: 0,
        whole: true,
      });
    this.backoffFactor = options.backoffFactor ?? 2;
    this.baseDelay = options.baseDelay ?? 1000;
    this.maxDelay = options.maxDelay ?? 30_000;
    this.jitter = options.jitter ?? "full";
    this.retryStatuses = new Set(
      Array.from(options.retryStatuses ?? STATUSES, checkedStatus),
    );
    this.retryMethods = new Set(
      Array.from(options.retryMethods ?? METHODS, checkedMethod),
    );
    this.retryOn = options.retryOn;
    const { budget } = options;
    this.budget = budget === false
      ? undefined
      : budget instanceof RetryBudget
      ? budget
      : new RetryBudget(budget);
    this.respectRetryAfter = options.respectRetryAfter ?? true;
  }

  /**
   * The delay in milliseconds before the retry that follows attempt number `attempt` (from 0),
   * before jitter.
   *
   * @throws {RangeError} For an attempt that is no non-negative integer.
   */
  getBackoffDelay(attempt: number): number {
    integer("attempt", attempt, 0);
    // 2 ** 2000 is Infinity, and 0 * Infinity would be NaN.
    return this.baseDelay === 0 ? 0 : Math.min(
      this.maxDelay,
      this.baseDelay * this.backoffFactor ** attempt,
    );
  }

  /**
   * The delay after jitter.
   *
   * @param attempt From 0, as in `getBackoffDelay`.
   * @param previous The delay before this one, for `"decorrelated"`. @default {baseDelay}
   * @param random From 0 to below 1.
   */
  getJitteredDelay(
    attempt: number,
    previous: number = this.baseDelay,
    random: number = Math.random(),
  ): number {
    switch (this.jitter) {
      case "none":
        return this.getBackoffDelay(attempt);
      case "full":
        return this.getBackoffDelay(attempt) * random;
      case "decorrelated": {
        const high = Math.max(this.baseDelay, previous * 3);
        return Math.min(
          this.maxDelay,
          this.baseDelay + (high - this.baseDelay) * random,
        );
      }
    }
  }
}

/** A text would be taken apart into its letters. */
function iterable(name: string, value: unknown): void {
  if (
    typeof value === "object" && value !== null && Symbol.iterator in value
  ) return;
  throw new TypeError(
    `${name} must be an array or another iterable, got ${show(value)}`,
  );
}

function checkedStatus(status: number): number {
  if (integer("retryStatuses", status, 100) <= 599) return status;
  throw new RangeError(
    `retryStatuses must hold HTTP statuses (100 to 599), got ${status}`,
  );
}

function checkedMethod(method: string): string {
  if (typeof method === "string" && method !== "") return method.toUpperCase();
  throw new TypeError(
    `retryMethods must hold method names, got ${show(method)}`,
  );
}
