/**
 * Waiting until a time, or until something is heard.
 *
 * @module
 */
import { timers } from "../_internal/timer_queue.ts";

/** Waits of one loop: one at a time. */
export class Wakeable {
  #wake: (() => void) | undefined;

  /** Ends the wait, if there is one. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves at `due`, on the `performance.now()` line, or when it is woken. */
  until(due: number): Promise<void> {
    return new Promise((resolve) => {
      const entry = due === Infinity
        ? undefined
        : timers.add(due, { timeUp: () => this.wake() });
      this.#wake = () => {
        this.#wake = undefined;
        if (entry !== undefined) timers.remove(entry);
        resolve();
      };
    });
  }
}
