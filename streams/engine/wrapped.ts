/**
 * What the iterators of this folder have in common: `next` on top of `pull`, and a closing that
 * happens once and that every `return()` waits for.
 *
 * @module
 */
import { closesWhilePending, DONE } from "../../_internal/iterators.ts";
import type { PullableIterator } from "./types.ts";
import { Closing } from "../../_internal/upstream.ts";

/** What `pull` answers: an element or the end, or a promise of them. */
export type Pulled<T> = IteratorResult<T> | PromiseLike<IteratorResult<T>>;

/** `iterator.next()`, made of its `pull()`. */
export function nextOf<T>(
  iterator: PullableIterator<T>,
): Promise<IteratorResult<T>> {
  try {
    const result = iterator.pull();
    return result instanceof Promise ? result : Promise.resolve(result);
  } catch (error) {
    return Promise.reject(error);
  }
}

// Invariant: `isOver` is set once, by the end or a failure that the subclass sees, or by return();
// after it `pull` says done. `close` is called by the return() that set it, and by no other.
/** An iterator around another one. */
export abstract class Wrapped<T> implements PullableIterator<T> {
  readonly [closesWhilePending] = true;
  protected isOver = false;
  protected readonly closing = new Closing();

  /** See PullableIterator. */
  abstract pull(): Pulled<T>;
  /** Stops reading and closes what it reads. */
  protected abstract close(reason: unknown): Promise<void>;

  next(): Promise<IteratorResult<T>> {
    return nextOf(this);
  }

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    if (this.isOver) await this.closing.ended;
    else {
      this.isOver = true;
      await this.closing.begin(this.close(reason));
    }
    return DONE;
  }
}
