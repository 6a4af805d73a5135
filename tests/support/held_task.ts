/**
 * A task that runs until the test lets it end.
 *
 * @module
 */
import { macrotask } from "../../_internal/macrotask.ts";
import type { TaskContext } from "../../runner/mod.ts";

/** `scheduler.submit(held.run)`, then `held.end(value)` or `held.fail(error)`. */
export class HeldTask<T = void> {
  /** The context of the last start; `undefined` before the first. */
  context: TaskContext | undefined;
  /** How often it was started. */
  starts = 0;
  readonly #done = Promise.withResolvers<T>();

  readonly run = (context: TaskContext): Promise<T> => {
    this.context = context;
    this.starts++;
    return this.#done.promise;
  };

  /** Lets it return `value`. */
  end(value: T): void {
    this.#done.resolve(value);
  }

  /** Lets it throw `error`. */
  fail(error: unknown): void {
    this.#done.promise.catch(() => {});
    this.#done.reject(error);
  }
}

/** The same promise, whose rejection is no unhandled one if the test looks at it later. */
export function watched<P extends Promise<unknown>>(promise: P): P {
  promise.catch(() => {});
  return promise;
}

/**
 * Lets everything that waits in the microtask queue run, and what was held back for a turn of the
 * event loop because the machine is busy; with `rounds`, only so many rounds of microtasks.
 */
export async function microtasks(rounds?: number): Promise<void> {
  for (let round = 0; round < (rounds ?? 20); round++) await undefined;
  if (rounds !== undefined) return;
  for (let turn = 0; turn < 3; turn++) {
    await macrotask();
    for (let round = 0; round < 20; round++) await undefined;
  }
}

/** What unhandled rejections `body` causes, awaited until the runtime would have told. */
export async function unhandledRejections(
  body: () => void | Promise<void>,
): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    reasons.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    await body();
    // They are told between two turns of the event loop.
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
  return reasons;
}
