/**
 * What becomes of the handles of this process: it settles them, counts how they ended, and tells
 * the observer of each step. Where a task is, or whether others wait for it, it does not know.
 *
 * @module
 */
import {
  type Observers,
  type TaskEvent,
  tellLate,
} from "@specify/async-core/host";
import type { TaskInfo, TaskState } from "@specify/async-core/runner";
import { type ClusterHandle, end, settle } from "../cluster_handle.ts";
import { isUnsettled } from "./open_tasks.ts";

/** Settles handles. */
export class Settler {
  // Invariant: a handle is settled once, by whatever comes first, and counted in `ends` then; it
  // may be settled long before it has ended where it runs, never after.
  /** Tasks by how they ended, as the handles say. */
  readonly ends = { succeeded: 0, failed: 0, cancelled: 0 };
  readonly #observers: Observers | undefined;

  constructor(observers: Observers | undefined) {
    this.#observers = observers;
  }

  /** It was submitted. */
  queued(handle: ClusterHandle<unknown>): void {
    this.#tell("queued", handle);
  }

  /** It runs, as far as it is not settled here. */
  started(handle: ClusterHandle<unknown>): void {
    if (handle.state !== "queued") return;
    handle.state = "running";
    this.#tell("started", handle);
  }

  /** Settles a handle, unless it is settled. */
  settle(
    handle: ClusterHandle<unknown>,
    state: TaskState,
    value: unknown,
  ): void {
    if (!isUnsettled(handle)) return;
    if (state === "succeeded" || state === "failed" || state === "cancelled") {
      this.ends[state]++;
    }
    handle[settle](state, value);
    this.#tell("settled", handle, state === "succeeded" ? undefined : value);
  }

  /** It has ended where it ran, or never will run. */
  ended(handle: ClusterHandle<unknown>): void {
    const late = handle[end]();
    this.#tell("ended", handle, late?.error);
    if (late !== undefined) {
      tellLate("ended", handle.name, late.error, this.#observers);
    }
  }

  #tell(
    event: TaskEvent,
    handle: ClusterHandle<unknown>,
    reason?: unknown,
  ): void {
    this.#observers?.tell(event, infoOf(handle), reason);
  }

  /** Settles a handle that was not let in: of this no observer hears. */
  refuse<T>(
    handle: ClusterHandle<T>,
    state: "failed" | "cancelled",
    reason: unknown,
  ): ClusterHandle<T> {
    handle.hasEnded = true;
    this.ends[state]++;
    handle[settle](state, reason);
    return handle;
  }
}

/** A handle as observers and reports see its task. */
export function infoOf(handle: ClusterHandle<unknown>): TaskInfo {
  const { id, name, state, priority, weight, key } = handle;
  return { id, name, state, priority, weight, key, parentId: undefined };
}
