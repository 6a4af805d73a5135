/**
 * Telling an observer what happens to this process's tasks.
 *
 * @module
 */
import type { TaskInfo, TaskObserver } from "@specify/async-core/runner";
import type { ClusterHandle } from "../cluster_handle.ts";

/** A handle as observers and reports see its task. */
export function infoOf(handle: ClusterHandle<unknown>): TaskInfo {
  const { id, name, state, priority, weight, key } = handle;
  return { id, name, state, priority, weight, key, parentId: undefined };
}

/** Something has happened to a task; `reason` goes with `settled`. */
export function tell(
  observer: TaskObserver,
  event: "queued" | "started" | "settled" | "ended",
  handle: ClusterHandle<unknown>,
  reason?: unknown,
): void {
  try {
    observer[event]?.(infoOf(handle), reason);
  } catch (error) {
    // As on the local runner: what an observer throws changes nothing, and is not silent.
    console.error(`observer.${event} threw at task ${handle.name}:`, error);
  }
}
