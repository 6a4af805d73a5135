/**
 * Small tasks that tests of the runner are made of.
 *
 * @module
 */
import { macrotask } from "../../_internal/macrotask.ts";
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

/**
 * Lets everything happen that can happen now, without real or fake time. A scheduler that has kept
 * the thread busy for some milliseconds lets the event loop turn before it starts more, so it turns.
 */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await flush(50);
    await macrotask();
  }
}

/** Passes so many turns of the microtask queue. */
export async function flush(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
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
