/**
 * Starting: when waiting jobs are looked at, which of them starts next, and the loop in which one
 * slot runs job after job.
 *
 * Jobs start in a microtask after their submit, so that submits of one tick compete by priority.
 * A slot that comes free changes hands within the turn in which its job has ended, so nothing that
 * is submitted by whoever is told of the end can come before what waits already.
 *
 * @module
 */
import { contextAccess } from "../../_internal/async_context.ts";
import { now } from "../../_internal/clock.ts";
import { isThenable } from "../../_internal/thenable.ts";
import type { Endings } from "./endings.ts";
import type { Job, JobExtras } from "./job.ts";
import { SlotLending } from "./job_family.ts";
import type { Listeners } from "./listeners.ts";
import type { SchedulerOptions } from "./options.ts";
import { RateGate } from "./rate_gate.ts";
import type { Slots } from "./slots.ts";
import type { Statistics } from "./statistics.ts";
import type { TaskTelemetry } from "../observe/task_telemetry.ts";
import { TurnBudget } from "./turn_budget.ts";
import type { TaskContext } from "../types.ts";
import type { WaitingQueue } from "./waiting_queue.ts";

/** Takes jobs from the queue as slots, the rate limit and the event loop allow. */
export class Dispatcher {
  // Invariant: while a slot is free and a job may start, either a drain is scheduled or going on,
  // or a slot is changing hands, or nothing may start (paused, or the event loop is to turn
  // first), or a timer waits for the rate limit. Whoever frees something calls `schedule`.
  // User code is called where a job is `started`, where it is late, and in its function; after
  // each of them everything is looked at again.
  readonly #queue: WaitingQueue;
  readonly #slots: Slots;
  readonly #statistics: Statistics;
  readonly #listeners: Listeners;
  readonly #endings: Endings;
  readonly #contextOf: (job: Job) => TaskContext;
  readonly #telemetry: TaskTelemetry | undefined;
  readonly #rate: RateGate | undefined;
  readonly #lending = new SlotLending();
  readonly #contexts = contextAccess();
  readonly #turn = new TurnBudget(() => this.schedule());
  #isPaused: boolean;
  #isScheduled = false;
  #isHandingOver = false;

  constructor(
    queue: WaitingQueue,
    slots: Slots,
    statistics: Statistics,
    listeners: Listeners,
    endings: Endings,
    contextOf: (job: Job) => TaskContext,
    telemetry: TaskTelemetry | undefined,
    { rateLimit, paused = false }: SchedulerOptions,
  ) {
    this.#queue = queue;
    this.#slots = slots;
    this.#statistics = statistics;
    this.#listeners = listeners;
    this.#endings = endings;
    this.#contextOf = contextOf;
    this.#telemetry = telemetry;
    this.#rate = rateLimit && new RateGate(rateLimit, () => this.schedule());
    this.#isPaused = paused;
  }

  /** Nothing starts until `resume`. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** A worker is between the end of one job and the start of the next: it will take what comes. */
  get isHandingOver(): boolean {
    return this.#isHandingOver;
  }

  /** Whether jobs wait that only a free slot or place would let start. */
  get hasBlockedWork(): boolean {
    return this.#queue.size > 0 && !this.#isPaused && !this.#rate?.isWaiting;
  }

