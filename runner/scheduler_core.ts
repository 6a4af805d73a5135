/**
 * Priority scheduling: decides which waiting job starts next and keeps at most `maxConcurrent`
 * slots in use. Knows nothing of HTTP, files or streams, and nothing of the public classes.
 *
 * What must always hold:
 * - A job that was accepted is in exactly one place: the waiting queue, the running list, or
 *   neither, and then it is settled. One that is being accepted is in none, and `end` may reach it
 *   there, since making room for it ends or starts others: it is then refused. Only `#next` (queue to running), `#finish` (running to
 *   nowhere) and `end` (queue to nowhere) move it.
 * - `#used` is the sum of `slots` over the running list. It rises above the limit only when the
 *   limit is lowered below it.
 * - While a slot is free and a job may start, either a drain is scheduled, or one is going on, or
 *   the scheduler is held (paused, or in a turn for timers and I/O), or a timer waits for the
 *   rate limit.
 *
 * Everything happens synchronously in one thread; user code is only called where the state is
 * complete (task functions, abort listeners, observers), so whatever it calls back is safe.
 *
 * @module
 */
import { contextAccess } from "../_internal/async_context.ts";
import { now } from "../_internal/clock.ts";
import { abortError, report, timeoutError } from "../_internal/errors.ts";
import { isThenable } from "../_internal/thenable.ts";
import { type TimerEntry, timers } from "../_internal/timer_queue.ts";
import { functionNamed } from "../_internal/validate.ts";
import {
  type CutOff,
  type OpenScope,
  refusalOf,
  type ScopeHost,
} from "./admission.ts";
import { AdaptiveLimit } from "./adaptive_limit.ts";
import { Conditions } from "./conditions.ts";
import { JobContext } from "./context.ts";
import { QueueFullError } from "./errors.ts";
import { ChildHandle } from "./handle.ts";
import {
  ended,
  isActive,
  isOpen,
  type Job,
  JobExtras,
  JobList,
  JobTiming,
  settle,
} from "./job.ts";
import { familyOf, type JobFamily } from "./job_family.ts";
import type { JobGroup } from "./job_group.ts";
import { KeyedQueue } from "./keyed_queue.ts";
import type { TaskPriority } from "./priority.ts";
import { Observers } from "./observers.ts";
import { RateLimit } from "./rate_limit.ts";
import { ReadyGate } from "./ready_gate.ts";
import {
  checkPriority,
  checkSchedulerOptions,
  checkSignal,
  concurrency,
  DEFAULT_CONCURRENCY,
  type SchedulerOptions,
  takeSubmitOptions,
} from "./scheduler_options.ts";
import { SlotLending } from "./slot_lending.ts";
import { type StallReport, StallWatch } from "./stall_watch.ts";
import { type SchedulerStatistics, Statistics } from "./statistics.ts";
import { TurnBudget } from "./turn_budget.ts";
import { type TaskTelemetry, taskTelemetry } from "./task_telemetry.ts";
import { type Timeline, TimelineRecorder } from "./timeline.ts";
import type {
  SubmitOptions,
  Task,
  TaskHandle,
  TaskInfo,
  TaskState,
} from "./types.ts";
import { LevelQueue, type WaitingQueue } from "./waiting_queue.ts";

/** How many waiting tasks a stall report names. */
const STALL_REPORT_LENGTH = 100;

/** How many tasks that are cancelled in one turn without a reason get one with their name. */
const NAMED_CANCELS = 100;

