/**
 * Telling observers: several as one, and none that can do harm.
 *
 * @module
 */
import { report } from "../../_internal/errors.ts";
import { reportLateTask } from "../../_internal/late_failure.ts";
import type { TaskInfo, TaskObserver } from "../types.ts";

/** What an observer is told of. */
export type TaskEvent = "queued" | "started" | "settled" | "ended";

/** Tells each of several observers; what one throws is reported and changes nothing. */
export class Observers {
  readonly #observers: readonly TaskObserver[];
  readonly #user: TaskObserver | undefined;

  /** `user`: the one that the user gave, beside those of our own. */
  constructor(own: readonly TaskObserver[], user: TaskObserver | undefined) {
    this.#observers = user === undefined ? own : [...own, user];
    this.#user = user;
  }

  /** Something has happened to `task`; `reason` goes with `settled` and `ended`. */
  tell(event: TaskEvent, task: TaskInfo, reason?: unknown): void {
    for (const observer of this.#observers) {
      try {
        observer[event]?.(task, reason);
      } catch (error) {
        report(`observer.${event} threw at task ${task.name}`, error);
      }
    }
  }

  /** Whether the user is told of such an event. */
  reachesUser(event: TaskEvent): boolean {
    return this.#user?.[event] !== undefined;
  }
}

/**
 * The task `name` has failed, and neither a promise nor a scope's AggregateError tells of that: it came too
 * late, or another failure came first. The user's observer has heard of it with `event`; without
 * one it is told here.
 */
export function tellLate(
  event: TaskEvent,
  name: string,
  error: unknown,
  observers: Observers | undefined,
): void {
  if (!observers?.reachesUser(event)) reportLateTask(name, error);
}
