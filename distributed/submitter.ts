/**
 * What one process has submitted or attached to: sends tasks, hears of outcomes, and sees to it
 * that the store agrees with what the handles say.
 *
 * The handle of a task is settled by whatever comes first: its outcome, or a cancel, timeout or
 * abort here. When nobody here waits for a task any more, it is taken out of the store, or its
 * worker is told; should it have ended in that very moment, its record is removed, so that there
 * is one outcome.
 *
 *     parcel in the outbox ──sent──▶ stored ──event, or found by a check──▶ ended
 *        └──given up: never sent           └──given up: cancelled in the store ──▲
 *
 * @module
 */
import {
  DisposedError,
  type TaskObserver,
  type TaskPriority,
  type TaskState,
} from "@specify/async-core/runner";
import { Absence } from "./absence.ts";
import { AbortHub } from "./abort_hub.ts";
import type { Refusal } from "./admission.ts";
import { Cancels } from "./cancels.ts";
import * as check from "./check.ts";
import { deadlineError } from "./clock.ts";
import { ClusterHandle, type HandleOwner, settle } from "./cluster_handle.ts";
import type { Engine, EngineListener, KeepPolicy, Outcome } from "./engine.ts";
import { SubmitRefusedError } from "./errors.ts";
import { Forgetter } from "./forgetter.ts";
import { newId } from "./ids.ts";
import { limitDeadline, limitSending } from "./limits.ts";
import { tell } from "./observe.ts";
import {
  isGivenUp,
  isUnsettled,
  type OpenTask,
  OpenTasks,
} from "./open_tasks.ts";
import { Outbox } from "./outbox.ts";
import { readOutcome } from "./outcome.ts";
import { contentOf, jobOf, type Parcel } from "./parcel.ts";
import { ReadyGate } from "./ready_gate.ts";
import { decode } from "./serialize/decode.ts";
import type { Encoded } from "./serialize/kinds.ts";
import { EVENT_WITHIN, StoreCheck } from "./store_check.ts";
import { StoreLink } from "./store_link.ts";
import {
  checkSubmit,
  checkTask,
  type ClusterSubmitOptions,
} from "./submit_options.ts";
import { endSpan, submitSpan, traceparentOf } from "./tracing.ts";
import { within } from "./within.ts";

/** How long the store may take to answer at the end. */
const ANSWER_WITHIN = 2000;

/** What a submitter is made with. */
export interface SubmitterSettings {
  readonly priority: TaskPriority;
  readonly timeout: number;
  readonly maxInputBytes: number;
  readonly maxQueue: number;
  readonly sendTimeout: number;
  readonly checkInterval: number;
  /** Left out, records are removed when their outcome has been read. */
  readonly keep: KeepPolicy | undefined;
  /** Tasks end with their submitter when it was not heard of for so long. */
  readonly aliveFor: number | undefined;
  readonly observer: TaskObserver | undefined;
  readonly report: (error: Error) => void;
}

/** Everything that this process knows of its tasks on the cluster. */
export class Submitter implements HandleOwner, EngineListener {
  // Invariant: #open holds the tasks that have not ended where they run; #ended takes each out,
  // once. #parcels holds what is in the outbox, on its way, or in some task's `next`. Ids of ended
  // tasks go to the forgetter only after the store has confirmed their adding: an add that is
  // sent again would otherwise make the task anew.
  readonly #engine: Engine;
  readonly #settings: SubmitterSettings;
  readonly #open = new OpenTasks();
  readonly #parcels = new Map<ClusterHandle<unknown>, Parcel>();
  readonly #outbox: Outbox<Parcel>;
  readonly #cancels: Cancels;
  readonly #forgetter: Forgetter;
  readonly #link: StoreLink;
  readonly #check: StoreCheck;
  readonly #gate: ReadyGate;
  readonly #signals = new AbortHub();
  readonly absence: Absence;
  #isClosed = false;
  /** How often a worker was lost with a task that is ours. */
  lostCount = 0;
  /** Tasks by how they ended, as the handles say. */
  readonly ends = { succeeded: 0, failed: 0, cancelled: 0 };
  submitted = 0;

