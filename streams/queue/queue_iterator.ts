/**
 * An AsyncQueue as an iterator: each `next()` is a get that ends with the queue.
 *
 * @module
 */
import { closesWhilePending, DONE, nextOf } from "../../_internal/iterators.ts";
import type { PullableIterator } from "../engine/types.ts";
import { Waiter } from "../../_internal/waiting_line.ts";

/** What an iterator may do with its queue. */
export interface QueueReader<T> {
  /** An item or the end; undefined when neither is there. Throws the reason of an end. */
  take(): IteratorResult<T> | undefined;
  /** Puts `waiter` at the end of the line of gets. */
  wait(waiter: Waiter<T>): void;
  /** Whether the end is one with a reason. */
  hasReason(): boolean;
}

/** Reads a queue. Its own end, by return() or the queue's, is final. */
export class QueueIterator<T>
  implements PullableIterator<T>, AsyncIterableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #reader: QueueReader<T>;
  #isDone = false;
  /** The next() calls that wait. */
  readonly #waiting = new Set<Waiter<T>>();

  constructor(reader: QueueReader<T>) {
    this.#reader = reader;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    return nextOf(this);
  }

  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    if (this.#isDone) return DONE;
    let result;
    try {
      result = this.#reader.take();
    } catch (error) {
      this.#isDone = true;
      throw error;
    }
    if (result === undefined) return this.#wait();
    if (result.done) this.#isDone = true;
    return result;
  }

  return(): Promise<IteratorResult<T>> {
    this.#isDone = true;
    // Done already: they see the end, and no reason.
    for (const waiter of this.#waiting) waiter.reject(undefined);
    return Promise.resolve(DONE);
  }

  #wait(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<T> = new Waiter<T>(
        undefined,
        (value) => {
          this.#waiting.delete(waiter);
          resolve({ done: false, value: value as T });
        },
        (reason) => {
          this.#waiting.delete(waiter);
          const isFirst = !this.#isDone;
          this.#isDone = true;
          if (isFirst && this.#reader.hasReason()) reject(reason);
          else resolve(DONE);
        },
      );
      this.#waiting.add(waiter);
      this.#reader.wait(waiter);
    });
  }
}
