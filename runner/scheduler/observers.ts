/**
 * Telling observers: several as one, and none that can do harm.
 *
 * @module
 */
import { report } from "../../_internal/errors.ts";
import type { TaskInfo, TaskObserver } from "../types.ts";

/** Tells each of several observers; what one throws is reported and changes nothing. */
export class Observers {
  readonly #observers: readonly TaskObserver[];

  constructor(observers: readonly TaskObserver[]) {
    this.#observers = observers;
  }

  /** Something has happened to `task`; `reason` goes with `settled`. */
  tell(
    event: "queued" | "started" | "settled" | "ended",
    task: TaskInfo,
    reason?: unknown,
  ): void {
    for (const observer of this.#observers) {
      try {
        observer[event]?.(task, reason);
      } catch (error) {
        report(`observer.${event} threw at task ${task.name}`, error);
      }
    }
  }
}
