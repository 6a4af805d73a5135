/**
 * Measures what a runner promises, from its observer.
 *
 * @module
 */
import { type TaskInfo, type TaskObserver, TaskPriority } from "../../mod.ts";

/** Counts slots in use, and tasks that started although a CRITICAL one was waiting. */
export class Gauge implements TaskObserver {
  /** The most slots that were in use at a time. */
  peak = 0;
  /** Tasks below CRITICAL that started while a CRITICAL one waited. */
  wrongStarts = 0;
  /** Tasks that have started, by name. */
  readonly starts = new Map<string, number>();
  readonly #urgent = new Set<string>();
  readonly #running = new Map<string, TaskInfo>();

  queued(task: TaskInfo): void {
    if (task.priority === TaskPriority.CRITICAL) this.#urgent.add(task.id);
  }

  started(task: TaskInfo): void {
    this.#urgent.delete(task.id);
    this.#running.set(task.id, task);
    this.starts.set(task.name, (this.starts.get(task.name) ?? 0) + 1);
    this.peak = Math.max(this.peak, this.inUse);
    // A child runs in the slot that its parent lends it: it takes none from anybody.
    const takesSlot = task.parentId === undefined;
    if (takesSlot && task.priority !== TaskPriority.CRITICAL) {
      if (this.#urgent.size > 0) this.wrongStarts++;
    }
  }

  settled(task: TaskInfo): void {
    this.#urgent.delete(task.id); // cancelled before it started
  }

  ended(task: TaskInfo): void {
    this.#running.delete(task.id);
  }

  /** Slots in use now. A task that awaits its children lends them its slot. */
  get inUse(): number {
    const lending = new Set<string | undefined>();
    for (const { parentId } of this.#running.values()) lending.add(parentId);
    let slots = 0;
    for (const { id, weight } of this.#running.values()) {
      if (!lending.has(id)) slots += weight;
    }
    return slots;
  }
}