/** The mechanism behind TaskScheduler, AsyncRunner and their scopes. */
export class SchedulerCore implements ScopeHost {
  readonly conditions: Conditions = new Conditions();
  /** Batches that submit as many as may run: told when the limit is changed. */
  readonly batches: Set<{ pump(): void }> = new Set();
  readonly #gate = new ReadyGate(() => this.#room);
  refusal: (() => unknown) | undefined = undefined;
  /** Set by `cancelAll`: from then on not even the children of accepted jobs are accepted. */
  cutOff: CutOff | undefined = undefined;
  /** The open scopes, outer before inner: they are cancelled along with the tasks. */
  readonly scopes: Set<OpenScope> = new Set();
  readonly #queue: WaitingQueue;
  readonly #keyed: boolean;
  /** Aging and the adaptive limit look at every job's times. */
  readonly #timesAll: boolean;
  readonly #maxQueue: number;
  readonly #overflow: SchedulerOptions["overflow"];
  readonly #rate: RateLimit | undefined;
  readonly #adaptive: AdaptiveLimit | undefined;
  readonly #telemetry: TaskTelemetry | undefined = taskTelemetry();
  readonly #timeline: TimelineRecorder | undefined;
  readonly #observers: Observers | undefined;
  readonly #stall: StallWatch | undefined;
  readonly #statistics = new Statistics();
  readonly #contexts = contextAccess();
  readonly #lending: SlotLending;
  readonly #running = new JobList();
  #runningCount = 0;
  #limit: number;
  #used = 0;
  #paused: boolean;
  readonly #turn = new TurnBudget(() => this.#scheduleDrain());
  #drainScheduled = false;
  /** A worker is between the end of one job and the start of the next: it will take what comes. */
  #handingOver = false;
  #rateTimer: TimerEntry | undefined;
  #namedCancels = 0;
  #sharedReason: DOMException | undefined;

  constructor(options: SchedulerOptions) {
    checkSchedulerOptions(options);
    const { aging = Infinity, maxPerKey = Infinity, adaptive } = options;
    this.#limit = options.maxConcurrent ?? DEFAULT_CONCURRENCY;
    this.#maxQueue = options.maxQueue ?? Infinity;
    this.#overflow = options.overflow ?? "wait";
    this.#rate = options.rateLimit && new RateLimit(options.rateLimit);
    this.#timeline = options.timeline === undefined
      ? undefined
      : new TimelineRecorder(options.timeline);
    const observers = [this.#telemetry, this.#timeline, options.observer]
      .filter((observer) => observer !== undefined);
    if (observers.length > 0) this.#observers = new Observers(observers);
    this.#stall = options.onStall && new StallWatch(options.onStall, this);
    this.#paused = options.paused ?? false;
    this.#keyed = maxPerKey < Infinity;
    this.#queue = this.#keyed
      ? new KeyedQueue(maxPerKey, aging)
      : new LevelQueue(aging);
    if (adaptive) {
      const bounds = adaptive === true ? {} : adaptive;
      this.#adaptive = new AdaptiveLimit(
        bounds,
        options.maxConcurrent ?? DEFAULT_CONCURRENCY,
      );
      this.#limit = this.#adaptive.limit;
    }
    this.#lending = new SlotLending(this.#extrasOf);
    this.#timesAll = aging < Infinity || this.#adaptive !== undefined;
  }

  // --- What can be seen -------------------------------------------------------------------

  get size(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#runningCount;
  }

  get isIdle(): boolean {
    return this.#runningCount === 0 && this.#queue.size === 0;
  }

  get isFull(): boolean {
    return this.#queue.size >= this.#maxQueue && this.#room <= 0;
  }

