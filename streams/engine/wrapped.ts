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

// Invariant: `isOver` is set once: by a subclass, at an end of its own, or by return(), which calls
// `close` only then.
/** An iterator of ours that is closed once, whatever is pending; every return() waits for that. */
export abstract class ClosedOnce<T> {
  readonly [closesWhilePending] = true;
  /** Whether it has ended, failed or been returned. */
  isOver = false;
  protected readonly closing = new Closing();

  /** Stops, for the sake of a consumer that leaves. */
  protected abstract close(reason: unknown): Promise<void>;

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    if (this.isOver) await this.closing.ended;
    else {
      this.isOver = true;
      await this.closing.begin(this.close(reason));
    }
    return DONE;
  }
}

/** Nothing to read, and nothing to close. */
export const NOTHING: AnyIterator<never> = { next: () => DONE };

// Invariant: the end or the failure of what is read sets `isOver`, too; after it `pull` says done,
// and neither `ended` nor `failed` is called.
/** An iterator of ours around another one: what it does at the end, at a failure and in between. */
export abstract class Wrapped<T> extends ClosedOnce<T>
  implements PullableIterator<T> {
  /** What is read. Ours, so that it can be closed while a read is pending. */
  protected inner: AnyIterator<T>;

  constructor(inner: AnyIterator<T>) {
    super();
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
  protected override async close(reason: unknown): Promise<void> {
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