  constructor(engine: Engine, settings: SubmitterSettings) {
    const { checkInterval, maxQueue } = settings;
    this.#engine = engine;
    this.#settings = settings;
    this.absence = new Absence(() => engine.trouble !== undefined);
    this.#outbox = new Outbox((parcels) => this.#send(parcels));
    this.#cancels = new Cancels(
      engine,
      (task) => this.#removedByUs(task),
      this.#failed,
    );
    this.#forgetter = new Forgetter(engine, this.#failed);
    this.#link = new StoreLink(engine, {
      listener: this,
      aliveFor: settings.aliveFor,
      failed: this.#failed,
    });
    this.#check = new StoreCheck(engine, this.#link, this.#open, {
      interval: checkInterval,
      started: (id) => this.started(id),
      ended: (task, outcome) => this.#learnEnd(task, outcome),
      missing: (task, error) => this.#missing(task, error),
      failed: this.#failed,
    });
    this.#gate = new ReadyGate(() => maxQueue - this.#open.size);
  }

  /** Tasks that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#settings.maxQueue;
  }

  /**
   * Whether nothing is left to wait for: all have ended, or nobody wants those that have not and
   * the store, which would have to be told, is away.
   */
  get isOver(): boolean {
    if (this.#open.size === 0) return true;
    return this.absence.isLong && [...this.#open].every(isGivenUp);
  }

  /** The handles of tasks that have not ended. */
  handles(): ClusterHandle<unknown>[] {
    return this.#open.handles();
  }

  /** Submits a task, unless there is a reason to refuse it. */
  submit<T>(
    task: unknown,
    options: ClusterSubmitOptions = {},
    refusal?: Refusal,
  ): ClusterHandle<T> {
    const call = checkTask(task);
    const { definition } = call;
    const checked = checkSubmit(options, definition, this.#settings);
    const { priority, deadline } = checked;
    const { id, signal, weight = 1, onProgress } = options;
    const name = options.name ?? definition.name;
    const handle = new ClusterHandle<T>(id ?? newId(), name, priority, this);
    handle.onProgress = onProgress;
    handle.isShared = id !== undefined;
    handle.weight = weight;
    handle.key = options.key;
    if (refusal !== undefined) {
      return this.#refuse(handle, refusal.state, refusal.reason);
    }
    if (this.#isClosed) {
      return this.#refuse(
        handle,
        "failed",
        new DisposedError("ClusterRunner.submit()"),
      );
    }
    if (signal?.aborted) {
      return this.#refuse(handle, "cancelled", signal.reason);
    }
    const submittedAt = performance.now();
    if (deadline <= submittedAt) {
      return this.#refuse(handle, "failed", deadlineError(name));
    }
    const { maxInputBytes, sendTimeout, observer } = this.#settings;
    const content = contentOf(call, options, checked, maxInputBytes);
    handle.key = content.key;
    const span = submitSpan(handle.id, name, priority);
    if (span !== undefined) {
      handle.then(
        () => endSpan(span, "succeeded", undefined),
        (error) => endSpan(span, handle.state, error),
      );
    }
    const parcel: Parcel = {
      handle,
      deadline,
      submittedAt,
      content,
      trace: span && traceparentOf(span),
      sentPriority: priority,
    };
    this.submitted++;
    this.#parcels.set(handle, parcel);
    const before = this.#open.get(handle.id);
    if (before !== undefined && isGivenUp(before)) before.next.push(parcel);
    else this.#begin(parcel);
    const giveUp = (error: unknown) => this.#giveUp(handle, error);
    if (deadline < Infinity) limitDeadline(handle, deadline, giveUp);
    if (sendTimeout < Infinity) {
      limitSending(handle, sendTimeout, this.#engine, giveUp);
    }
    if (signal !== undefined) {
      handle.unsubscribe = this.#signals.listen(
        signal,
        (reason) => handle.cancel(reason),
      );
    }
    if (observer !== undefined) tell(observer, "queued", handle);
    return handle;
  }

  #begin(parcel: Parcel): void {
    this.#register(parcel.handle);
    this.#outbox.add(parcel);
  }

  /** A handle on a task that is in the queue already. */
  attach<T>(id: string): ClusterHandle<T> {
    check.text("id", id);
    const handle = new ClusterHandle<T>(id, id, this.#settings.priority, this);
    handle.isShared = true;
    if (this.#isClosed) {
      return this.#refuse(
        handle,
        "failed",
        new DisposedError("ClusterRunner.attach()"),
      );
    }
    handle.isAsking = this.#open.get(id) === undefined;
    this.#register(handle);
    this.#link.open().then(async () => {
      handle.isStored = true;
      await this.#check.look([id]);
      handle.isAsking = false;
      // For what happened between that answer and now.
      if (!handle.hasEnded) await this.#check.look([id]);
      // Should this fail, the next check asks again.
    }).catch((error) => {
      handle.isAsking = false;
      this.#failed(error);
    });
    return handle;
  }

  cancel(handle: ClusterHandle<unknown>, reason: unknown): void {
    if (!isUnsettled(handle)) return;
    const task = this.#taskOf(handle);
    this.#settle(handle, "cancelled", reason);
    if (task === undefined) return this.#dropNext(handle);
    // One task, one outcome: all handles of it are cancelled.
    for (const one of task.handles) {
      if (isUnsettled(one)) this.#settle(one, "cancelled", reason);
    }
    this.#takeBack(task);
  }

  setPriority(handle: ClusterHandle<unknown>, priority: TaskPriority): void {
    check.priority(priority);
    if (handle.state !== "queued" || handle.priority === priority) return;
    handle.priority = priority;
    // Not sent yet: it goes out with the new level. Being sent: #send looks at the level again.
    if (!handle.isStored) return;
    this.#engine.reprioritise(handle.id, priority).catch(this.#failed);
  }

  /** Resolves when `isDue`, which `changed` asks; rejects with the reason of `signal`. */
  when(isDue: () => boolean, signal?: AbortSignal): Promise<void> {
    return this.#open.when(isDue, signal);
  }

  /** Something that somebody may wait for has changed. */
  changed(): void {
    this.#open.changed();
  }

  /** Resolves when there is room for a further task. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#gate.wait(signal);
  }

  // What the engine tells.

  started(id: string): void {
    const { observer } = this.#settings;
    for (const handle of this.#open.get(id)?.handles ?? []) {
      if (handle.state !== "queued") continue;
      handle.state = "running";
      if (observer !== undefined) tell(observer, "started", handle);
    }
  }

  ended(id: string, outcome: Outcome): void {
    const task = this.#heardOf(id);
    if (task !== undefined) this.#learnEnd(task, outcome);
  }

  removed(id: string): void {
    const task = this.#heardOf(id);
    if (task !== undefined) this.#gone(task);
  }

  /** The task that an event tells of, unless the event may be older than the handle. */
  #heardOf(id: string): OpenTask | undefined {
    const task = this.#open.get(id);
    return task?.handles[0]?.isAsking ? undefined : task;
  }

  progressed(id: string, value: Encoded): void {
    const task = this.#open.get(id);
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
    if (this.#open.get(id) !== undefined) this.lostCount++;
  }

  reconnected(): void {
    this.#check.all();
  }

  /** Ends it. What is open then settles as failed: nobody listens any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#link.close();
    this.#check.close();
    this.#cancels.close();
    const error = new DisposedError(
      "ClusterRunner",
      "The task goes on without this handle.",
    );
    for (const handle of this.handles()) {
      if (isUnsettled(handle)) this.#settle(handle, "failed", error);
    }
    // They have not ended in the store: their records stay.
    for (const task of [...this.#open]) this.#out(task);
    if (this.#engine.trouble === undefined) {
      await within(this.#forgetter.flush(), ANSWER_WITHIN);
    } else this.#forgetter.drop();
  }

  #register(handle: ClusterHandle<unknown>): void {
    this.#open.add(handle);
    this.#check.start();
  }

  /** The open task that a handle belongs to; none while it waits in some task's `next`. */
  #taskOf(handle: ClusterHandle<unknown>): OpenTask | undefined {
    const task = this.#open.get(handle.id);
    return task?.handles.includes(handle) ? task : undefined;
  }

  #refuse<T>(
    handle: ClusterHandle<T>,
    state: "failed" | "cancelled",
    reason: unknown,
  ): ClusterHandle<T> {
    handle.hasEnded = true;
    this.ends[state]++;
    handle[settle](state, reason);
    return handle;
  }

  #settle(
    handle: ClusterHandle<unknown>,
    state: TaskState,
    value: unknown,
  ): void {
    if (state === "succeeded" || state === "failed" || state === "cancelled") {
      this.ends[state]++;
    }
    handle[settle](state, value);
    const { observer } = this.#settings;
    if (observer !== undefined) {
      tell(
        observer,
        "settled",
        handle,
        state === "succeeded" ? undefined : value,
      );
    }
  }

  /** The time of one handle is up. The task goes on while others wait for it. */
  #giveUp(handle: ClusterHandle<unknown>, error: unknown): void {
    if (!isUnsettled(handle)) return;
    const task = this.#taskOf(handle);
    this.#settle(handle, "failed", error);
    if (task === undefined) this.#dropNext(handle);
    else if (isGivenUp(task)) this.#takeBack(task);
  }

  /** A handle that waits in some task's `next` is settled: its parcel never goes out. */
  #dropNext(handle: ClusterHandle<unknown>): void {
    const next = this.#open.get(handle.id)?.next;
    const place = next?.findIndex((parcel) => parcel.handle === handle) ?? -1;
    if (place >= 0) next?.splice(place, 1);
    this.#parcels.delete(handle);
    this.#handleEnded(handle);
  }

  /** Takes a task that was given up out of the store, wherever it is on its way. */
  #takeBack(task: OpenTask): void {
    let hasGone = false;
    for (const handle of task.handles) {
      const parcel = this.#parcels.get(handle);
      if (parcel !== undefined && this.#outbox.delete(parcel)) {
        this.#parcels.delete(handle);
      } else hasGone = true;
    }
    if (!hasGone) return this.#ended(task);
    // While it is being sent, #send comes back to it.
    if (task.handles.some(({ isStored }) => isStored)) {
      this.#cancels.begin(task);
    }
  }

  #learnEnd(task: OpenTask, outcome: Outcome): void {
    if (
      isGivenUp(task) &&
      (outcome.succeeded || task.handles.some(({ isShared }) => isShared))
    ) {
      // It ended in the moment in which it was given up here: its record must not say otherwise
      // than the handles, and its id is free again.
      this.#engine.forget([task.id]).catch(this.#failed)
        .then(() => this.#gone(task));
      return;
    }
    for (const handle of task.handles) {
      if (!isUnsettled(handle)) continue;
      const { state, value } = readOutcome(
        ownCopy(outcome, task),
        handle.name,
        task.id,
      );
      this.#settle(handle, state, value);
    }
    this.#ended(task);
  }

  /** The answer to our own cancel. */
  #removedByUs(task: OpenTask): void {
    if (!task.handles.some(({ isShared }) => isShared)) return this.#gone(task);
    // The event of it is on its way, and must not meet the next task of this id.
    task.removal ??= setTimeout(() => this.#gone(task), EVENT_WITHIN);
  }

  /** The store has the task no more. A handle that was attached meanwhile hears of it too. */
  #gone(task: OpenTask): void {
    // Ended in another way meanwhile, and perhaps attached to anew.
    if (this.#open.get(task.id) !== task) return;
    this.#end(task, (handle) => [
      "cancelled",
      new DOMException(
        `Task ${handle.name} (${task.id}) was taken out of the queue: by another process that ` +
          `has a handle on it, or by hand`,
        "AbortError",
      ),
    ]);
  }

  #missing(task: OpenTask, error: Error): void {
    this.#end(task, () => ["failed", error]);
  }

  #end(
    task: OpenTask,
    outcomeOf: (handle: ClusterHandle<unknown>) => [TaskState, unknown],
  ): void {
    for (const handle of task.handles) {
      if (isUnsettled(handle)) this.#settle(handle, ...outcomeOf(handle));
    }
    this.#ended(task);
  }

  /** The task has ended where it ran, or never will run. */
  #ended(task: OpenTask): void {
    if (this.#open.get(task.id) !== task) return;
    this.#out(task);
    for (const handle of task.handles) this.#forget(handle);
  }

  #out(task: OpenTask): void {
    this.#open.delete(task.id);
    clearTimeout(task.removal);
    this.#cancels.over(task);
    this.#check.over(task);
    for (const handle of task.handles) this.#handleEnded(handle);
    for (const parcel of task.next) {
      // The id is free for those that waited for it; before anybody hears that nothing is open.
      if (isUnsettled(parcel.handle)) this.#begin(parcel);
      else this.#handleEnded(parcel.handle);
    }
    this.#open.changed();
    this.#gate.changed();
  }

  #handleEnded(handle: ClusterHandle<unknown>): void {
    handle.hasEnded = true;
    const { observer } = this.#settings;
    if (observer !== undefined) tell(observer, "ended", handle);
    handle.onEnded?.();
  }

  #forget(handle: ClusterHandle<unknown>): void {
    if (
      !handle.isStored || handle.isShared || this.#settings.keep !== undefined
    ) return;
    this.#forgetter.add(handle.id);
  }

  /** Sends what was submitted. Never rejects. */
  async #send(parcels: Parcel[]): Promise<void> {
    try {
      await this.#link.open();
      const { owner, toStoreTime } = this.#link;
      await this.#engine.add(parcels.map((parcel) => {
        parcel.sentPriority = parcel.handle.priority;
        return jobOf(parcel, toStoreTime, owner, this.#settings.keep);
      }));
    } catch (cause) {
      for (const { handle } of parcels) this.#notSent(handle, cause);
      return;
    }
    const shared: string[] = [];
    for (const { handle, sentPriority } of parcels) {
      this.#stored(handle);
      if (handle.priority !== sentPriority) {
        this.#engine.reprioritise(handle.id, handle.priority)
          .catch(this.#failed);
      }
      if (handle.hasEnded) {
        // Its outcome overtook the answer to its adding.
        this.#forget(handle);
      } else if (handle.isShared && isUnsettled(handle)) shared.push(handle.id);
    }
    // A task of the same id may have ended long ago: no event will tell.
    if (shared.length > 0) await this.#check.look(shared).catch(this.#failed);
  }

  /** The store has it now, or `isUncertain`: perhaps. */
  #stored(handle: ClusterHandle<unknown>, isUncertain = false): void {
    this.#parcels.delete(handle);
    handle.isStored = true;
    clearTimeout(handle.sendTimer);
    const task = this.#taskOf(handle);
    if (task !== undefined && isGivenUp(task)) {
      this.#cancels.begin(task, isUncertain);
    }
  }

  #notSent(handle: ClusterHandle<unknown>, cause: unknown): void {
    if (isUnsettled(handle)) {
      this.#settle(
        handle,
        "failed",
        new SubmitRefusedError(handle.name, this.#engine.address, cause),
      );
    }
    // Some of the batch may have got through all the same.
    this.#stored(handle, true);
  }

  readonly #failed = (error: unknown): void => {
    if (this.#isClosed || this.#engine.trouble !== undefined) return;
    this.#settings.report(
      error instanceof Error ? error : new Error(String(error)),
    );
  };
}

/** Decoding works in place: of several handles each has a value of its own. */
function ownCopy<T>(value: T, { handles }: OpenTask): T {
  return handles.length === 1 ? value : structuredClone(value);
}
