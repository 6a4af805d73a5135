/**
 * Giving up here: by a cancel, or because the time of a handle is up. The handle is settled at
 * once; when nobody here waits for its task any more, that is taken back, wherever it is.
 *
 *     waiting for its id ──▶ dropped, as if it had never been submitted
 *     in the outbox ───────▶ recalled, and ended
 *     on its way ──────────▶ cancelled as soon as it is stored (the sender sees to that)
 *     stored ──────────────▶ cancelled in the store
 *
 * @module
 */
import { timers } from "@specify/async-core/host";
import type { Cancels } from "./cancels.ts";
import { deadlineError } from "../clock.ts";
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Engine } from "../engine.ts";
import type { Endings } from "./task_endings.ts";
import { ClusterUnreachableError } from "../errors.ts";
import {
  isGivenUp,
  isUnsettled,
  type OpenTask,
  type OpenTasks,
} from "./open_tasks.ts";
import type { Sender } from "./sender.ts";
import type { Settler } from "./settler.ts";

/** What is needed to give up. */
export interface GivingUpOptions {
  readonly engine: Engine;
  readonly open: OpenTasks;
  readonly sender: Sender;
  readonly cancels: Cancels;
  readonly settler: Settler;
  readonly endings: Endings;
}

/** Gives up handles and takes tasks back. */
export class GivingUp {
  // Invariant: it keeps no state; timers are the handle's, which removes them as it settles. A task is taken back only when all of its handles are settled,
  // and is open until it has ended where it runs.
  readonly #options: GivingUpOptions;

  constructor(options: GivingUpOptions) {
    this.#options = options;
  }

  /** Gives a handle up at `deadline`, a point on the `performance.now()` line. */
  limitTo(handle: ClusterHandle<unknown>, deadline: number): void {
    handle.deadlineTimer = timers.add(deadline, {
      timeUp: () => this.#fail(handle, deadlineError(handle.name)),
    });
  }

  /** Gives a handle up when the store does not have its task after `sendTimeout` milliseconds. */
  limitSending(handle: ClusterHandle<unknown>, sendTimeout: number): void {
    const { engine } = this.#options;
    handle.sendTimer = timers.add(performance.now() + sendTimeout, {
      timeUp: () =>
        this.#fail(
          handle,
          new ClusterUnreachableError(
            engine.address,
            `The submit of task ${handle.name}`,
            engine.trouble ??
              new Error(`no answer within sendTimeout, ${sendTimeout} ms`),
          ),
        ),
    });
  }

  /** Cancels the task of a handle, for all who wait for it here. */
  cancel(handle: ClusterHandle<unknown>, reason: unknown): void {
    const { open, settler } = this.#options;
    if (!isUnsettled(handle)) return;
    const task = open.taskOf(handle);
    settler.settle(handle, "cancelled", reason);
    if (task === undefined) return this.#dropNext(handle);
    // One task, one outcome: all handles of it are cancelled.
    for (const one of task.handles) settler.settle(one, "cancelled", reason);
    this.#takeBack(task);
  }

  /** The time of one handle is up. The task goes on while others wait for it. */
  #fail(handle: ClusterHandle<unknown>, error: unknown): void {
    const { open, settler } = this.#options;
    if (!isUnsettled(handle)) return;
    const task = open.taskOf(handle);
    settler.settle(handle, "failed", error);
    if (task === undefined) this.#dropNext(handle);
    else if (isGivenUp(task)) this.#takeBack(task);
  }

  /** A handle that waits in some task's `next` is settled: its parcel never goes out. */
  #dropNext(handle: ClusterHandle<unknown>): void {
    const { open, settler } = this.#options;
    const next = open.get(handle.id)?.next;
    const place = next?.findIndex((parcel) => parcel.handle === handle) ?? -1;
    if (place >= 0) next?.splice(place, 1);
    settler.ended(handle);
  }

  #takeBack(task: OpenTask): void {
    const { sender, cancels, endings } = this.#options;
    if (sender.recall(task)) return endings.ended(task);
    // While it is being sent, the sender comes back to it.
    if (task.handles.some(({ isStored }) => isStored)) cancels.begin(task);
  }
}
