/**
 * How tasks end for this process: their handles are settled with what the store says, they are
 * open no more, and their records are removed from the store.
 *
 *     open ──outcome──────────────▶ settled with it ─────┐
 *       ├──removed, or not found──▶ cancelled, or failed ┼──▶ ended ──▶ record removed
 *       └──given up──cancelled in the store──────────────┘       └──▶ what waited for its id begins
 *
 * A task that was given up here may have ended in that very moment: its record is removed first,
 * so that there is one outcome.
 *
 * @module
 */
import { abortError } from "@specify/async-core/host";
import type { TaskState } from "@specify/async-core/runner";
import type { Cancels } from "./cancels.ts";
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Engine, Outcome } from "../engine.ts";
import {
  isGivenUp,
  isUnsettled,
  type OpenTask,
  type OpenTasks,
  ownCopy,
} from "./open_tasks.ts";
import { readLate, readOutcome } from "../outcome.ts";
import type { Parcel } from "./parcel.ts";
import type { Settler } from "./settler.ts";
import { EVENT_WITHIN, type StoreCheck } from "./store_check.ts";
import { within } from "./within.ts";

/** How long the store may take to answer at the end. */
const ANSWER_WITHIN = 2000;

/** How long ended tasks are collected before their records are removed. */
const FORGET_AFTER = 100;

/** What endings are made with. */
export interface EndingsOptions {
  readonly engine: Engine;
  readonly open: OpenTasks;
  readonly check: StoreCheck;
  readonly cancels: Cancels;
  readonly settler: Settler;
  /** Records of tasks stay when their outcome has been read. */
  readonly isKept: boolean;
  /** A submit waited for its id, which is free now. */
  readonly begin: (parcel: Parcel) => void;
  /** A task is open no more, and what waited for its id has begun. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
}

/** Ends tasks. */
export class Endings {
  // Invariant: a task leaves `open` here and nowhere else, once; whoever is told of its end twice,
  // or late, finds another task or none under its id. Ids of ended tasks go to the forgetter only
  // after the store has confirmed their adding: an add that is sent again would otherwise make the
  // task anew.
  readonly #options: EndingsOptions;
  readonly #forgetter: Forgetter;

  constructor(options: EndingsOptions) {
    this.#options = options;
    this.#forgetter = new Forgetter(options.engine, options.failed);
  }

  /** The store says how it ended. */
  learn(task: OpenTask, outcome: Outcome): void {
    const { engine, settler, failed } = this.#options;
    for (const handle of task.handles) {
      if (!isUnsettled(handle)) handle.thrown = readLate(outcome, handle.name);
    }
    if (
      isGivenUp(task) &&
      (outcome.succeeded || task.handles.some(({ isShared }) => isShared))
    ) {
      // It ended in the moment in which it was given up here: its record must not say otherwise
      // than the handles, and its id is free again.
      engine.forget([task.id]).catch(failed).then(() => this.gone(task));
      return;
    }
    for (const handle of task.handles) {
      if (!isUnsettled(handle)) continue;
      const { state, value } = readOutcome(
        ownCopy(outcome, task),
        handle.name,
        task.id,
      );
      settler.settle(handle, state, value);
    }
    this.ended(task);
  }

  /** The answer to our own cancel. */
  removedByUs(task: OpenTask): void {
    if (!task.handles.some(({ isShared }) => isShared)) return this.gone(task);
    // The event of it is on its way, and must not meet the next task of this id.
    task.removal ??= setTimeout(() => this.gone(task), EVENT_WITHIN);
  }

  /** The store has the task no more. A handle that was attached meanwhile hears of it too. */
  gone(task: OpenTask): void {
    // Ended in another way meanwhile, and perhaps attached to anew.
    if (this.#options.open.get(task.id) !== task) return;
    this.#end(task, (handle) => [
      "cancelled",
      abortError(
        `Task ${handle.name} (${task.id}) was taken out of the queue: by another process that ` +
          `has a handle on it, or by hand`,
      ),
    ]);
  }

  /** The store does not know it, and nothing tells of its end. */
  missing(task: OpenTask, error: Error): void {
    this.#end(task, () => ["failed", error]);
  }

  #end(
    task: OpenTask,
    outcomeOf: (handle: ClusterHandle<unknown>) => [TaskState, unknown],
  ): void {
    const { settler } = this.#options;
    for (const handle of task.handles) {
      if (isUnsettled(handle)) settler.settle(handle, ...outcomeOf(handle));
    }
    this.ended(task);
  }

  /** The task has ended where it ran, or never will run; its handles are settled. */
  ended(task: OpenTask): void {
    if (this.#options.open.get(task.id) !== task) return;
    this.#out(task);
    for (const handle of task.handles) this.forget(handle);
  }

  #out(task: OpenTask): void {
    const { open, check, cancels, settler, begin, changed } = this.#options;
    open.delete(task.id);
    clearTimeout(task.removal);
    cancels.over(task);
    check.notMissing(task);
    for (const handle of task.handles) settler.ended(handle);
    for (const parcel of task.next) {
      // The id is free for those that waited for it; before anybody hears that nothing is open.
      if (isUnsettled(parcel.handle)) begin(parcel);
      else settler.ended(parcel.handle);
    }
    changed();
  }

  /** Removes the record of a task that has ended, if it is there and nobody else may want it. */
  forget(handle: ClusterHandle<unknown>): void {
    if (!handle.isStored || handle.isShared || this.#options.isKept) return;
    this.#forgetter.add(handle.id);
  }

  /** Settles what is open as failed with `error`, and removes what is left to be removed. */
  async close(error: Error): Promise<void> {
    const { engine, open, settler } = this.#options;
    for (const handle of open.handles()) {
      settler.settle(handle, "failed", error);
    }
    // They have not ended in the store: their records stay.
    for (const task of [...open]) this.#out(task);
    const isThere = engine.trouble === undefined;
    await within(this.#forgetter.close(isThere), ANSWER_WITHIN);
  }
}

/** Collects ids and removes their records. */
export class Forgetter {
  // Invariant: the timer runs exactly while there are ids, which there are none of after `close`:
  // the answer to an adding may come later, and the record of what has not ended must stay.
  readonly #engine: Engine;
  readonly #failed: (error: unknown) => void;
  #ids: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(engine: Engine, failed: (error: unknown) => void) {
    this.#engine = engine;
    this.#failed = failed;
  }

  add(id: string): void {
    if (this.#isClosed) return;
    this.#ids.push(id);
    this.#timer ??= setTimeout(() => this.flush(), FORGET_AFTER);
  }

  /** Removes what was collected. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ids = this.#ids;
    this.#ids = [];
    if (ids.length === 0) return;
    try {
      await this.#engine.forget(ids);
    } catch (error) {
      // Their age removes them in the end.
      this.#failed(error);
    }
  }

  /** Takes no more, and removes what it has if there is somebody to tell. Never rejects. */
  async close(isThere: boolean): Promise<void> {
    this.#isClosed = true;
    if (!isThere) this.#ids = [];
    await this.flush();
  }
}
