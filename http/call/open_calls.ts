/**
 * The calls of a client that have not ended, and word of the last one's end.
 *
 * @module
 */
import { withResolvers } from "../../_internal/resolvers.ts";

/** A set that can be waited for. */
export class OpenCalls<T> {
  // Invariant: #empty is there exactly while somebody waits and #calls is not empty.
  readonly #calls = new Set<T>();
  #empty: PromiseWithResolvers<void> | undefined;

  /** How many there are. */
  get size(): number {
    return this.#calls.size;
  }

  /** One has begun. */
  add(call: T): void {
    this.#calls.add(call);
  }

  /** One has ended. */
  delete(call: T): void {
    this.#calls.delete(call);
    if (this.#empty === undefined || this.#calls.size > 0) return;
    this.#empty.resolve();
    this.#empty = undefined;
  }

  /** Resolves when there is none. */
  whenEmpty(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return (this.#empty ??= withResolvers()).promise;
  }

  /** Those of this moment; what ends meanwhile does not matter. */
  [Symbol.iterator](): IterableIterator<T> {
    return [...this.#calls].values();
  }
}
