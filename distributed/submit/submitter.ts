/**
 * What one process has submitted or attached to: lets tasks in, hears of outcomes, and sees to it
 * that the store agrees with what the handles say. Here is how a task comes in, and how the parts
 * that carry it on are put together.
 *
 * The handle of a task is settled by whatever comes first: its outcome, or a cancel, timeout or
 * abort here. When nobody here waits for a task any more, it is taken out of the store, or its
 * worker is told; should it have ended in that very moment, its record is removed, so that there
 * is one outcome.
 *
 *     parcel in the outbox ──sent──▶ stored ──event, or found by a check──▶ ended
 *        └──given up: never sent           └──given up: cancelled in the store ──▲
 *
 * The way to the store is `sender.ts`, giving up `giving_up.ts`, events `store_events.ts`, checks
 * `store_check.ts`, the end `task_endings.ts`; all settle handles by `settler.ts`.
 *
 * @module
 */
import {
  checkPriority,
  Conditions,
  type JobOwner,
  Observers,
  onAbort,
  ReadyGate,
  type Refusal,
  text,
} from "@specify/async-core/host";
import { DisposedError, type TaskPriority } from "@specify/async-core/runner";
import { Cancels } from "./cancels.ts";
import { deadlineError } from "../clock.ts";
import { ClusterHandle, type HandleOwner } from "../cluster_handle.ts";
import { Endings } from "./task_endings.ts";
import type { Engine } from "../engine.ts";
import { GivingUp } from "./giving_up.ts";
import { isGivenUp, OpenTasks } from "./open_tasks.ts";
import { contentOf, newId, type Parcel } from "./parcel.ts";
import { Sender } from "./sender.ts";
import { Settler } from "./settler.ts";
import { StoreCheck } from "./store_check.ts";
import { StoreEvents } from "./store_events.ts";
import { Absence, StoreLink } from "./store_link.ts";
import {
  checkSubmit,
  checkTask,
  type ClusterSubmitOptions,
} from "./submit_options.ts";
import type { SubmitterSettings } from "./submitter_settings.ts";
import { endSpanWith, submitSpan, traceparentOf } from "../tracing.ts";

/** Everything that this process knows of its tasks on the cluster. */
export class Submitter implements HandleOwner {
  // Invariant: #open holds the tasks that have not ended where they run: they come in by #register
  // and go out by #endings. What is let in has its parcel with #sender, or in some task's `next`,
  // or is stored. The parts call each other only by what is passed to them below, and never before
  // all of them are there: nothing runs until the first submit or attach.
  readonly #engine: Engine;
  readonly #settings: SubmitterSettings;
  readonly #open = new OpenTasks();
  readonly #settler: Settler;
  readonly #cancels: Cancels;
  readonly #events: StoreEvents;
  readonly #link: StoreLink;
  readonly #check: StoreCheck;
  readonly #endings: Endings;
  readonly #sender: Sender;
  readonly #givingUp: GivingUp;
  readonly #gate: ReadyGate;
  readonly #conditions = new Conditions();
  readonly absence: Absence;
  readonly observers: Observers | undefined;
  #isClosed = false;
  submitted = 0;

