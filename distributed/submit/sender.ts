/**
 * Sends what was submitted to the store, many at a time.
 *
 *     parcel in the outbox ──sent──▶ on its way ──▶ stored, or refused and perhaps stored
 *        └──recalled: never sent        └──given up: cancelled as soon as it is stored
 *
 * @module
 */
import { timers } from "@specify/async-core/host";
import type { Cancels } from "./cancels.ts";
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Engine, KeepPolicy } from "../engine.ts";
import { SubmitRefusedError } from "../errors.ts";
import {
  isGivenUp,
  isUnsettled,
  type OpenTask,
  type OpenTasks,
} from "./open_tasks.ts";
import { Outbox } from "./outbox.ts";
import { jobOf, type Parcel } from "./parcel.ts";
import type { Settler } from "./settler.ts";
import type { StoreCheck } from "./store_check.ts";
import type { StoreLink } from "./store_link.ts";

/** What a sender is made with. */
export interface SenderOptions {
  readonly engine: Engine;
  readonly link: StoreLink;
  readonly open: OpenTasks;
  readonly check: StoreCheck;
  readonly cancels: Cancels;
  readonly settler: Settler;
  readonly keep: KeepPolicy | undefined;
  /** The store has confirmed a task whose outcome was read before. */
  readonly forget: (handle: ClusterHandle<unknown>) => void;
  readonly failed: (error: unknown) => void;
}

/** The way of tasks to the store. */
export class Sender {
  // Invariant: #parcels holds what is in the outbox or on its way, and nothing else. A handle gets
  // `isStored` when it leaves #parcels by having been sent; a task that was given up meanwhile is
  // cancelled then, since before there was nothing in the store to cancel.
  readonly #options: SenderOptions;
  readonly #parcels = new Map<ClusterHandle<unknown>, Parcel>();
  readonly #outbox = new Outbox<Parcel>((parcels) => this.#send(parcels));

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Sends it with the next round trip. */
  add(parcel: Parcel): void {
    this.#parcels.set(parcel.handle, parcel);
    this.#outbox.add(parcel);
  }

  /** Keeps what has not been sent of a task from being sent. Whether that was all of it. */
  recall(task: OpenTask): boolean {
    let isAll = true;
    for (const handle of task.handles) {
      const parcel = this.#parcels.get(handle);
      if (parcel !== undefined && this.#outbox.delete(parcel)) {
        this.#parcels.delete(handle);
      } else isAll = false;
    }
    return isAll;
  }

  /** The level of a handle has changed. */
  reprioritise(handle: ClusterHandle<unknown>): void {
    // Not sent yet: it goes out with the new level. Being sent: #send looks at the level again.
    if (!handle.isStored) return;
    const { engine, failed } = this.#options;
    engine.reprioritise(handle.id, handle.priority).catch(failed);
  }

  /** Never rejects. */
  async #send(parcels: Parcel[]): Promise<void> {
    const { engine, link, check, keep, forget, failed } = this.#options;
    try {
      await link.open();
      const { owner, toStoreTime } = link;
      await engine.add(parcels.map((parcel) => {
        parcel.sentPriority = parcel.handle.priority;
        return jobOf(parcel, toStoreTime, owner, keep);
      }));
    } catch (cause) {
      for (const { handle } of parcels) this.#notSent(handle, cause);
      return;
    }
    const shared: string[] = [];
    for (const { handle, sentPriority } of parcels) {
      this.#stored(handle);
      if (handle.hasEnded) {
        // Its outcome, or the end of the runner, overtook the answer to its adding.
        forget(handle);
        continue;
      }
      if (handle.priority !== sentPriority) this.reprioritise(handle);
      if (handle.isShared && isUnsettled(handle)) shared.push(handle.id);
    }
    // A task of the same id may have ended long ago: no event will tell.
    if (shared.length > 0) await check.look(shared).catch(failed);
  }

  /** The store has it now, or `isUncertain`: perhaps. */
  #stored(handle: ClusterHandle<unknown>, isUncertain = false): void {
    const { open, cancels } = this.#options;
    this.#parcels.delete(handle);
    handle.isStored = true;
    if (handle.sendTimer !== undefined) timers.remove(handle.sendTimer);
    const task = open.taskOf(handle);
    if (task !== undefined && isGivenUp(task)) {
      cancels.begin(task, isUncertain);
    }
  }

  #notSent(handle: ClusterHandle<unknown>, cause: unknown): void {
    const { engine, settler } = this.#options;
    if (isUnsettled(handle)) {
      settler.settle(
        handle,
        "failed",
        new SubmitRefusedError(handle.name, engine.address, cause),
      );
    }
    // Some of the batch may have got through all the same.
    this.#stored(handle, true);
  }
}
