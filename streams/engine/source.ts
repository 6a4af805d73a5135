/**
 * What a stream can be made from, and how each kind is opened and closed.
 *
 * @module
 */
import {
  type AnyIterator,
  closesWhilePending,
  DONE,
  isAsyncIterable,
  isIterable,
  type Wait,
} from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
import {
  ARRAY,
  ASYNC,
  BATCH,
  type BatchSource,
  type Origin,
  PULL,
  type PullableIterator,
  type Push,
  type RunAccess,
  SYNC,
} from "./types.ts";
import { StreamConsumedError } from "../errors.ts";
import { numberNamed } from "../options.ts";
import { Plan, planOf } from "./plan.ts";
import type { PullIterator } from "./pull_iterator.ts";

/**
 * What a stream is made from: an iterable (promises in it are awaited), an async iterable, a
 * ReadableStream, an AsyncQueue, another stream, or a function that returns (a promise of) any
 * of them. Only a function, or a collection such as an array, can be read more than once.
 */
export type StreamSource<T> =
  | AsyncIterable<T>
  | Iterable<T | PromiseLike<T>>
  | ReadableStream<T>
  | (() => StreamSource<T> | PromiseLike<StreamSource<T>>);

/** Under this key something of ours (an AsyncQueue) opens an iterator that `pull`s. */
export const OPEN: unique symbol = Symbol("open");

/** What has its own way to be read. */
type Pullable<T> = StreamSource<T> & { [OPEN](): PullableIterator<T> };

const ONE_SHOT = "one-shot iterator";

/** The one-shot sources that have been read, so that no other stream reads them again. */
const consumed = new WeakSet<object>();

/** Claims a source that can be read only once. */
function claim(source: object, what: string): void {
  if (consumed.has(source)) throw new StreamConsumedError(what);
  consumed.add(source);
}

/** Enters the frame that delivers the elements of `source` to `push`. */
export function enterSource<T>(
  run: RunAccess,
  level: number,
  push: Push<T>,
  source: StreamSource<T>,
): Wait {
  if (Array.isArray(source)) {
    run.enter(ARRAY, level, push, source);
    return undefined;
  }
  const plan = planOf<T>(source);
  if (plan !== undefined) {
    if (plan.isBare) return (plan.origin as Origin<T>).open(run, level, push);
    run.enter(PULL, level, push, plan.iterate());
  } else if (isPullable(source)) {
    run.enter(PULL, level, push, source[OPEN]());
  } else if (isAsyncIterable(source)) {
    run.enter(ASYNC, level, push, iteratorOf(source));
  } else if (isIterable(source)) {
    const iterator = source[Symbol.iterator]();
    if (iterator as unknown === source) claim(source, ONE_SHOT);
    run.enter(SYNC, level, push, iterator);
  } else if (typeof source === "function") {
    const made = source();
    if (!isThenable(made)) return enterSource(run, level, push, made);
    return Promise.resolve(made as PromiseLike<StreamSource<T>>)
      .then((made) => enterSource(run, level, push, made));
  } else throw noSource(source);
  return undefined;
}

/** An iterator over `source` for an operator that reads by itself. */
export function openIterator<T>(source: StreamSource<T>): AnyIterator<T> {
  const plan = planOf<T>(source);
  if (plan !== undefined) return plan.iterate();
  if (isPullable(source)) return source[OPEN]();
  if (isAsyncIterable(source)) return iteratorOf(source);
  // The engine knows how to await promises in an iterable, and how to call a function.
  return iterateSource(source);
}

function isPullable<T>(source: StreamSource<T>): source is Pullable<T> {
  return typeof (source as Partial<Pullable<T>> | null | undefined)?.[OPEN] ===
    "function";
}

/** The iterator of a source that is asynchronous. */
function iteratorOf<T>(source: AsyncIterable<T>): AnyIterator<T> {
  if (source instanceof ReadableStream) return new ReaderIterator<T>(source);
  const iterator = source[Symbol.asyncIterator]();
  if (iterator as unknown === source) claim(source, ONE_SHOT);
  return iterator as AnyIterator<T>;
}

function noSource(source: unknown): TypeError {
  return new TypeError(
    `A stream's source must be an iterable, an async iterable, a ReadableStream or a function that returns one, got ${
      show(source)
    }`,
  );
}

/** The same, read by the engine: an iterator that can be closed while a read is pending. */
export function iterateSource<T>(source: StreamSource<T>): PullIterator<T> {
  return (planOf<T>(source) ?? Plan.of(new SourceOrigin(source))).iterate();
}

