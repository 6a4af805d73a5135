/**
 * What our iterators have in common: `next` on top of `pull`; and, for those around another one,
 * looking at what each read brings, and a closing that happens once and that every `return()`
 * waits for.
 *
 * @module
 */
import {
  type AnyIterator,
  closesWhilePending,
  DONE,
  nextOf,
} from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { Closing } from "../../_internal/upstream.ts";
import type { PullableIterator } from "./types.ts";

/** What `pull` answers: an element or the end, or a promise of them. */
export type Pulled<T> = IteratorResult<T> | PromiseLike<IteratorResult<T>>;

/** Nothing to read, and nothing to close. */
export const NOTHING: AnyIterator<never> = { next: () => DONE };

// Invariant: `isOver` is set once, by the end or the failure of what is read, by return(), or by a
// subclass that has had enough; after it `pull` says done, and neither `ended` nor `failed` is
// called. `close` is called by the return() that set it, and by no other.
/** An iterator of ours around another one: what it does at the end, at a failure and in between. */
export abstract class Wrapped<T> implements PullableIterator<T> {
  readonly [closesWhilePending] = true;
  /** What is read. Ours, so that it can be closed while a read is pending. */
  protected inner: AnyIterator<T>;
  protected isOver = false;
  protected readonly closing = new Closing();

  constructor(inner: AnyIterator<T>) {
    this.inner = inner;
  }

  /** Asks for the next element. */
  protected read(): Pulled<T> {
    const { inner } = this;
    return inner.pull === undefined ? inner.next() : inner.pull();
  }

  /** An element that had to be waited for is there. */
  protected arrived(): void {}

  /** What is read has ended. */
  protected ended(): Pulled<T> {
    return DONE;
  }

  /** What is read has failed. */
  protected failed(error: unknown): Pulled<T> {
    this.isOver = true;
    throw error;
  }

  /** Stops reading and closes what is read. */
  protected async close(reason: unknown): Promise<void> {
    await this.inner.return?.(reason);
  }

  next(): Promise<IteratorResult<T>> {
    return nextOf(this);
  }

  pull(): Pulled<T> {
    if (this.isOver) return DONE;
    let result;
    try {
      result = this.read();
    } catch (error) {
      return this.#rejected(error);
    }
    if (isThenable(result)) return result.then(this.#settled, this.#rejected);
    return result.done ? this.#end() : result;
  }

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    if (this.isOver) await this.closing.ended;
    else {
      this.isOver = true;
      await this.closing.begin(this.close(reason));
    }
    return DONE;
  }

  readonly #settled = (result: IteratorResult<T>): Pulled<T> => {
    if (result.done) return this.#end();
    this.arrived();
    return result;
  };

  #end(): Pulled<T> {
    if (this.isOver) return DONE;
    this.isOver = true;
    return this.ended();
  }

  readonly #rejected = (error: unknown): Pulled<T> => {
    // Passed on, though it comes after the stop: who reads this knows where to tell of it.
    if (this.isOver) throw error;
    return this.failed(error);
  };
}
