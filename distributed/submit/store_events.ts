/**
 * What the engine tells of the tasks of this process, out of all that it tells of the queue.
 *
 * @module
 */
import type { EngineListener, Outcome } from "../engine.ts";
import {
  isUnsettled,
  type OpenTask,
  type OpenTasks,
  ownCopy,
} from "./open_tasks.ts";
import { decode } from "../serialize/decode.ts";
import type { Encoded } from "../serialize/kinds.ts";
import type { Settler } from "./settler.ts";

/** What is done with what the engine tells. */
export interface StoreEventsOptions {
  readonly open: OpenTasks;
  readonly settler: Settler;
  readonly ended: (task: OpenTask, outcome: Outcome) => void;
  readonly gone: (task: OpenTask) => void;
  /** Events may have been missed. */
  readonly reconnected: () => void;
}

/** Hears of everything, and passes on what is ours. */
export class StoreEvents implements EngineListener {
  // Invariant: an event of a task that is not open here changes nothing; one of its end changes
  // nothing either while a handle that was attached asks the store, since it may be older than
  // the task that the handle is about.
  /** How often a worker was lost with a task that is ours. */
  lostCount = 0;
  readonly #options: StoreEventsOptions;

  constructor(options: StoreEventsOptions) {
    this.#options = options;
  }

  started(id: string): void {
    const { open, settler } = this.#options;
    for (const handle of open.get(id)?.handles ?? []) settler.started(handle);
  }

  ended(id: string, outcome: Outcome): void {
    const task = this.#heardOf(id);
    if (task !== undefined) this.#options.ended(task, outcome);
  }

  removed(id: string): void {
    const task = this.#heardOf(id);
    if (task !== undefined) this.#options.gone(task);
  }

  /** The task that an event tells of, unless the event may be older than the handle. */
  #heardOf(id: string): OpenTask | undefined {
    const task = this.#options.open.get(id);
    return task?.handles[0]?.isAsking ? undefined : task;
  }

  progressed(id: string, value: Encoded): void {
    const task = this.#options.open.get(id);
    if (task === undefined) return;
    for (const handle of task.handles) {
      if (handle.onProgress === undefined || !isUnsettled(handle)) continue;
      try {
        handle.onProgress(decode(ownCopy(value, task)));
      } catch (error) {
        // As everywhere: a listener that throws changes nothing, and is not silent.
        console.error(`onProgress of task ${handle.name} threw:`, error);
      }
    }
  }

  lost(id: string): void {
    if (this.#options.open.get(id) !== undefined) this.lostCount++;
  }

  reconnected(): void {
    this.#options.reconnected();
  }
}
