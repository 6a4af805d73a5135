/**
 * From a source of batches to the stream that callers get.
 *
 * @module
 */

/** Delivers elements many at a time. */
export interface BatchSource<T> {
  /** The next elements, or a promise of them; `undefined` at the end. May be empty. */
  pull():
    | readonly T[]
    | undefined
    | PromiseLike<readonly T[] | undefined>;
  /** Called once when the reading stops before the end. Not called after the end or a failure. */
  close?(reason?: unknown): unknown;
}

/** A stream over what `open` makes, anew for each iteration. */
export function streamOf<T>(open: () => BatchSource<T>): AsyncIterable<T> {
  return {
    async *[Symbol.asyncIterator]() {
      const source = open();
      let isEnded = true;
      try {
        for (;;) {
          const batch = await source.pull();
          if (batch === undefined) break;
          isEnded = false;
          yield* batch;
          isEnded = true;
        }
      } finally {
        if (!isEnded) await source.close?.();
      }
    },
  };
}
