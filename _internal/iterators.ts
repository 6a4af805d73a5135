/**
 * Opening and closing iterators the way the language does, plus one mark: which of them may be
 * closed while their `next()` is pending.
 *
 * @module
 */

/**
 * An iterator that has this set to true answers `return()` at once even while a `next()` is
 * pending: that `next()` then settles as done. Foreign iterators give no such promise (an async
 * generator queues the `return()` behind the `next()`, which may hang for ever), so they are
 * closed only when they wake.
 */
export const closesWhilePending: unique symbol = Symbol("closesWhilePending");

/** What is needed of an iterator, synchronous or not. */
export interface AnyIterator<T> {
  /** The next element, or a promise of it. */
  next(): IteratorResult<T> | PromiseLike<IteratorResult<T>>;
  /** Ours only: `next` that costs no promise when the element is there. Throws a failure. */
  pull?(): IteratorResult<T> | PromiseLike<IteratorResult<T>>;
  /** Stops early. */
  return?(value?: unknown): unknown;
  /** Ours only: the iteration has ended or failed by itself, so there is nothing to close. */
  release?(): void;
  /** See {@linkcode closesWhilePending}. */
  readonly [closesWhilePending]?: boolean;
}

/** What is waited for before the next element, or nothing. */
export type Wait = PromiseLike<unknown> | undefined;

/** `iterator.next()`, made of its `pull()`. */
export function nextOf<T>(iterator: {
  pull(): IteratorResult<T> | PromiseLike<IteratorResult<T>>;
}): Promise<IteratorResult<T>> {
  try {
    const result = iterator.pull();
    return result instanceof Promise ? result : Promise.resolve(result);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The end of every iteration. One object: nobody may change what an iterator returned. */
export const DONE: IteratorReturnResult<undefined> = Object.freeze({
  done: true,
  value: undefined,
});

/** Whether `for await` would take it. */
export function isAsyncIterable(
  value: unknown,
): value is AsyncIterable<unknown> {
  return typeof (value as AsyncIterable<unknown> | null | undefined)?.[
    Symbol.asyncIterator
  ] === "function";
}

/** Whether `for` would take it. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Iterable<unknown> | null | undefined)?.[
    Symbol.iterator
  ] === "function";
}
