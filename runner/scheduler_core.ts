/**
 * The mechanism behind TaskScheduler, AsyncRunner and their scopes: which jobs are let in, and
 * what becomes of them. Knows nothing of HTTP, files or streams, and nothing of the public
 * classes. Its parts: `Dispatcher` starts jobs, `Slots` has those that run, a `WaitingQueue` those
 * that wait, `QueueBound` turns away what is too much.
 *
 * What must always hold:
 * - A job that was accepted is in exactly one place: the waiting queue, the slots, or neither, and
 *   then it is settled. One that is being accepted is in none, and `end` may reach it there, since
 *   making room for it ends or starts others: it is then refused. Only `#accept` (to the queue),
 *   the dispatcher's start (queue to slots) and finish (slots to nowhere), and `end` (queue to
 *   nowhere) move it.
 * - A job is settled exactly once, by `#settle` or `refuse`, whose callers have seen it open.
 *
 * Everything happens synchronously in one thread; user code is only called where the state is
 * complete (task functions, abort listeners, observers), so whatever it calls back is safe.
 *
 * @module
 */
import { contextAccess } from "../_internal/async_context.ts";
import { now } from "../_internal/clock.ts";
import {
  type CutOff,
  type OpenScope,
  refusalOf,
  type ScopeHost,
} from "./admission.ts";
import { Conditions } from "./conditions.ts";
import { Dispatcher, type DispatchingScheduler } from "./dispatcher.ts";
import { CancelReasons, expiry } from "./end_reasons.ts";
import {
  ended,
  isActive,
  isOpen,
  type Job,
  JobExtras,
  JobTiming,
  settle,
} from "./job.ts";
import type { JobGroup } from "./job_group.ts";
import { KeyedQueue } from "./keyed_queue.ts";
import type { TaskPriority } from "./priority.ts";
import { Observers } from "./observers.ts";
import { QueueBound } from "./queue_bound.ts";
import {
  checkPriority,
  checkSchedulerOptions,
  checkTask,
  concurrency,
  DEFAULT_CONCURRENCY,
  type SchedulerOptions,
  takeSubmitOptions,
} from "./scheduler_options.ts";
import { Slots } from "./slots.ts";
import { StallWatch } from "./stall_watch.ts";
import { type SchedulerStatistics, Statistics } from "./statistics.ts";
import { type ServingScheduler, TaskServices } from "./task_services.ts";
import { taskTelemetry } from "./task_telemetry.ts";
import { type Timeline, TimelineRecorder } from "./timeline.ts";
import type { SubmitOptions, TaskState } from "./types.ts";
import { LevelQueue, type WaitingQueue } from "./waiting_queue.ts";

