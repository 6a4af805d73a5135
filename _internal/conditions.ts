/**
 * Waiting for a scheduler to become idle, empty or short enough.
 *
 * @module
 */
import { onAbort } from "./abort.ts";
import { checkSignal } from "./validate.ts";

interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

/** Promises that resolve when a condition holds. The owner calls `check` after each change. */
export class Conditions {
  // Invariant: the conditions of all waiters were false when last checked; a settled waiter is
  // not in the set.
  readonly #waiters = new Set<Waiter>();

  /** Whether anybody waits: look at it before calling `check`, it is free. */
  get hasWaiters(): boolean {
    return this.#waiters.size > 0;
  }

  /** Resolves at once when the condition holds already, otherwise at the check where it does. */
  wait(
    holds: () => boolean,
    signal?: AbortSignal | undefined,
  ): Promise<void> {
    if (signal !== undefined) checkSignal("signal", signal);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const subscription = signal && onAbort(signal, (reason) => {
        this.#waiters.delete(waiter);
        reject(reason);
      });
      const waiter: Waiter = {
        holds,
        resolve: () => {
          subscription?.unsubscribe();
          resolve();
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Resolves the waiters whose condition holds now. */
  check(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.holds()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
