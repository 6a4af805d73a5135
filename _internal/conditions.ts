/**
 * Waiting for a scheduler to become idle, empty or short enough.
 *
 * @module
 */
import { checkSignal } from "./validate.ts";
import { WaitingLine } from "./waiting_line.ts";

interface Condition {
  readonly holds: () => boolean;
  readonly line: WaitingLine;
}

/** Promises that resolve when a condition holds. The owner calls `check` after each change. */
export class Conditions {
  // Invariant: a condition is in the map exactly while somebody waits for it, and was false when
  // last checked.
  readonly #conditions = new Map<unknown, Condition>();

  /** Whether anybody waits: look at it before calling `check`, it is free. */
  get hasWaiters(): boolean {
    return this.#conditions.size > 0;
  }

  /**
   * Resolves at once when the condition holds already, otherwise at the check where it does. Those
   * who give the same `key` wait for the same condition: a check asks once for all of them.
   */
  wait(
    holds: () => boolean,
    signal?: AbortSignal | undefined,
    key: unknown = holds,
  ): Promise<void> {
    if (signal !== undefined) checkSignal("signal", signal);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (holds()) return Promise.resolve();
    let condition = this.#conditions.get(key);
    if (condition === undefined) {
      const line = new WaitingLine(() => {
        if (line.size === 0) this.#conditions.delete(key);
      });
      condition = { holds, line };
      this.#conditions.set(key, condition);
    }
    return condition.line.wait(undefined, signal);
  }

  /** Resolves the waiters whose condition holds now. */
  check(): void {
    for (const [key, { holds, line }] of this.#conditions) {
      if (!holds()) continue;
      this.#conditions.delete(key);
      while (line.first) line.first.resolve();
    }
  }
}
