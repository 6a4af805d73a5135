/**
 * The vocabulary of the engine: what operators, origins and sources are.
 *
 * @module
 */
import type { AnyIterator } from "../_internal/iterators.ts";
import type { Run } from "./engine.ts";

/** What a push returns: a thenable to wait for before the next element, or nothing. */
export type Wait = PromiseLike<unknown> | undefined;

/**
 * Takes one element. It passes on at most one element before it returns (or before the thenable
 * that it returns settles); whatever makes more of one enters a frame (see {@linkcode Run.enter}).
 */
export type Push<T> = (value: T) => Wait;

/** An operator: from the next one's push to its own. `level` is its place in the chain. */
export type Operator<T, U> = (
  next: Push<U>,
  run: Run,
  level: number,
) => Push<T>;

/** Where the elements of a stream come from. */
export interface Origin<T> {
  /** Enters the frame that delivers the elements to `push`. A thenable: not ready yet. */
  open(run: Run, level: number, push: Push<T>): Wait;
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