/** Lets jobs in, and gives each of them its end. */
export class SchedulerCore
  implements ScopeHost, DispatchingScheduler, ServingScheduler {
  readonly conditions: Conditions = new Conditions();
  /** Batches that submit as many as may run: told when the limit is changed. */
  readonly batches: Set<{ pump(): void }> = new Set();
  refusal: (() => unknown) | undefined = undefined;
  /** Set by `cancelAll`: from then on not even the children of accepted jobs are accepted. */
  cutOff: CutOff | undefined = undefined;
  /** The open scopes, outer before inner: they are cancelled along with the tasks. */
  readonly scopes: Set<OpenScope> = new Set();
  readonly #queue: WaitingQueue;
  readonly #slots: Slots;
  readonly #dispatcher: Dispatcher;
  readonly #bound: QueueBound;
  readonly #keyed: boolean;
  /** Aging and an adaptive limit look at every job's times. */
  readonly #timesAll: boolean;
  readonly #timeline: TimelineRecorder | undefined;
  readonly #observers: Observers | undefined;
  readonly #stall: StallWatch | undefined;
  readonly #statistics = new Statistics();
  readonly #contexts = contextAccess();
  readonly #cancelReasons = new CancelReasons();

  constructor(options: SchedulerOptions) {
    checkSchedulerOptions(options);
    const { aging = Infinity, maxPerKey = Infinity } = options;
    this.#slots = new Slots(
      options.maxConcurrent ?? DEFAULT_CONCURRENCY,
      options.adaptive,
    );
    this.#keyed = maxPerKey < Infinity;
    this.#queue = this.#keyed
      ? new KeyedQueue(maxPerKey, aging)
      : new LevelQueue(aging);
    this.#timesAll = aging < Infinity || this.#slots.isAdaptive;
    const telemetry = taskTelemetry();
    this.#dispatcher = new Dispatcher(
      this.#queue,
      this.#slots,
      this,
      new TaskServices(this),
      {
        telemetry,
        rateLimit: options.rateLimit,
        paused: options.paused ?? false,
      },
    );
    this.#bound = new QueueBound(
      options.maxQueue ?? Infinity,
      options.overflow ?? "wait",
      this.#queue,
      this.#dispatcher,
      this,
    );
    this.#timeline = options.timeline === undefined
      ? undefined
      : new TimelineRecorder(options.timeline);
    const observers = [telemetry, this.#timeline, options.observer]
      .filter((observer) => observer !== undefined);
    if (observers.length > 0) this.#observers = new Observers(observers);
    this.#stall = options.onStall && new StallWatch(options.onStall, this);
  }

  // --- What can be seen -------------------------------------------------------------------

  get size(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#slots.count;
  }

  get isIdle(): boolean {
    return this.#slots.count === 0 && this.#queue.size === 0;
  }

  /** Whether everything has ended, the scopes included. */
  get isOver(): boolean {
    return this.isIdle && this.scopes.size === 0;
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

  get hasBlockedWork(): boolean {
    return this.#dispatcher.hasBlockedWork;
  }

  runningJobs(): Job[] {
    return this.#slots.jobs();
  }

  waitingJobs(): Iterable<Job> {
    return this.#queue.jobs();
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
    return this.#statistics.snapshot(
      this.#queue.size,
      this.#slots.count,
      this.#slots.limit,
    );
  }

  // --- What can be changed ----------------------------------------------------------------

  setMaxConcurrent(value: number): void {
    this.#slots.limit = concurrency("maxConcurrent", value);
    for (const batch of [...this.batches]) batch.pump();
    this.#changed();
    this.#dispatcher.schedule();
  }

  pause(): void {
    this.#dispatcher.pause();
    this.#stall?.stop();
  }

  resume(): void {
    this.#dispatcher.resume();
    this.#changed();
    this.#dispatcher.schedule();
    this.#stall?.queueChanged();
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

  /** The scheduler's own signal has aborted: everything is cancelled, now and later. */
  abort(reason: unknown): void {
    this.refusal = () => reason;
    this.cancelAll(reason, true);
  }

  /**
   * Cancels everything, queued and running, and what belongs to it and is submitted from now on;
   * returns what had no outcome yet.
   */
  cancelAll(reason: unknown, isAbort = false): Job[] {
    this.cutOff ??= { reason, isAbort };
    // The waiting ones first, so that none of them starts meanwhile.
    const open = [...this.#queue.jobs(), ...this.runningJobs()]
      .filter(isOpen);
    for (const scope of [...this.scopes]) scope.cancel(reason);
    for (const job of open) this.end(job, "cancelled", reason);
    return open;
  }

  /** Whether work runs that must not be cut off. */
  get isShielded(): boolean {
    return this.runningJobs().some((job) =>
      (job.extras?.family?.shields.size ?? 0) > 0
    );
  }

  scopeEnded(scope: OpenScope): void {
    this.scopes.delete(scope);
    this.#changed();
  }

  /** Something has changed that somebody may wait for. */
  #changed(): void {
    if (this.conditions.hasWaiters) this.conditions.check();
    this.#bound.changed();
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
      takeSubmitOptions(job, options, this.#slots.heaviest, this.extrasOf);
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
    if (this.#observers !== undefined) this.#observers.tell("queued", job);
    if (this.#slots.hasFree) this.#dispatcher.schedule();
    if (this.#stall !== undefined) this.#stall.queueChanged();
  }

  /** Ends a job that cannot be accepted: after a shutdown, aborted or expired already. */
  #refuses(
    job: Job,
    accepted: boolean,
    group: JobGroup | undefined,
  ): boolean {
    // Making room may have ended it.
    if (!isOpen(job)) return true;
    if (
      this.refusal !== undefined || this.cutOff !== undefined ||
      group !== undefined
    ) {
      const refusal = refusalOf(this, accepted) ??
        (group && refusalOf(group, accepted));
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
      this.refuse(job, "failed", expiry(job, extras));
      return true;
    }
    return false;
  }

  /** Ends a job that was never accepted. */
  refuse(job: Job, state: "failed" | "cancelled", reason: unknown): void {
    job.extras?.release();
    job.state = state;
    job[settle](state, reason);
  }

  // --- Starting, and what the dispatcher tells ----------------------------------------------

  /** A job has left the queue and has its slots: its function is called next. */
  started(job: Job): void {
    const { timing, extras } = job;
    if (timing !== undefined && timing.isSample) timing.startedAt = now();
    this.#statistics.started(job);
    if (extras !== undefined) {
      const { timeout, deadline } = extras;
      if (timeout < Infinity) {
        extras.limit(
          Math.min((timing?.startedAt || now()) + timeout, deadline),
        );
      }
    }
    if (this.#observers !== undefined) this.#observers.tell("started", job);
    this.#changed();
    if (this.#stall !== undefined) this.#stall.moved();
  }

  /** The function of a running job has really ended: its slots are free. */
  finished(job: Job, failed: boolean, value: unknown): void {
    const { extras, timing } = job;
    if (extras !== undefined) {
      if (extras.cutOff !== undefined) extras.cutOff.isActive = false;
      extras.release();
    }
    if (timing !== undefined && timing.isSample) {
      this.#measure(job, timing, failed);
    }
    if (isOpen(job)) this.#settle(job, failed ? "failed" : "succeeded", value);
    else job[ended]?.(failed, value);
    extras?.group?.delete(job);
    if (this.#observers !== undefined) this.#observers.tell("ended", job);
    this.#changed();
    if (this.#stall !== undefined) this.#stall.moved();
  }

  #measure(job: Job, timing: JobTiming, failed: boolean): void {
    const ran = now() - timing.startedAt;
    this.#statistics.ended(job.priority, ran);
    if (job.state === "failed") this.#slots.timedOut();
    // A failure is often fast and says nothing about how long the work takes.
    else if (!failed && job.state === "running") {
      this.#slots.succeeded(job, ran);
    }
  }

  /** Somebody awaits a child: while it is queued, its parent's slot may serve it. */
  awaited(job: Job): void {
    const parent = job.extras?.parent;
    if (job.state !== "queued" || parent === undefined || !isActive(parent)) {
      return;
    }
    this.#dispatcher.lend(parent, job);
  }

  // --- Ending -----------------------------------------------------------------------------

  #settle(job: Job, state: TaskState, value: unknown): void {
    job.state = state;
    const statistics = this.#statistics;
    if (state === "succeeded") statistics.succeeded++;
    else if (state === "failed") statistics.failed++;
    else statistics.cancelled++;
    job[settle](state, value);
    if (this.#observers !== undefined) {
      this.#observers.tell(
        "settled",
        job,
        state === "succeeded" ? undefined : value,
      );
    }
  }

  /** Cancels a job for its owner. */
  cancel(job: Job, reason: unknown): void {
    if (!isOpen(job)) return;
    this.end(
      job,
      "cancelled",
      reason === undefined ? this.#cancelReasons.reasonFor(job) : reason,
    );
  }

  /** A time limit of the job has run out. */
  expire(job: Job): void {
    this.end(job, "failed", expiry(job, this.extrasOf(job)));
  }

  /**
   * Gives a job an outcome before its function has ended. Queued: it leaves the queue and never
   * starts. Running: its signal aborts, and its slots stay taken until the function has ended.
   * Settled: nothing.
   */
  end(job: Job, state: "cancelled" | "failed", reason: unknown): void {
    if (!isOpen(job)) return;
    const { extras } = job;
    const wasQueued = job.state === "queued";
    if (wasQueued && !this.#queue.has(job)) {
      return this.refuse(job, state, reason);
    }
    // Made while the job counts as running, since only then they know of its slot.
    const running = wasQueued ? undefined : this.extrasOf(job);
    if (wasQueued) this.#queue.remove(job);
    extras?.release();
    if (running !== undefined) running.cutOff = { reason, isActive: true };
    // From here on the job is settled for everybody, also for whom it is told below.
    this.#settle(job, state, reason);
    if (running === undefined) {
      extras?.group?.delete(job);
      this.#changed();
      this.#dispatcher.queueShrank();
      if (this.#stall !== undefined) this.#stall.queueChanged();
      return;
    }
    running.controller?.abort(reason);
    running.family?.children.cancel(this, reason);
  }

  readonly extrasOf: (job: Job) => JobExtras = (job) => {
    if (job.extras !== undefined) return job.extras;
    const extras = new JobExtras(job, this);
    // Asked for by a running task: it took one slot when it started without extras.
    if (job.state === "running") extras.slots = 1;
    return extras;
  };
}
