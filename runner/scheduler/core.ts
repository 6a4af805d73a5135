/**
 * The mechanism behind TaskScheduler, AsyncRunner and their scopes. Inside it a task is a job
 * (job.ts), and meets the parts in this order:
 *
 * 1. `submit`, here, takes over its options (options.ts) and refuses it after a shutdown or an
 *    abort (admission.ts).
 * 2. `QueueBound` makes room for it in a full queue, or turns it or another away.
 * 3. The `WaitingQueue` keeps it until its turn comes: a LevelQueue by priority, a KeyedQueue
 *    where keys have limits. From here on its `JobGroup`, if any, counts it: the children of a
 *    task, a scope, a runner that shares the scheduler.
 * 4. The `Dispatcher` takes it out when `Slots` has a free one (or its parent lends its own:
 *    SlotLending) and RateGate and TurnBudget let it start, and calls its function with a
 *    JobContext.
 * 5. `Endings` gives it its outcome, when its function has ended or before: as the promise of a
 *    JobHandle, or told to the owner of an OwnedJob.
 *
 * `Statistics` counts these steps, `Listeners` tells whoever wants to know. Each part is handed the
 * parts that it uses; the few calls that go the other way are joined in the constructor below. What
 * a task is given and what its submitter gets stand above this file, and it knows neither.
 *
 * What must always hold:
 * - A job that was accepted is in exactly one place: the waiting queue, the slots, or neither, and
 *   then it is settled. One that is being accepted is in none, and `end` may reach it there, since
 *   making room for it ends or starts others: it is then refused. Only `#accept` (to the queue),
 *   the dispatcher (queue to slots, slots to nowhere) and `end` (queue to nowhere) move it.
 * - A job is settled exactly once (see Endings).
 *
 * Everything happens synchronously in one thread; user code is only called where the state is
 * complete (task functions, abort listeners, observers), so whatever it calls back is safe.
 *
 * @module
 */
import { contextAccess } from "../../_internal/async_context.ts";
import { now } from "../../_internal/clock.ts";
import type { Conditions } from "../../_internal/conditions.ts";
import { ReadyGate } from "../../_internal/ready_gate.ts";
import { Admission } from "./admission.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Endings } from "./endings.ts";
import {
  isActive,
  isOpen,
  type Job,
  type JobExtras,
  JobTiming,
} from "./job.ts";
import { isShielding, type JobGroup } from "./job_group.ts";
import { KeyedQueue } from "./keyed_queue.ts";
import { Listeners } from "./listeners.ts";
import {
  checkTask,
  concurrency,
  DEFAULT_CONCURRENCY,
  type SchedulerOptions,
  takeSubmitOptions,
} from "./options.ts";
import { checkPriority } from "../../_internal/validate.ts";
import type { TaskPriority } from "../priority.ts";
import { QueueBound } from "./queue_bound.ts";
import { Slots } from "./slots.ts";
import { StallWatch } from "./stall_watch.ts";
import { type SchedulerStatistics, Statistics } from "./statistics.ts";
import { taskTelemetry } from "../observe/task_telemetry.ts";
import { type Timeline, TimelineRecorder } from "../observe/timeline.ts";
import type { LimitFollower } from "../batch/host.ts";
import type { SubmitOptions, TaskContext } from "../types.ts";
import { LevelQueue, type WaitingQueue } from "./waiting_queue.ts";

/** Lets jobs in, and joins the parts. */
export class SchedulerCore {
  readonly admission: Admission = new Admission();
  /** Told when the limit is changed. */
  readonly followers: Set<LimitFollower> = new Set();
  readonly #queue: WaitingQueue;
  readonly #slots: Slots;
  readonly #dispatcher: Dispatcher;
  readonly #bound: QueueBound;
  readonly #keyed: boolean;
  /** Aging and an adaptive limit look at every job's times. */
  readonly #timesAll: boolean;
  readonly #timeline: TimelineRecorder | undefined;
  readonly #listeners: Listeners;
  readonly #endings: Endings;
  readonly #statistics = new Statistics();
  readonly #contexts = contextAccess();