  /**
   * How many more may be submitted before the queue is full. Jobs for which a slot is free do
   * not count as waiting: they only have not been started yet.
   */
  get #room(): number {
    return this.#maxQueue - (this.#queue.size - this.#vacancy);
  }

  /** Whether a batch may submit one more now, without getting before those who wait for room. */
  get hasRoom(): boolean {
    return this.#maxQueue === Infinity || this.#gate.isOpen;
  }

  /** Resolves when it is one's turn to submit to a queue that may be full. */
  ready(signal?: AbortSignal): Promise<void> {
    if (signal !== undefined) checkSignal("signal", signal);
    return this.#gate.wait(signal);
  }

  /** Something has changed that somebody may wait for. */
  #changed(): void {
    if (this.conditions.hasWaiters) this.conditions.check();
    if (this.#gate.hasWaiters) this.#gate.check();
  }

  /** How many jobs may start now, as far as slots and the rate limit are concerned. */
  get #vacancy(): number {
    if (this.#paused) return 0;
    const free = Math.max(0, this.#limit - this.#used);
    if (this.#rate === undefined) return free;
    // With nothing in the queue no timer waits for the rate limit, so nobody could be told when
    // it allows more: the first job is let in and waits for it.
    const allowance = this.#rate.allowance();
    return Math.min(free, this.#queue.size === 0 ? 1 : allowance);
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  get maxConcurrent(): number {
    return this.#limit;
  }

  get hasBlockedWork(): boolean {
    return this.#queue.size > 0 && !this.#paused &&
      this.#rateTimer === undefined;
  }

  describe(stalledFor: number): StallReport {
    const queued: TaskInfo[] = [];
    for (const job of this.#queue.jobs()) {
      if (queued.push(job) === STALL_REPORT_LENGTH) break;
    }
    return { stalledFor, running: this.runningJobs(), queued };
  }

  /** Whether everything has ended, the scopes included. */
  get isOver(): boolean {
    return this.isIdle && this.scopes.size === 0;
  }

  scopeEnded(scope: OpenScope): void {
    this.scopes.delete(scope);
    this.#changed();
  }

  runningJobs(): Job[] {
    const jobs: Job[] = [];
    for (let job = this.#running.first; job; job = job.next) jobs.push(job);
    return jobs;
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
    const { submitted, succeeded, failed, cancelled } = this.#statistics;
    return {
      queued: this.#queue.size,
      running: this.#runningCount,
      maxConcurrent: this.#limit,
      submitted,
      succeeded,
      failed,
      cancelled,
      byPriority: this.#statistics.byPriority(),
    };
  }

  // --- What can be changed ----------------------------------------------------------------

  setMaxConcurrent(value: number): void {
    concurrency("maxConcurrent", value);
    this.#limit = this.#adaptive === undefined
      ? value
      : this.#adaptive.startFrom(value);
    for (const batch of [...this.batches]) batch.pump();
    this.#changed();
    this.#scheduleDrain();
  }

  pause(): void {
    this.#paused = true;
    this.#stopRateTimer();
    this.#stall?.stop();
  }

  resume(): void {
    this.#paused = false;
    this.#changed();
    this.#scheduleDrain();
    if (this.#stall !== undefined) this.#stall.queueChanged();
  }

  /** Cancels everything that waits now. */
  clear(reason: unknown): void {
    // A copy: whoever is told may submit or cancel others.
    for (const job of [...this.#queue.jobs()]) {
      if (job.state === "queued") this.end(job, "cancelled", reason);
    }
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

  // --- Submitting -------------------------------------------------------------------------

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
    if (typeof job.task !== "function") throw notATask(job.task);
    if (options !== undefined) {
      // An adaptive limit may have shrunk for the moment: what counts is how far it can grow.
      const heaviest = this.#adaptive?.max ?? this.#limit;
      takeSubmitOptions(job, options, heaviest, this.#extrasOf);
    }
    const context = this.#contexts.capture();
    if (context !== undefined) this.#extrasOf(job).context = context;
    if (parent !== undefined) this.#extrasOf(job).parent = parent;
    if (this.#refuses(job, accepted, group)) return;
    if (this.#queue.size >= this.#maxQueue) {
      // Others may be started or told of their end there, and do anything, so it is asked again.
      if (!this.#makeRoom(job) || this.#refuses(job, accepted, group)) return;
    }
    this.#accept(job, group);
  }

  #accept(job: Job, group: JobGroup | undefined): void {
    if (job.extras !== undefined) {
      const { signal, deadline } = job.extras;
      if (signal !== undefined) job.extras.watch(signal);
      if (deadline < Infinity) job.extras.limit(deadline);
    }
    if (this.#keyed) this.#extrasOf(job);
    if (group !== undefined) {
      this.#extrasOf(job).group = group;
      group.add(job);
    }
    const isSample = this.#statistics.measures();
    if (isSample || this.#timesAll) {
      job.timing = new JobTiming(
        now(),
        isSample || this.#adaptive !== undefined,
      );
    }
    this.#statistics.submitted++;
    this.#queue.push(job);
    if (this.#observers !== undefined) this.#observers.tell("queued", job);
    if (this.#used < this.#limit) this.#scheduleDrain();
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
    if (job.extras === undefined) return false;
    const { signal, deadline, timeout } = job.extras;
    if (signal?.aborted) {
      this.refuse(job, "cancelled", signal.reason);
      return true;
    }
    if (timeout === 0 || (deadline < Infinity && deadline <= now())) {
      this.refuse(job, "failed", this.#expiry(job));
      return true;
    }
    return false;
  }

  /** The queue is full: applies the overflow policy; false when the newcomer is turned away. */
  #makeRoom(job: Job): boolean {
    if (this.#overflow === "wait") return true;
    // What a free slot is waiting for does not wait: it starts now.
    if (!this.#handingOver) {
      const { isLifted } = this.#turn;
      this.#turn.isLifted = true;
      this.#drain();
      this.#turn.isLifted = isLifted;
    }
    if (!isOpen(job) || this.#hasRoomFor(job)) return true;
    let victim: Job | undefined;
    if (this.#overflow === "drop-oldest") victim = this.#queue.oldest();
    else if (this.#overflow === "drop-lowest") {
      const lowest = this.#queue.lowest();
      if (lowest && lowest.priority > job.priority) victim = lowest;
    }
    const error = new QueueFullError((victim ?? job).name, this.#maxQueue);
    if (victim === undefined) {
      this.refuse(job, "failed", error);
      return false;
    }
    this.end(victim, "failed", error);
    return true;
  }

  #hasRoomFor(job: Job): boolean {
    const { size, startable } = this.#queue;
    if (size < this.#maxQueue) return true;
    // The slot that changes hands is not taken yet: who gets it counts as started.
    if (this.#handingOver) return !this.isFull;
    // Whatever could start has started, so only slots that nothing waits for are left.
    return startable === 0 && this.#queue.hasPlace(job.key) &&
      this.#vacancy >= job.weight;
  }

  /** Ends a job that was never accepted. */
  refuse(job: Job, state: "failed" | "cancelled", reason: unknown): void {
    job.extras?.release();
    job.state = state;
    job[settle](state, reason);
  }

  // --- Starting ---------------------------------------------------------------------------

  /** Lets waiting jobs start in a microtask, so that submits of one tick compete by priority. */
  #scheduleDrain(): void {
    if (
      this.#drainScheduled || this.#handingOver || this.#paused ||
      this.#turn.isSpent || this.#queue.size === 0
    ) return;
    this.#drainScheduled = true;
    queueMicrotask(this.#drain);
  }

  readonly #drain = (): void => {
    this.#drainScheduled = false;
    for (let job = this.#next(); job !== undefined; job = this.#next()) {
      // Never rejects: whatever a task throws is its outcome.
      void this.#work(job);
    }
  };

  /** One slot: runs a job, then the next, as long as one may start. */
  async #work(job: Job | undefined): Promise<void> {
    while (job !== undefined) {
      let failed = false;
      let value: unknown;
      try {
        // An observer may have cancelled it just now.
        if (job.state === "running") {
          value = this.#contexts.run(
            job.extras?.context,
            this.#telemetry === undefined ? job : this.#telemetry.within(job),
            new JobContext(job, this),
          );
          if (isThenable(value)) value = await value;
        }
      } catch (error) {
        failed = true;
        value = error;
      }
      const family = job.extras?.family;
      while (family !== undefined && !family.hasEnded) {
        await this.#endOfFamily(job, family);
      }
      // The slot changes hands within this turn: nothing that is submitted by whoever is told
      // of the end can come before what waits already.
      this.#handingOver = true;
      this.#finish(job, failed, value);
      job = this.#next();
      this.#handingOver = false;
      if (this.#used < this.#limit || this.#lending.isOffered) {
        this.#scheduleDrain();
      }
    }
  }

  /** Takes the next job that may start and gives it its slot; `undefined` when none may. */
  #next(): Job | undefined {
    for (;;) {
      if (this.#paused || this.#queue.size === 0) return undefined;
      if (this.#turn.spend()) return undefined;
      if (this.#lending.isOffered) {
        const borrower = this.#nextBorrower();
        if (borrower !== undefined) return borrower;
      }
      if (this.#used >= this.#limit) return undefined;
      const job = this.#queue.peek();
      if (job === undefined) return undefined;
      const { extras } = job;
      // Whoever is told of it may have changed anything, so all is looked at again.
      if (extras !== undefined && this.#isLate(job, extras)) continue;
      // A heavy job at the head waits for its slots and nothing overtakes it. One that has become
      // heavier than the limit, since that was lowered, runs alone.
      const weight = extras === undefined ? 1 : extras.weight;
      if (this.#used + weight > this.#limit && this.#used > 0) return undefined;
      if (!this.#rateAllows()) return undefined;
      this.#queue.take(job);
      this.#used += weight;
      if (extras !== undefined) extras.slots = weight;
      this.#start(job);
      return job;
    }
  }

  /**
   * Ends a queued job whose deadline has passed. Its timer does the same, but comes later when
   * a task has kept the thread busy, and what has expired must not start.
   */
  #isLate(job: Job, { deadline }: JobExtras): boolean {
    if (deadline === Infinity || deadline > now()) return false;
    this.expire(job);
    return true;
  }

  #start(job: Job): void {
    job.state = "running";
    this.#running.push(job);
    this.#runningCount++;
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

  #rateAllows(): boolean {
    if (this.#rate === undefined) return true;
    const time = this.#rate.nextStart();
    if (time === 0) {
      // Its time may have come a moment before the timer fires.
      this.#stopRateTimer();
      this.#rate.started();
      return true;
    }
    this.#rateTimer ??= timers.add(time, {
      timeUp: () => {
        this.#rateTimer = undefined;
        this.#scheduleDrain();
      },
    });
    return false;
  }

  #stopRateTimer(): void {
    if (this.#rateTimer !== undefined) timers.remove(this.#rateTimer);
    this.#rateTimer = undefined;
  }

  // --- Ending -----------------------------------------------------------------------------

  /** The function of a running job has really ended: its slot is free. */
  #finish(job: Job, failed: boolean, value: unknown): void {
    this.#running.remove(job);
    this.#runningCount--;
    const { extras, timing } = job;
    if (extras === undefined) this.#used--;
    else {
      if (extras.cutOff !== undefined) extras.cutOff.isActive = false;
      // No child of the job is left, so nobody runs in its slots.
      this.#used -= extras.slots;
      this.#lending.giveBack(extras);
      extras.release();
    }
    if (this.#keyed) this.#queue.ended(job);
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
    if (this.#adaptive === undefined) return;
    if (job.state === "failed") this.#adaptive.timedOut();
    // A failure is often fast and says nothing about how long the work takes.
    else if (!failed && job.state === "running") {
      this.#adaptive.succeeded(ran, this.#used + job.weight);
    }
    this.#limit = this.#adaptive.limit;
  }

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
      reason === undefined ? this.#defaultReason(job) : reason,
    );
  }

  /**
   * The reason of a cancel that names none. Those that come after many others in the same turn
   * share one: a DOMException and its stack take 800 bytes and 15 us, which for a million tasks
   * is a good part of the heap and most of the time.
   */
  #defaultReason(job: Job): DOMException {
    if (this.#namedCancels === 0) {
      queueMicrotask(() => {
        this.#namedCancels = 0;
        this.#sharedReason = undefined;
      });
    }
    if (this.#namedCancels < NAMED_CANCELS) {
      this.#namedCancels++;
      return abortError(`Task ${job.name} was cancelled`);
    }
    return this.#sharedReason ??= abortError(
      "The task was cancelled, as were many others in the same turn",
    );
  }

  /** A time limit of the job has run out. */
  expire(job: Job): void {
    this.end(job, "failed", this.#expiry(job));
  }

  #expiry(job: Job): DOMException {
    const { timeout, deadline } = this.#extrasOf(job);
    if (job.state === "queued" && timeout > 0) {
      return timeoutError(
        `Task ${job.name} was still queued at its deadline and was not started`,
      );
    }
    const limit = timeout < Infinity && (deadline > now() || timeout === 0)
      ? `timeout of ${timeout} ms`
      : "deadline";
    return timeoutError(
      `Task ${job.name} did not end within its ${limit} and was aborted`,
    );
  }

  /**
   * Gives a job an outcome before its function has ended. Queued: it leaves the queue and never
   * starts. Running: its signal aborts, and its slot stays taken until `#finish`. Settled: nothing.
   */
  end(job: Job, state: "cancelled" | "failed", reason: unknown): void {
    if (!isOpen(job)) return;
    const { extras } = job;
    const wasQueued = job.state === "queued";
    if (wasQueued && !this.#queue.has(job)) {
      return this.refuse(job, state, reason);
    }
    // Made while the job counts as running, since only then they know of its slot.
    const running = wasQueued ? undefined : this.#extrasOf(job);
    if (wasQueued) this.#queue.remove(job);
    extras?.release();
    if (running !== undefined) running.cutOff = { reason, isActive: true };
    // From here on the job is settled for everybody, also for whom it is told below.
    this.#settle(job, state, reason);
    if (running === undefined) {
      extras?.group?.delete(job);
      this.#changed();
      if (this.#queue.size === 0) this.#stopRateTimer();
      // It may have been the heavy one at the head that held up the others.
      else if (this.#used < this.#limit) this.#scheduleDrain();
      if (this.#stall !== undefined) this.#stall.queueChanged();
      return;
    }
    running.controller?.abort(reason);
    running.family?.children.cancel(this, reason);
  }

  /**
   * The function of a job has ended, but children or shielded work have not: no child outlives
   * its parent, so the job has not really ended either.
   */
  async #endOfFamily(
    job: Job,
    { children, shields }: JobFamily,
  ): Promise<void> {
    if (!children.isEmpty) {
      children.cancel(
        this,
        abortError(
          `Task ${job.name} ended before this task, which it had submitted`,
        ),
      );
      await children.whenEmpty();
    }
    await Promise.allSettled(shields);
  }

  // --- Children, and the slots that are lent to them ----------------------------------------

  submitChild<T>(
    parent: Job,
    task: Task<T>,
    options?: SubmitOptions,
  ): TaskHandle<T> {
    const handle = new ChildHandle<T>(task, this);
    const weight = options?.weight ?? 1;
    if (weight > parent.weight) {
      throw new RangeError(
        `weight must not be above that of the parent task (${parent.weight}), whose slots a child may have to use, got ${weight}`,
      );
    }
    const extras = this.#extrasOf(parent);
    if (parent.state !== "running") {
      this.refuse(
        handle,
        "cancelled",
        extras.cutOff?.reason ??
          abortError(`Task ${parent.name} has ended: it can submit no more`),
      );
      return handle;
    }
    this.submit(
      handle,
      options?.priority === undefined
        ? { ...options, priority: parent.priority }
        : options,
      familyOf(extras).children,
      true,
      parent,
    );
    return handle;
  }

  /** Somebody awaits a child: while it is queued, its parent's slot may serve it. */
  awaited(job: Job): void {
    const parent = job.extras?.parent;
    if (job.state !== "queued" || parent === undefined || !isActive(parent)) {
      return;
    }
    this.#lending.offer(parent, job);
    this.#scheduleDrain();
  }

  /** The next child that may run in the slot of the parent that awaits it. */
  #nextBorrower(): Job | undefined {
    for (const child of this.#lending.candidates()) {
      // Whoever is told of its end may have changed anything, so all is looked at again.
      if (child.extras !== undefined && this.#isLate(child, child.extras)) {
        return this.#nextBorrower();
      }
      if (!this.#queue.admits(child)) continue;
      if (!this.#rateAllows()) return undefined;
      this.#queue.take(child);
      this.#lending.lend(child);
      this.#start(child);
      return child;
    }
    return undefined;
  }

  // --- What a running task asks for ---------------------------------------------------------

  signalOf(job: Job): AbortSignal {
    return this.#extrasOf(job).openSignal();
  }

  progress(job: Job, value: unknown): void {
    const listener = job.extras?.onProgress;
    if (listener === undefined || job.state !== "running") return;
    try {
      listener(value);
    } catch (error) {
      report(`onProgress of task ${job.name} threw`, error);
    }
  }

  shield<T>(
    job: Job,
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
  ): Promise<T> {
    functionNamed("fn", fn);
    const work = (async () => await fn(new AbortController().signal))();
    if (isActive(job)) familyOf(this.#extrasOf(job)).shield(work);
    // Not `work` itself, whose failure counts as seen: this one nobody has looked at yet.
    return work.then((value) => value);
  }

  /** Whether work runs that must not be cut off. */
  get isShielded(): boolean {
    return this.runningJobs().some((job) =>
      (job.extras?.family?.shields.size ?? 0) > 0
    );
  }

  // --- Small parts --------------------------------------------------------------------------

  setPriority(job: Job, priority: TaskPriority): void {
    checkPriority(priority);
    if (job.state !== "queued" || job.priority === priority) return;
    this.#queue.move(job, priority);
    if (this.#used < this.#limit) this.#scheduleDrain();
  }

  readonly #extrasOf = (job: Job): JobExtras => {
    if (job.extras !== undefined) return job.extras;
    const extras = new JobExtras(job, this);
    // Asked for by a running task: it took one slot when it started without extras.
    if (job.state === "running") extras.slots = 1;
    return extras;
  };
}

function notATask(value: unknown): TypeError {
  const advice = isThenable(value)
    ? " A promise has already started: pass a function that makes it, () => work()."
    : "";
  return new TypeError(
    `task must be a function (context) => value or promise, got ${
      isThenable(value) ? "a promise" : String(value)
    }.${advice}`,
  );
}
