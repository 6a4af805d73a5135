/**
 * Small tasks that tests of the runner are made of.
 *
 * @module
 */
import type { TaskContext } from "../../runner/mod.ts";

/** A task that ends only when it is aborted, by throwing the reason. */
export function untilAborted({ signal }: TaskContext): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** Resolves when the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Lets the reactions that are pending now run, without real or fake time. */
export async function flush(rounds = 50): Promise<void> {
  for (let round = 0; round < rounds; round++) await undefined;
}

/** A promise of the error, or of `undefined` when there is none. */
export function errorOf(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(() => undefined, (error) => error);
}

/** Counts how many of its calls overlap. */
export class Gauge {
  now = 0;
  most = 0;
  total = 0;

  /** Wraps a function so that its calls are counted. */
  watch<A extends unknown[], R>(
    fn: (...args: A) => R | PromiseLike<R>,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      this.total++;
      this.most = Math.max(this.most, ++this.now);
      try {
        return await fn(...args);
      } finally {
        this.now--;
      }
    };
  }
}