  /** `options` are checked; `contextOf` makes what the function of a job is given. */
  constructor(
    options: SchedulerOptions,
    contextOf: (job: Job) => TaskContext,
  ) {
    const { aging = Infinity, maxPerKey = Infinity } = options;
    this.#slots = new Slots(
      options.maxConcurrent ?? DEFAULT_CONCURRENCY,
      options.adaptive,
    );
    this.#keyed = maxPerKey < Infinity;
    this.#queue = this.#keyed
      ? new KeyedQueue(maxPerKey, aging)
      : new LevelQueue(aging);
    this.#timeline = options.timeline === undefined
      ? undefined
      : new TimelineRecorder(options.timeline);
    this.#timesAll = aging < Infinity || this.#slots.isAdaptive;
    const telemetry = taskTelemetry();
    const gate = new ReadyGate(() => this.#bound.room);
    this.#listeners = new Listeners(
      gate,
      [telemetry, this.#timeline].filter((own) => own !== undefined),
      options.observer,
      options.onStall && new StallWatch(
        options.onStall,
        this.#queue,
        this.#slots,
        () => this.#dispatcher.hasBlockedWork,
      ),
    );
    this.#endings = new Endings(
      this.#queue,
      this.#slots,
      this.#statistics,
      this.#listeners,
      () => this.#dispatcher.queueShrank(),
    );
    this.#dispatcher = new Dispatcher(
      this.#queue,
      this.#slots,
      this.#statistics,
      this.#listeners,
      this.#endings,
      contextOf,
      telemetry,
      options,
    );
    this.#bound = new QueueBound(
      options,
      this.#queue,
      this.#dispatcher,
      this.#endings,
      gate,
    );
  }

  // --- What can be seen -------------------------------------------------------------------

  get conditions(): Conditions {
    return this.#listeners.conditions;
  }

  get size(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#slots.count;
  }

  get isIdle(): boolean {
    return this.#slots.count === 0 && this.#queue.size === 0;
  }

  /** Resolves when everything has ended, work that may submit more included. */
  whenOver(signal: AbortSignal): Promise<void> {
    return this.conditions.wait(
      () => this.isIdle && !this.admission.hasWork,
      signal,
    );
  }

  get isFull(): boolean {
    return this.#bound.isFull;
  }

  /** Whether a batch may submit one more now, without getting before those who wait for room. */
  get hasRoom(): boolean {
    return this.#bound.hasRoom;
  }

  /** Resolves when it is one's turn to submit to a queue that may be full. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#bound.ready(signal);
  }

  get isPaused(): boolean {
    return this.#dispatcher.isPaused;
  }

  get maxConcurrent(): number {
    return this.#slots.limit;
  }

  /** How many slots are free: all of them when nothing runs. */
  get freeSlots(): number {
    return this.#slots.free;
  }

  /** Whether the limit changes by itself. */
  get isAdaptive(): boolean {
    return this.#slots.isAdaptive;
  }

  runningJobs(): Job[] {
    return this.#slots.jobs();
  }

  timeline(): Timeline {
    if (this.#timeline === undefined) {
      throw new TypeError(
        "timeline() needs the option timeline: how many ended tasks to keep, for example 1000",
      );
    }
    return this.#timeline.snapshot();
  }

  statistics(): SchedulerStatistics {
    return this.#statistics.snapshot({
      queued: this.#queue.size,
      running: this.#slots.count,
      maxConcurrent: this.#slots.limit,
    });
  }

  // --- What can be changed ----------------------------------------------------------------

  setMaxConcurrent(value: number): void {
    this.#slots.limit = concurrency("maxConcurrent", value);
    for (const follower of [...this.followers]) follower.limitChanged();
    this.#listeners.moved();
    this.#dispatcher.schedule();
  }

  pause(): void {
    this.#dispatcher.pause();
    this.#listeners.paused();
  }

  resume(): void {
    this.#dispatcher.resume();
    this.#listeners.moved();
    this.#dispatcher.schedule();
    this.#listeners.queueChanged();
  }

  /** Cancels everything that waits now. */
  clear(reason: unknown): void {
    // A copy: whoever is told may submit or cancel others.
    for (const job of [...this.#queue.jobs()]) {
      if (job.state === "queued") this.end(job, "cancelled", reason);
    }
  }

  setPriority(job: Job, priority: TaskPriority): void {
    checkPriority(priority);
    if (job.state !== "queued" || job.priority === priority) return;
    this.#queue.move(job, priority);
    if (this.#slots.hasFree) this.#dispatcher.schedule();
  }

  /**
   * Cancels everything, queued and running, and what belongs to it and is submitted from now on;
   * returns what had no outcome yet. `isAbort`: the scheduler's own signal has aborted.
   */
  cancelAll(reason: unknown, isAbort = false): Job[] {
    // The waiting ones first, so that none of them starts meanwhile.
    const open = [...this.#queue.jobs(), ...this.runningJobs()]
      .filter(isOpen);
    this.admission.cutOff(reason, isAbort);
    for (const job of open) this.end(job, "cancelled", reason);
    return open;
  }

  /** Whether work runs that must not be cut off. */
  get isShielded(): boolean {
    return this.runningJobs().some(isShielding);
  }

  /** Something has changed that somebody may wait for. */
  moved(): void {
    this.#listeners.moved();
  }

  /** Whether the user's observer is told of failures. */
  get isObserved(): boolean {
    return this.#listeners.isObserved;
  }

  /** A job has failed, and no promise tells of that. */
  tellFailure(job: Job, error: unknown): void {
    this.#listeners.failedUnseen(job, error);
  }

  // --- Letting in -------------------------------------------------------------------------

  /**
   * Accepts a job, or settles it at once. `accepted` jobs are part of something that was accepted
   * before a shutdown began (a gather, a scope, a child): they are let in until everything is cut
   * off.
   */
  submit(
    job: Job,
    options: SubmitOptions | undefined,
    group?: JobGroup,
    accepted = false,
    parent?: Job,
  ): void {
    checkTask(job.task);
    if (options !== undefined) {
      takeSubmitOptions(
        job,
        options,
        this.#slots.heaviest,
        this.#endings.extrasOf,
      );
    }
    const context = this.#contexts.capture();
    if (context !== undefined) this.extrasOf(job).context = context;
    if (parent !== undefined) this.extrasOf(job).parent = parent;
    if (this.#refuses(job, accepted, group)) return;
    if (this.#bound.isReached) {
      // Others may be started or told of their end there, and do anything, so it is asked again.
      if (!this.#bound.makeRoom(job) || this.#refuses(job, accepted, group)) {
        return;
      }
    }
    this.#accept(job, group);
  }

  #accept(job: Job, group: JobGroup | undefined): void {
    if (job.extras !== undefined) {
      const { signal, deadline } = job.extras;
      if (signal !== undefined) job.extras.watch(signal);
      if (deadline < Infinity) job.extras.limit(deadline);
    }
    // A keyed queue notes there where the job waits.
    if (this.#keyed) this.extrasOf(job);
    if (group !== undefined) {
      this.extrasOf(job).group = group;
      group.add(job);
    }
    const isSample = this.#statistics.measures();
    if (isSample || this.#timesAll) {
      job.timing = new JobTiming(now(), isSample || this.#slots.isAdaptive);
    }
    this.#statistics.submitted++;
    this.#queue.push(job);
    this.#listeners.queued(job);
    if (this.#slots.hasFree) this.#dispatcher.schedule();
    this.#listeners.queueChanged();
  }

  /** Ends a job that cannot be accepted: after a shutdown, aborted or expired already. */
  #refuses(
    job: Job,
    accepted: boolean,
    group: JobGroup | undefined,
  ): boolean {
    // Making room may have ended it.
    if (!isOpen(job)) return true;
    if (!this.admission.isOpen || group?.admission !== undefined) {
      const refusal = this.admission.refusalOf(accepted) ??
        group?.admission?.refusalOf(accepted);
      if (refusal !== undefined) {
        this.refuse(job, refusal.state, refusal.reason);
        return true;
      }
    }
    const { extras } = job;
    if (extras === undefined) return false;
    const { signal, deadline, timeout } = extras;
    if (signal?.aborted) {
      this.refuse(job, "cancelled", signal.reason);
      return true;
    }
    if (timeout === 0 || (deadline < Infinity && deadline <= now())) {
      this.refuse(job, "failed", extras.expiry());
      return true;
    }
    return false;
  }

  /** Somebody awaits a child: while it is queued, its parent's slot may serve it. */
  awaited(job: Job): void {
    const { extras } = job;
    const parent = extras?.parent;
    if (extras === undefined || parent === undefined || !isActive(parent)) {
      return;
    }
    extras.isAwaited = true;
    if (job.state === "queued") this.#dispatcher.lend(parent, job);
    // What it awaits itself may be waiting for the place of a key that its parent can lend now.
    else if (this.#keyed) this.#dispatcher.schedule();
  }

  // --- Ending (see Endings) -----------------------------------------------------------------

  refuse(job: Job, state: "failed" | "cancelled", reason: unknown): void {
    this.#endings.refuse(job, state, reason);
  }

  cancel(job: Job, reason: unknown): void {
    this.#endings.cancel(job, reason);
  }

  end(job: Job, state: "cancelled" | "failed", reason: unknown): void {
    this.#endings.end(job, state, reason);
  }

  /** The extras of a job, made when it has none. */
  extrasOf(job: Job): JobExtras {
    return this.#endings.extrasOf(job);
  }
}
