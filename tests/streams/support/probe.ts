/**
 * Sources that count what is done to them, for the tests of closing and reading ahead.
 *
 * @module
 */

/** What a probed source was asked. */
export interface Probe {
  /** How often next() was called. */
  pulls: number;
  /** How often return() was called. */
  returns: number;
  /** Whether the last return() had settled. */
  isClosed: boolean;
}

/** How a probed source behaves. */
export interface ProbeOptions {
  /** How many elements: 0, 1, 2 … @default {Infinity} */
  length?: number;
  /** next() fails in place of this element, with `error`. */
  failAt?: number;
  error?: unknown;
  /** next() never settles in place of this element, until `wake` is called. */
  hangAt?: number;
  /** return() fails with this. */
  closeError?: unknown;
}

/** A synchronous iterator that counts. */
export function syncProbe(
  options: ProbeOptions = {},
): IterableIterator<number> & Probe {
  let index = 0;
  const { length = Infinity, failAt = -1 } = options;
  return {
    pulls: 0,
    returns: 0,
    isClosed: false,
    next() {
      this.pulls++;
      if (index === failAt) throw options.error;
      return index < length
        ? { done: false, value: index++ }
        : { done: true, value: undefined };
    },
    return() {
      this.returns++;
      this.isClosed = true;
      if ("closeError" in options) throw options.closeError;
      return { done: true, value: undefined };
    },
    [Symbol.iterator]() {
      return this;
    },
  };
}

/** An asynchronous iterator that counts. Its return() takes several microtasks. */
export function asyncProbe(
  options: ProbeOptions = {},
): AsyncIterableIterator<number> & Probe & { wake(): void } {
  let index = 0;
  const { length = Infinity, failAt = -1, hangAt = -1 } = options;
  const hanging = Promise.withResolvers<void>();
  return {
    pulls: 0,
    returns: 0,
    isClosed: false,
    wake: () => hanging.resolve(),
    async next() {
      this.pulls++;
      await null;
      if (index === hangAt) await hanging.promise;
      if (index === failAt) throw options.error;
      return index < length
        ? { done: false, value: index++ }
        : { done: true, value: undefined };
    },
    async return() {
      this.returns++;
      for (let round = 0; round < 5; round++) await null;
      this.isClosed = true;
      if ("closeError" in options) throw options.closeError;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Lets promise reactions run. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 50; round++) await null;
}

/** What a promise rejects with, whatever it is; fails when it resolves. */
export async function failureOf(
  promise: PromiseLike<unknown>,
): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("It was expected to reject.");
}

/** The line of a failure that comes after the stop. */
export const stopped = (error: string): string =>
  `A stream failed after it had been stopped: ${error}`;

/** The line of a source that fails to close where something else is told. */
export const unclosed = (error: string): string =>
  `A stream's source failed to close: ${error}`;

/** A promise that never settles. */
export function never<T = never>(): Promise<T> {
  return new Promise<T>(() => {});
}
