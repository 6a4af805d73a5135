/**
 * TransformStreams and stage functions as operators.
 *
 * @module
 */
import { report } from "../../_internal/errors.ts";
import {
  type AnyIterator,
  closesWhilePending,
  DONE,
} from "../../_internal/iterators.ts";
import type { PullableIterator } from "../engine.ts";
import type { Plan } from "../plan.ts";
import { openIterator, type StreamSource } from "../source.ts";
import { toReadable } from "../to_readable.ts";

/** A TransformStream, or anything with its two sides. */
export interface TransformPair<T, U> {
  /** Takes what goes in. */
  readonly writable: WritableStream<T>;
  /** Gives what comes out. */
  readonly readable: ReadableStream<U>;
}

/** Whether it has the two sides. */
export function isTransform(
  value: unknown,
): value is TransformPair<never, unknown> {
  return typeof value === "object" && value !== null &&
    "readable" in value && "writable" in value;
}

// Errors and cancels pass both ways by the rules of pipeTo. What is added here: closing waits
// until the piping has ended, and with it the source is closed.
/** The far side of a transform that the plan is piped into, from the first read on. */
class Piped<U> implements PullableIterator<U> {
  readonly [closesWhilePending] = true;
  readonly #plan: Plan<unknown>;
  readonly #transform: TransformPair<unknown, U>;
  /** Set by the first read, as is `piping`. */
  #iterator: AnyIterator<U> | undefined = undefined;
  #piping: Promise<unknown> | undefined = undefined;
  #isLeft = false;
  /** What the source's closing failed with when the stream was left. */
  #closeError: { error: unknown } | undefined = undefined;

  constructor(plan: Plan<unknown>, transform: TransformPair<unknown, U>) {
    this.#plan = plan;
    this.#transform = transform;
  }

  next(): Promise<IteratorResult<U>> {
    try {
      this.#iterator ??= this.#open();
    } catch (error) {
      return this.#refuse(error);
    }
    return this.#iterator.next() as Promise<IteratorResult<U>>;
  }

  #open(): AnyIterator<U> {
    const { readable, writable } = this.#transform;
    if (writable.locked) {
      throw new TypeError(
        "through() was given a transform whose writable side is locked: somebody else writes to it. " +
          "Give a function that returns a new one: through(() => new TransformStream()).",
      );
    }
    const iterator = openIterator<U>(readable);
    // A failure of the piping is also one of the readable side, which is read.
    this.#piping = toReadable(this.#plan, {}, this.#failedToClose)
      .pipeTo(writable).catch(() => {});
    return iterator;
  }

  readonly #failedToClose = (error: unknown): void => {
    if (this.#isLeft) this.#closeError = { error };
    else report("A stream's source failed to close", error);
  };

  /** Fails before anything was piped: the source is closed all the same. */
  async #refuse(error: unknown): Promise<never> {
    try {
      await this.#plan.origin.discard(error);
    } catch (second) {
      report("A stream's source failed to close", second);
    }
    throw error;
  }

  pull(): Promise<IteratorResult<U>> {
    return this.next();
  }

  ended(): void {
    this.#iterator?.ended?.();
  }

  async return(reason?: unknown): Promise<IteratorResult<U>> {
    this.#isLeft = true;
    if (this.#piping === undefined) {
      const { readable } = this.#transform;
      if (!readable.locked) await readable.cancel(reason);
      await this.#plan.origin.discard(reason);
    } else {
      await this.#iterator?.return?.(reason);
      await this.#piping;
      if (this.#closeError !== undefined) throw this.#closeError.error;
    }
    return DONE;
  }
}

/** See AsyncStream.through: piped at the first read. */
export function through<T, U>(
  plan: Plan<T>,
  transform: TransformPair<T, U>,
): PullableIterator<U> {
  return new Piped(
    plan as Plan<unknown>,
    transform as unknown as TransformPair<unknown, U>,
  );
}

/** What a function given to `through` returned, opened. */
export function openStage<T, U>(
  plan: Plan<T>,
  made: TransformPair<T, U> | StreamSource<U>,
): StreamSource<U> {
  return isTransform(made)
    ? {
      [Symbol.asyncIterator]: () =>
        through(plan, made) as unknown as AsyncIterator<U>,
    }
    : made as StreamSource<U>;
}
