/**
 * The chunks of a response, which can be closed while they wait: for the headers, or for a chunk
 * of a stream of events that never comes.
 *
 * @module
 */
import { closesWhilePending, DONE } from "../../_internal/iterators.ts";

/** An iterator over chunks. A generator alone would close only when the next chunk has come. */
export class ClosableChunks<T> implements AsyncIterableIterator<T> {
  /** Its `return()` does not wait for a `next()`, which is done then. */
  readonly [closesWhilePending] = true;
  readonly #chunks: AsyncGenerator<T, void, void>;
  readonly #abort: () => void;
  #isWaiting = false;
  #isBegun = false;
  #isClosed = false;

  /** `abort` ends the call behind `chunks`, so that a chunk which is waited for fails. */
  constructor(chunks: AsyncGenerator<T, void, void>, abort: () => void) {
    this.#chunks = chunks;
    this.#abort = abort;
  }

  /** The next chunk. */
  next(): Promise<IteratorResult<T, undefined>> {
    this.#isBegun = true;
    this.#isWaiting = true;
    return this.#chunks.next().then((result) => {
      this.#isWaiting = false;
      return result.done ? DONE : result;
    }, (error) => {
      this.#isWaiting = false;
      if (this.#isClosed) return DONE;
      throw error;
    });
  }

  /** No more chunks: the call ends. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#isClosed = true;
    // One that was never begun has nothing to run on its return.
    if (this.#isWaiting || !this.#isBegun) this.#abort();
    await this.#chunks.return();
    return DONE;
  }

  /** Itself: it is read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