  constructor(engine: Engine, settings: SubmitterSettings) {
    const { aliveFor, keep, maxQueue } = settings;
    const open = this.#open;
    const failed = this.#failed;
    this.#engine = engine;
    this.#settings = settings;
    this.absence = new Absence(() => engine.trouble !== undefined);
    this.#gate = new ReadyGate(() => maxQueue - open.size);
    const { observer } = settings;
    this.observers = observer && new Observers([], observer);
    const settler = this.#settler = new Settler(this.observers);
    const cancels = this.#cancels = new Cancels(
      engine,
      (task) => this.#endings.removedByUs(task),
      failed,
    );
    const listener = this.#events = new StoreEvents({
      open,
      settler,
      ended: (task, outcome) => this.#endings.learn(task, outcome),
      gone: (task) => this.#endings.gone(task),
      reconnected: () => this.#check.all(),
    });
    const link = this.#link = new StoreLink(engine, {
      listener,
      aliveFor,
      failed,
    });
    const storeCheck = this.#check = new StoreCheck(engine, link, open, {
      started: (id) => listener.started(id),
      ended: (task, outcome) => this.#endings.learn(task, outcome),
      missing: (task, error) => this.#endings.missing(task, error),
      failed,
    });
    const endings = this.#endings = new Endings({
      engine,
      open,
      check: storeCheck,
      cancels,
      settler,
      isKept: keep !== undefined,
      begin: (parcel) => this.#begin(parcel),
      changed: () => {
        this.changed();
        this.#gate.check();
      },
      failed,
    });
    const sender = this.#sender = new Sender({
      engine,
      link,
      open,
      check: storeCheck,
      cancels,
      settler,
      keep,
      forget: (handle) => endings.forget(handle),
      failed,
    });
    this.#givingUp = new GivingUp({
      engine,
      open,
      sender,
      cancels,
      settler,
      endings,
    });
  }

  /** Tasks that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#settings.maxQueue;
  }

  /** Whether a batch may submit one more now, without getting before those who wait for room. */
  get hasRoom(): boolean {
    return this.#gate.isOpen;
  }

  /** How often a worker was lost with a task that is ours. */
  get lostCount(): number {
    return this.#events.lostCount;
  }

  /** Tasks by how they ended, as the handles say. */
  get ends(): Settler["ends"] {
    return this.#settler.ends;
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

  /** Submits a task, unless there is a reason to refuse it. `batch`: what it is a part of. */
  submit<T>(
    task: unknown,
    options: ClusterSubmitOptions = {},
    refusal?: Refusal,
    batch?: JobOwner<ClusterHandle<unknown>>,
  ): ClusterHandle<T> {
    const call = checkTask(task);
    const { definition } = call;
    const checked = checkSubmit(options, definition, this.#settings);
    const { priority, deadline } = checked;
    const { id, signal, weight = 1, onProgress } = options;
    const name = options.name ?? definition.name;
    const handle = new ClusterHandle<T>(id ?? newId(), name, priority, this);
    handle.onProgress = onProgress;
    handle.batch = batch;
    handle.isShared = id !== undefined;
    handle.weight = weight;
    handle.key = options.key;
    if (refusal !== undefined) {
      return this.#settler.refuse(handle, refusal.state, refusal.reason);
    }
    if (this.#isClosed) {
      return this.#settler.refuse(
        handle,
        "failed",
        new DisposedError("ClusterRunner.submit()"),
      );
    }
    if (signal?.aborted) {
      return this.#settler.refuse(handle, "cancelled", signal.reason);
    }
    const submittedAt = performance.now();
    if (deadline <= submittedAt) {
      return this.#settler.refuse(handle, "failed", deadlineError(name));
    }
    const { maxInputBytes, sendTimeout } = this.#settings;
    const content = contentOf(call, options, checked, maxInputBytes);
    handle.key = content.envelope.key;
    const span = submitSpan(handle.id, name, priority);
    if (span !== undefined) endSpanWith(span, handle);
    const parcel: Parcel = {
      handle,
      deadline,
      submittedAt,
      content,
      trace: span && traceparentOf(span),
      sentPriority: priority,
    };
    this.submitted++;
    const before = this.#open.get(handle.id);
    if (before !== undefined && isGivenUp(before)) before.next.push(parcel);
    else this.#begin(parcel);
    if (deadline < Infinity) this.#givingUp.limitTo(handle, deadline);
    if (sendTimeout < Infinity) {
      this.#givingUp.limitSending(handle, sendTimeout);
    }
    if (signal !== undefined) {
      handle.subscription = onAbort(
        signal,
        (reason) => handle.cancel(reason),
      );
    }
    this.#settler.queued(handle);
    return handle;
  }

  #begin(parcel: Parcel): void {
    this.#register(parcel.handle);
    this.#sender.add(parcel);
  }

  #register(handle: ClusterHandle<unknown>): void {
    this.#open.add(handle);
    this.#check.start();
  }

  /** A handle on a task that is in the queue already. */
  attach<T>(id: string): ClusterHandle<T> {
    text("id", id);
    const handle = new ClusterHandle<T>(id, id, this.#settings.priority, this);
    handle.isShared = true;
    if (this.#isClosed) {
      return this.#settler.refuse(
        handle,
        "failed",
        new DisposedError("ClusterRunner.attach()"),
      );
    }
    handle.isAsking = this.#open.get(id) === undefined;
    this.#register(handle);
    this.#check.ask(handle).catch(this.#failed);
    return handle;
  }

  cancel(handle: ClusterHandle<unknown>, reason: unknown): void {
    this.#givingUp.cancel(handle, reason);
  }

  setPriority(handle: ClusterHandle<unknown>, priority: TaskPriority): void {
    checkPriority(priority);
    if (handle.state !== "queued" || handle.priority === priority) return;
    handle.priority = priority;
    this.#sender.reprioritise(handle);
  }

  /** Resolves when `isDue`, which `changed` asks; rejects with the reason of `signal`. */
  when(isDue: () => boolean, signal?: AbortSignal): Promise<void> {
    return this.#conditions.wait(isDue, signal);
  }

  /** Something that somebody may wait for has changed. */
  changed(): void {
    this.#conditions.check();
  }

  /** Resolves when there is room for a further task. */
  ready(signal: AbortSignal | undefined): Promise<void> {
    return this.#gate.wait(signal);
  }

  /** Ends it. What is open then settles as failed: nobody listens any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#link.close();
    this.#check.close();
    this.#cancels.close();
    await this.#endings.close(
      new DisposedError(
        "ClusterRunner",
        "The task goes on without this handle.",
      ),
    );
  }

  readonly #failed = (error: unknown): void => {
    if (this.#isClosed || this.#engine.trouble !== undefined) return;
    this.#settings.report(
      error instanceof Error ? error : new Error(String(error)),
    );
  };
}
