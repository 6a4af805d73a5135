/**
 * The vocabulary of the engine: what operators, origins and sources are.
 *
 * @module
 */
import type { AnyIterator, Wait } from "../../_internal/iterators.ts";

export type { Wait };

/** A function of an element and its index. Its promise is awaited. */
export type Mapper<T, U> = (value: T, index: number) => U | PromiseLike<U>;

/** A test of an element. Its promise is awaited. */
export type Predicate<T> = (value: T, index: number) => unknown;

/**
 * Takes one element. It passes on at most one element before it returns (or before the thenable
 * that it returns settles); whatever makes more of one enters a frame (see `RunAccess`).
 */
export type Push<T> = (value: T) => Wait;

/** What an operator or an origin may ask of the run that it is part of. */
export interface RunAccess {
  /** No more elements for the operator at `level` and those above it. */
  stop(level: number): void;
  /** Whether an element that arrives late at `level` has nobody to go to. */
  isStopped(level: number): boolean;
  /** Called when no further element comes to `level`; may push, and return a thenable. */
  onFlush(level: number, flush: () => Wait): void;
  /** Called when something above `level` failed, before the failure is passed on. */
  onFailure(level: number, hook: () => Wait): void;
  /** The run fails with the signal's reason as soon as it aborts. */
  abortOn(signal: AbortSignal): void;
  /** Pushes what a source has before anything else is taken from above. */
  enter<K extends keyof SourceOfKind>(
    kind: K,
    level: number,
    push: Push<never>,
    source: SourceOfKind[K],
  ): void;
}

/** An array, its promises awaited. */
export const ARRAY = 0;
/** A synchronous iterator, its promises awaited. */
export const SYNC = 1;
/** An asynchronous iterator. */
export const ASYNC = 2;
/** An iterator of ours. */
export const PULL = 3;
/** A source of batches. */
export const BATCH = 4;

/** What a run can enter, by its kind. */
export interface SourceOfKind {
  [ARRAY]: readonly unknown[];
  [SYNC]: Iterator<unknown>;
  [ASYNC]: AnyIterator<unknown>;
  [PULL]: PullableIterator<unknown>;
  [BATCH]: BatchSource<unknown>;
}

/** An operator: from the next one's push to its own. `level` is its place in the chain. */
export type Operator<T, U> = (
  next: Push<U>,
  run: RunAccess,
  level: number,
) => Push<T>;

/** Where the elements of a stream come from. */
export interface Origin<T> {
  /** Enters the frame that delivers the elements to `push`. A thenable: not ready yet. */
  open(run: RunAccess, level: number, push: Push<T>): Wait;
  /** Closes what was never opened. */
  discard(reason: unknown): Wait;
  /** Whether each opening reads from the beginning. */
  readonly isRepeatable: boolean;
}

/** An iterator of ours: `pull` is a `next` that costs no promise when the element is there. */
export interface PullableIterator<T> extends AnyIterator<T> {
  /** The next element now, or a promise of it. Throws a failure. */
  pull(): IteratorResult<T> | PromiseLike<IteratorResult<T>>;
}

/**
 * A source that delivers its elements many at a time, which costs a fraction of one at a time.
 * The elements still come out one by one.
 */
export interface BatchSource<T> {
  /** The next elements, or a promise of them; `undefined` at the end. May be empty. */
  pull():
    | readonly T[]
    | undefined
    | PromiseLike<readonly T[] | undefined>;
  /** Called once when the reading stops before the end. Not called after the end or a failure. */
  close?(reason?: unknown): unknown;
  /**
   * True: `close` may be called while a `pull` is pending, which it ends. Otherwise it is called
   * when that `pull` has settled, and nobody waits for it. @default {false}
   */
  readonly closesWhilePending?: boolean;
}
