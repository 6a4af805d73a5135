/**
 * Operators that deal with the end of a stream: another source after a failure, a new attempt,
 * a clean-up, a limit to the waiting.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { timeoutError } from "../../_internal/errors.ts";
import { type AnyIterator, DONE } from "../../_internal/iterators.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { sleep } from "../../_internal/sleep.ts";
import { isThenable } from "../../_internal/thenable.ts";
import {
  checkOptions,
  type Checks,
  duration,
  functionNamed,
  limitFrom,
} from "../../_internal/validate.ts";
import type { Origin } from "../engine/types.ts";
import { StreamConsumedError } from "../errors.ts";
import { Pace } from "../engine/pace.ts";
import type { ReadingOperator } from "../engine/plan.ts";
import type { PullIterator } from "../engine/pull_iterator.ts";
import { iterateSource, type StreamSource } from "../engine/source.ts";
import { Timer } from "./time.ts";
import { closeNow, STOPPED } from "../../_internal/upstream.ts";
import { NOTHING, type Pulled, Wrapped } from "../engine/wrapped.ts";

// Invariant: `inner` is the iterator that is being read; `replace` is pending only after it has
// failed, so it needs no closing then. return() before the replacement is there: it is closed
// when it comes.
/** An iterator that goes on with another one after a failure. */
class Replacing<T> extends Wrapped<T> {
  /** Aborts the waiting between two attempts. */
  readonly #stopping = new AbortController();
  readonly #replace: (
    error: unknown,
    signal: AbortSignal,
  ) => Promise<AnyIterator<T>>;

  /** `replace` gives the next iterator, or rejects with what the stream is to fail with. */
  constructor(
    first: AnyIterator<T>,
    replace: (error: unknown, signal: AbortSignal) => Promise<AnyIterator<T>>,
  ) {
    super(first);
    this.#replace = replace;
  }

  protected override close(reason: unknown): Promise<void> {
    this.#stopping.abort(reason);
    return super.close(reason);
  }

  /** A loop, however often a replacement fails in its turn. */
  protected override async failed(error: unknown): Promise<IteratorResult<T>> {
    for (;;) {
      // It failed by itself: from now on there is nothing to close, until the next one is there.
      this.inner = NOTHING;
      let replacement;
      try {
        replacement = await this.#replace(error, this.#stopping.signal);
      } catch (error) {
        if (this.isOver) {
          reportLate(STOPPED, error, this.#stopping.signal.reason);
          return DONE;
        }
        this.isOver = true;
        throw error;
      }
      if (this.isOver) {
        const { reason } = this.#stopping.signal;
        closeNow(() => replacement.return?.(reason), reason);
        return DONE;
      }
      this.inner = replacement;
      try {
        return await this.read();
      } catch (again) {
        if (this.isOver) throw again;
        error = again;
      }
    }
  }
}

/** See AsyncStream.catch. */
export function recover<T, U>(
  fn: (error: unknown) => StreamSource<U> | PromiseLike<StreamSource<U>>,
): ReadingOperator<T, T | U> {
  functionNamed("fn", fn);
  return (plan) => {
    let hasRecovered = false;
    return new Replacing<T | U>(plan.iterate(), async (error) => {
      if (hasRecovered) throw error;
      hasRecovered = true;
      return iterateSource<T | U>(await fn(error));
    });
  };
}

/** How `retry` tries again. */
export interface RetryOptions {
  /** How often it starts over after a failure. @default {3} */
  maxRetries?: number | undefined;
  /** Milliseconds before a new attempt, or a function of its number, from 1. @default {0} */
  delay?:
    | number
    | ((attempt: number, error: unknown) => number | PromiseLike<number>)
    | undefined;
  /** Whether this failure is worth a new attempt. @default {() => true} */
  retryOn?:
    | ((error: unknown, attempt: number) => boolean | PromiseLike<boolean>)
    | undefined;
}

const RETRY_CHECKS: Checks<RetryOptions> = {
  maxRetries: limitFrom(0),
  delay: (name, value) =>
    typeof value === "function" ? value : duration(name, value),
  retryOn: functionNamed,
};