/** Closes a source that was never opened. A function is not even called. */
export function discardSource(
  source: StreamSource<unknown>,
  reason: unknown,
): Wait {
  if (Array.isArray(source) || typeof source === "function") return undefined;
  const plan = planOf(source);
  if (plan !== undefined) return plan.origin.discard(reason);
  if (isPullable(source)) return undefined;
  if (source instanceof ReadableStream) {
    if (source.locked || consumed.has(source)) return undefined;
    consumed.add(source);
    return source.cancel(reason);
  }
  const iterator = isAsyncIterable(source)
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
  // A collection has nothing to close; what was read elsewhere is not ours to close.
  if (iterator as unknown === source) {
    if (consumed.has(source)) return undefined;
    consumed.add(source);
  }
  const closed = iterator.return?.();
  return isThenable(closed) ? closed : undefined;
}

/** The origin of a source that a user gave. */
export class SourceOrigin<T> implements Origin<T> {
  readonly #source: StreamSource<T>;

  constructor(source: StreamSource<T>) {
    if (
      typeof source !== "function" && !isAsyncIterable(source) &&
      !isIterable(source) && !((source as unknown) instanceof ReadableStream)
    ) throw noSource(source);
    this.#source = source;
  }

  open(run: RunAccess, level: number, push: Push<T>): Wait {
    return enterSource(run, level, push, this.#source);
  }

  discard(reason: unknown): Wait {
    return discardSource(this.#source, reason);
  }

  get isRepeatable(): boolean {
    const source = this.#source as unknown;
    return typeof source === "function" || typeof source === "string" ||
      Array.isArray(source) || source instanceof Set || source instanceof Map ||
      ArrayBuffer.isView(source) ||
      planOf(source)?.origin.isRepeatable === true;
  }
}

/**
 * The origin of an operator that is an iterator of ours over another plan. `make` is called at
 * each opening and must not read before the first pull.
 */
export function iteratorOrigin<T>(
  make: () => PullableIterator<T>,
  isRepeatable: boolean,
): Origin<T> {
  return {
    isRepeatable,
    open(run, level, push) {
      run.enter(PULL, level, push, make());
      return undefined;
    },
    discard(reason) {
      const closed = make().return?.(reason);
      return isThenable(closed) ? closed : undefined;
    },
  };
}

/** The origin of a source that delivers many elements at a time. */
export function batchOrigin<T>(
  open: () => BatchSource<T> | PromiseLike<BatchSource<T>>,
): Origin<T> {
  return {
    isRepeatable: true,
    open(run, level, push) {
      const enter = (source: BatchSource<T>): undefined => {
        if (typeof source?.pull !== "function") {
          throw new TypeError(
            `fromBatches() needs a function that returns an object with a pull method, got ${
              show(source)
            }`,
          );
        }
        run.enter(BATCH, level, push, source);
      };
      const source = open();
      return isThenable(source)
        ? Promise.resolve(source as PromiseLike<BatchSource<T>>).then(enter)
        : enter(source);
    },
    discard: () => undefined,
  };
}

/** Reads a ReadableStream. Unlike its own iterator it can be cancelled while a read is pending. */
class ReaderIterator<T> implements AnyIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #reader: ReadableStreamDefaultReader<T>;

  constructor(stream: ReadableStream<T>) {
    if (stream.locked || consumed.has(stream)) {
      throw new StreamConsumedError("ReadableStream");
    }
    consumed.add(stream);
    this.#reader = stream.getReader();
  }

  next(): Promise<IteratorResult<T>> {
    return this.#reader.read() as Promise<IteratorResult<T>>;
  }

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    try {
      await this.#reader.cancel(reason);
    } finally {
      this.#reader.releaseLock();
    }
    return DONE;
  }

  /** The stream has ended or failed. */
  release(): void {
    this.#reader.releaseLock();
  }
}

/** The numbers from `start` up to `end`, a new iterator at each call. */
export function range(
  start: number,
  end: number,
  step: number,
): () => IterableIterator<number> {
  numberNamed("start", start);
  numberNamed("end", end, true);
  if (numberNamed("step", step) === 0) {
    throw new RangeError("step must not be 0, got 0");
  }
  return () => rangeIterator(start, end, step);
}

function rangeIterator(
  start: number,
  end: number,
  step: number,
): IterableIterator<number> {
  // Counted and multiplied, not added up: no rounding error grows.
  let index = 0;
  return {
    next(): IteratorResult<number> {
      const value = start + step * index;
      if (step > 0 ? value >= end : value <= end) {
        return { done: true, value: undefined };
      }
      index++;
      return { done: false, value };
    },
    [Symbol.iterator]() {
      return this;
    },
  };
}
