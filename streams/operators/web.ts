/**
 * TransformStreams and stage functions as operators.
 *
 * @module
 */
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
  readonly #writable: WritableStream<unknown>;
  readonly #iterator: AnyIterator<U>;
  #piping: Promise<unknown> | undefined = undefined;

  constructor(plan: Plan<unknown>, transform: TransformPair<unknown, U>) {
    this.#plan = plan;
    this.#writable = transform.writable;
    this.#iterator = openIterator<U>(transform.readable);
  }

  next(): Promise<IteratorResult<U>> {
    // A failure of the piping is also one of the readable side, which is read.
    this.#piping ??= toReadable(this.#plan).pipeTo(this.#writable)
      .catch(() => {});
    return this.#iterator.next() as Promise<IteratorResult<U>>;
  }

  pull(): Promise<IteratorResult<U>> {
    return this.next();
  }

  ended(): void {
    this.#iterator.ended?.();
  }

  async return(reason?: unknown): Promise<IteratorResult<U>> {
    await this.#iterator.return?.(reason);
    if (this.#piping === undefined) await this.#plan.origin.discard(reason);
    else await this.#piping;
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
