/**
 * The tasks of this process that have not ended where they run, by id.
 *
 * @module
 */
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Parcel } from "./parcel.ts";

/** One task, and who waits for it here. */
export interface OpenTask {
  readonly id: string;
  /** In the order in which they were made; never empty. */
  readonly handles: ClusterHandle<unknown>[];
  /** Submits of the same id that wait until this task, which was given up, is out of the way. */
  readonly next: Parcel[];
  /** Set while it is out of the store by our doing, and the event that says so has not come. */
  removal: ReturnType<typeof setTimeout> | undefined;
}

/** Whether a handle has no outcome yet. */
export function isUnsettled(handle: ClusterHandle<unknown>): boolean {
  return handle.state === "queued" || handle.state === "running";
}

/** Whether nobody here waits for a task any more: it was cancelled, or its time is up. */
export function isGivenUp(task: OpenTask): boolean {
  return !task.handles.some(isUnsettled);
}

/** What one handle of a task decodes: that works in place, so each of several has its own. */
export function ownCopy<T>(value: T, { handles }: OpenTask): T {
  return handles.length === 1 ? value : structuredClone(value);
}

/** The tasks. */
export class OpenTasks {
  // Invariant: a handle is in the task of its id here exactly until `hasEnded`, settled or not;
  // or its parcel is in that task's `next`.
  readonly #tasks = new Map<string, OpenTask>();

  /** How many tasks there are. */
  get size(): number {
    return this.#tasks.size;
  }

  get(id: string): OpenTask | undefined {
    return this.#tasks.get(id);
  }

  [Symbol.iterator](): IterableIterator<OpenTask> {
    return this.#tasks.values();
  }

  /** The task that a handle belongs to; none while it waits in some task's `next`. */
  taskOf(handle: ClusterHandle<unknown>): OpenTask | undefined {
    const task = this.#tasks.get(handle.id);
    return task?.handles.includes(handle) ? task : undefined;
  }

  /** Adds a handle to the task of its id. */
  add(handle: ClusterHandle<unknown>): void {
    const task = this.#tasks.get(handle.id);
    if (task !== undefined) task.handles.push(handle);
    else {
      this.#tasks.set(handle.id, {
        id: handle.id,
        handles: [handle],
        next: [],
        removal: undefined,
      });
    }
  }

  /** Takes a task out. */
  delete(id: string): void {
    this.#tasks.delete(id);
  }

  /** All handles, in the order of their tasks. */
  handles(): ClusterHandle<unknown>[] {
    return [...this].flatMap(({ handles, next }) => [
      ...handles,
      ...next.map(({ handle }) => handle),
    ]);
  }
}