  /** How many jobs may start now, as far as slots and the rate limit are concerned. */
  get vacancy(): number {
    if (this.#isPaused) return 0;
    const { free } = this.#slots;
    if (this.#rate === undefined) return free;
    // With nothing in the queue no timer waits for the rate limit, so nobody could be told when
    // it allows more: the first job is let in and waits for it.
    const { allowance } = this.#rate;
    return Math.min(free, this.#queue.size === 0 ? 1 : allowance);
  }

  pause(): void {
    this.#isPaused = true;
    this.#rate?.stop();
  }

  resume(): void {
    this.#isPaused = false;
  }

  /** Jobs have left the queue without having been started. */
  queueShrank(): void {
    if (this.#queue.size === 0) this.#rate?.stop();
    // It may have been the heavy one at the head that held up the others.
    else if (this.#slots.hasFree) this.schedule();
  }

  /** Lets waiting jobs start in a microtask. */
  schedule(): void {
    if (
      this.#isScheduled || this.#isHandingOver || this.#isPaused ||
      this.#turn.isSpent || this.#queue.size === 0
    ) return;
    this.#isScheduled = true;
    queueMicrotask(this.#drain);
  }

  /** Starts what may start at once, without waiting for a turn of the event loop. */
  startAll(): void {
    if (this.#isHandingOver) return;
    const { isLifted } = this.#turn;
    this.#turn.isLifted = true;
    this.#drain();
    this.#turn.isLifted = isLifted;
  }

  /** Somebody awaits a queued child of `parent`, which is active: its slot may serve it. */
  lend(parent: Job, child: Job): void {
    this.#lending.offer(parent, child);
    this.schedule();
  }

  readonly #drain = (): void => {
    this.#isScheduled = false;
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
            this.#contextOf(job),
          );
          if (isThenable(value)) value = await value;
        }
      } catch (error) {
        failed = true;
        value = error;
      }
      const family = job.extras?.family;
      while (family !== undefined && !family.hasEnded) {
        await family.endWith(job);
      }
      this.#isHandingOver = true;
      this.#finish(job, failed, value);
      job = this.#next();
      this.#isHandingOver = false;
      if (this.#slots.hasFree || this.#lending.isOffered) this.schedule();
    }
  }

  #finish(job: Job, failed: boolean, value: unknown): void {
    // No child of the job is left, so nobody runs in its slots.
    this.#slots.giveBack(job);
    if (job.extras !== undefined) {
      this.#lending.giveBack(job.extras);
      // Only a key is of interest here, and a job without extras has none.
      this.#queue.ended(job);
    }
    this.#endings.finish(job, failed, value);
  }

  /** Takes the next job that may start and gives it its slot; `undefined` when none may. */
  #next(): Job | undefined {
    for (;;) {
      if (this.#isPaused || this.#queue.size === 0) return undefined;
      if (this.#turn.spend()) return undefined;
      if (this.#lending.isOffered) {
        const borrower = this.#nextBorrower();
        if (borrower !== undefined) return borrower;
      }
      if (!this.#slots.hasFree) return undefined;
      const job = this.#queue.peek();
      if (job === undefined) return undefined;
      const { extras } = job;
      if (extras !== undefined && hasExpired(extras)) continue;
      const weight = extras === undefined ? 1 : extras.weight;
      // A heavy job at the head waits for its slots and nothing overtakes it.
      if (!this.#slots.fits(weight)) return undefined;
      if (this.#rate !== undefined && !this.#rate.admits()) return undefined;
      this.#queue.take(job);
      return this.#start(job, weight);
    }
  }

  /** The next child that may run in the slot of the parent that awaits it. */
  #nextBorrower(): Job | undefined {
    for (const child of this.#lending.candidates(this.#admits)) {
      if (child.extras !== undefined && hasExpired(child.extras)) {
        return this.#nextBorrower();
      }
      if (this.#rate !== undefined && !this.#rate.admits()) return undefined;
      this.#queue.take(child);
      this.#lending.lend(child);
      return this.#start(child, 0);
    }
    return undefined;
  }

  readonly #admits = (child: Job): boolean => this.#queue.admits(child);

  /** The job has left the queue: gives it its slots. Its function is called next. */
  #start(job: Job, slots: number): Job {
    job.state = "running";
    this.#slots.take(job, slots);
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
    this.#listeners.started(job);
    return job;
  }
}

/**
 * Ends a queued job whose deadline has passed. Its timer does the same, but comes later when
 * a task has kept the thread busy, and what has expired must not start.
 */
function hasExpired(extras: JobExtras): boolean {
  const { deadline } = extras;
  if (deadline === Infinity || deadline > now()) return false;
  extras.expire();
  return true;
}