/** See AsyncStream.retry. `origin` is that of the stream. */
export function retry<T>(
  origin: Origin<unknown>,
  options: RetryOptions,
): ReadingOperator<T, T> {
  checkOptions("retry()", options, RETRY_CHECKS);
  const { maxRetries = 3, delay = 0, retryOn } = options;
  if (!origin.isRepeatable) {
    throw new TypeError(
      "retry() needs a stream that can be read again, and this one's source can be read once. " +
        "Make it from a function that returns a new source each time: AsyncStream.from(() => …).",
    );
  }
  return (plan) => {
    let attempt = 0;
    let previous: unknown;
    const pace = new Pace();
    return new Replacing(plan.iterate(), async (error, signal) => {
      if (attempt > 0 && error instanceof StreamConsumedError) {
        // Something in the stream can be read once only: what it failed with first is the news.
        error.cause ??= previous;
        throw error;
      }
      attempt++;
      previous = error;
      if (
        attempt > maxRetries || await retryOn?.(error, attempt) === false
      ) throw error;
      const pause = typeof delay === "number"
        ? delay
        : duration("delay", await delay(attempt, error));
      if (pause > 0) await sleep(pause, signal);
      // Attempts that fail at once, without a pause, must not keep the event loop.
      else await pace.look(1);
      return plan.iterate();
    });
  };
}

/** Calls fn once, after the end, the failure or the closing of the stream. */
class Finalizing<T> extends Wrapped<T> {
  readonly #fn: () => unknown;

  constructor(inner: AnyIterator<T>, fn: () => unknown) {
    super(inner);
    this.#fn = fn;
  }

  protected override async close(reason: unknown): Promise<void> {
    try {
      await super.close(reason);
    } catch (error) {
      await this.#failing(error);
    }
    await this.#fn();
  }

  protected override async ended(): Promise<IteratorResult<T>> {
    await this.closing.begin(this.#call());
    return DONE;
  }

  protected override failed(error: unknown): Promise<never> {
    this.isOver = true;
    const failing = this.#failing(error);
    this.closing.begin(failing);
    return failing;
  }

  async #call(): Promise<void> {
    await this.#fn();
  }

  async #failing(error: unknown): Promise<never> {
    try {
      await this.#fn();
    } catch (second) {
      reportLate(
        "finally() failed after a failure of its stream",
        second,
        error,
      );
    }
    throw error;
  }
}

/** See AsyncStream.finally. */
export function finalize<T>(fn: () => unknown): ReadingOperator<T, T> {
  functionNamed("fn", fn);
  return (plan) => new Finalizing(plan.iterate(), fn);
}

// Invariant: the timer is set exactly while a read is pending. When it rings, the run that is read
// fails with the error, and so does that read.
/** Fails when the next element takes too long. */
class Timing<T> extends Wrapped<T> {
  readonly #upstream: PullIterator<T>;
  readonly #duration: number;
  readonly #timer = new Timer(() => this.#timeUp());

  constructor(upstream: PullIterator<T>, duration: number) {
    super(upstream);
    this.#upstream = upstream;
    this.#duration = duration;
  }

  protected override read(): Pulled<T> {
    const result = this.#upstream.pull();
    if (isThenable(result)) this.#timer.set(now() + this.#duration);
    return result;
  }

  protected override arrived(): void {
    this.#timer.rest();
  }

  protected override ended(): Pulled<T> {
    this.#timer.clear();
    return super.ended();
  }

  protected override failed(error: unknown): Pulled<T> {
    this.#timer.clear();
    return super.failed(error);
  }

  protected override close(reason: unknown): Promise<void> {
    this.#timer.clear();
    return super.close(reason);
  }

  #timeUp(): void {
    this.isOver = true;
    const error = timeoutError(
      `The next element did not come within ${this.#duration} ms. The source was closed.`,
    );
    // As an abort: what is late, a source or a function, is not waited for.
    this.closing.begin(this.#upstream.abort(error));
  }
}

/** See AsyncStream.timeout. */
export function timeout<T>(limit: number): ReadingOperator<T, T> {
  duration("limit", limit);
  return (plan) => new Timing(plan.iterate(), limit);
}
