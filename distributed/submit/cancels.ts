/**
 * Cancels on their way: the store is told, and asked again until the task is out of it.
 *
 * @module
 */
import type { Engine } from "../engine.ts";
import type { OpenTask } from "./open_tasks.ts";

/** How often a worker is told again of a cancel that it has not obeyed: it may have been lost. */
const AGAIN = 1000;

/** One cancel on its way. */
interface Cancel {
  /** The adding of the task was refused, so that it is hardly there. */
  readonly isUncertain: boolean;
  /** The store was told and has not answered: to tell it again would only add to its work. */
  isTold: boolean;
}

/** Takes tasks out of the store. */
export class Cancels {
  // Invariant: #tasks holds the tasks that were given up here while the store may still have
  // them; the timer runs exactly while there are any.
  readonly #engine: Engine;
  readonly #gone: (task: OpenTask) => void;
  readonly #failed: (error: unknown) => void;
  readonly #tasks = new Map<OpenTask, Cancel>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `gone` is told when the store has a task no more. */
  constructor(
    engine: Engine,
    gone: (task: OpenTask) => void,
    failed: (error: unknown) => void,
  ) {
    this.#engine = engine;
    this.#gone = gone;
    this.#failed = failed;
  }

  /**
   * Begins to take a task out. `isUncertain`: its adding was refused, so that it is hardly there.
   */
  begin(task: OpenTask, isUncertain = false): void {
    if (this.#tasks.has(task)) return;
    const cancel = { isUncertain, isTold: false };
    this.#tasks.set(task, cancel);
    this.#timer ??= setInterval(() => {
      if (this.#engine.trouble !== undefined) return;
      for (const [task, cancel] of this.#tasks) {
        if (!cancel.isTold) this.#tell(task, cancel);
      }
    }, AGAIN);
    this.#tell(task, cancel);
  }

  #tell(task: OpenTask, cancel: Cancel): void {
    cancel.isTold = true;
    this.#engine.cancel(task.id).then(
      (result) => {
        cancel.isTold = false;
        // The event of its end may overtake the answer: then nobody waits for that any more.
        if (result !== "told" && this.#tasks.has(task)) this.#gone(task);
      },
      (error) => {
        cancel.isTold = false;
        if (!this.#tasks.has(task)) return;
        // Refused as its adding was: there is nothing to take out.
        if (cancel.isUncertain && this.#engine.trouble === undefined) {
          this.#gone(task);
        } else this.#failed(error);
      },
    );
  }

  /** The task has ended. */
  over(task: OpenTask): void {
    if (this.#tasks.delete(task) && this.#tasks.size === 0) this.close();
  }

  close(): void {
    this.#tasks.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
