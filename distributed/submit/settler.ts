/**
 * What becomes of the handles of this process: it settles them, counts how they ended, and tells
 * the observer of each step. Where a task is, or whether others wait for it, it does not know.
 *
 * @module
 */
import type { TaskObserver, TaskState } from "@specify/async-core/runner";
import { type ClusterHandle, settle } from "../cluster_handle.ts";
import { tell } from "./observe.ts";
import { isUnsettled } from "./open_tasks.ts";

/** Settles handles. */
export class Settler {
  // Invariant: a handle is settled once, by whatever comes first, and counted in `ends` then; it
  // may be settled long before it has ended where it runs, never after.
  /** Tasks by how they ended, as the handles say. */
  readonly ends = { succeeded: 0, failed: 0, cancelled: 0 };
  readonly #observer: TaskObserver | undefined;

  constructor(observer: TaskObserver | undefined) {
    this.#observer = observer;
  }

  /** It was submitted. */
  queued(handle: ClusterHandle<unknown>): void {
    if (this.#observer !== undefined) tell(this.#observer, "queued", handle);
  }

  /** It runs, as far as it is not settled here. */
  started(handle: ClusterHandle<unknown>): void {
    if (handle.state !== "queued") return;
    handle.state = "running";
    if (this.#observer !== undefined) tell(this.#observer, "started", handle);
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
    if (this.#observer !== undefined) {
      const reason = state === "succeeded" ? undefined : value;
      tell(this.#observer, "settled", handle, reason);
    }
  }

  /** It has ended where it ran, or never will run. */
  ended(handle: ClusterHandle<unknown>): void {
    handle.hasEnded = true;
    if (this.#observer !== undefined) tell(this.#observer, "ended", handle);
    handle.onEnded?.();
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
