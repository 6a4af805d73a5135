/**
 * What becomes of a job: its outcome, early or when its function has ended. Whatever ends a job
 * (its function, its owner, a signal, a time limit, its parent, a full queue) does it here.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { abortError } from "../../_internal/errors.ts";
import { type LateFailure, lateFailure } from "../../_internal/late_failure.ts";
import {
  ended,
  type EndJob,
  isOpen,
  type Job,
  JobExtras,
  type JobTiming,
  settle,
} from "./job.ts";
import type { Listeners } from "./listeners.ts";
import type { Slots } from "./slots.ts";
import type { Statistics } from "./statistics.ts";
import type { TaskState } from "../types.ts";
import type { WaitingQueue } from "./waiting_queue.ts";

/** Ends jobs. */
export class Endings {
  // Invariant: a job is settled exactly once, by #settle or `refuse`, whose callers have seen it
  // open. Its place goes first (out of the queue, or marked as cut off and still active), so that
  // whoever is told of the outcome finds everything as it then is.
  readonly #queue: WaitingQueue;
  readonly #slots: Slots;
  readonly #statistics: Statistics;
  readonly #listeners: Listeners;
  readonly #queueShrank: () => void;
  readonly #cancelReasons = new CancelReasons();

  /** `queueShrank` is called when a job has left the queue without having been started. */
  constructor(
    queue: WaitingQueue,
    slots: Slots,
    statistics: Statistics,
    listeners: Listeners,
    queueShrank: () => void,
  ) {
    this.#queue = queue;
    this.#slots = slots;
    this.#statistics = statistics;
    this.#listeners = listeners;
    this.#queueShrank = queueShrank;
  }

  /** The extras of a job, made when it has none: through them its signal and its time limits end it. */
  readonly extrasOf: (job: Job) => JobExtras = (job) => {
    if (job.extras !== undefined) return job.extras;
    const extras = new JobExtras(job, this.end);
    // Asked for by a running task: it took one slot when it started without extras.
    if (job.state === "running") extras.slots = 1;
    return extras;
  };

  /** The function of a running job has really ended: its slots are free. */
  finish(job: Job, failed: boolean, value: unknown): void {
    const { extras, timing } = job;
    if (extras !== undefined) {
      if (extras.cutOff !== undefined) extras.cutOff.isActive = false;
      extras.release();
    }
    if (timing !== undefined && timing.isSample) {
      this.#measure(job, timing, failed);
    }
    let late: LateFailure | undefined;
    if (isOpen(job)) this.#settle(job, failed ? "failed" : "succeeded", value);
    else if (job[ended] !== undefined) {
      late = failed ? lateFailure(value, extras?.cutOff?.reason) : undefined;
      if (job[ended](late)) late = undefined;
    }
    extras?.group?.delete(job);
    this.#listeners.ended(job, late);
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

  #settle(job: Job, state: TaskState, value: unknown): void {
    job.state = state;
    const statistics = this.#statistics;
    if (state === "succeeded") statistics.succeeded++;
    else if (state === "failed") statistics.failed++;
    else statistics.cancelled++;
    job[settle](state, value);
    this.#listeners.settled(job, state === "succeeded" ? undefined : value);
  }

  /** Ends a job that was never accepted. */
  refuse(job: Job, state: "failed" | "cancelled", reason: unknown): void {
    job.extras?.release();
    job.state = state;
    job[settle](state, reason);
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

  /**
   * Gives a job an outcome before its function has ended. Queued: it leaves the queue and never
   * starts. Running: its signal aborts, and its slots stay taken until the function has ended.
   * Settled: nothing.
   */
  readonly end: EndJob = (job, state, reason) => {
    if (!isOpen(job)) return;
    if (job.state === "running") this.#cutOff(job, state, reason);
    else if (this.#queue.has(job)) this.#drop(job, state, reason);
    else this.refuse(job, state, reason);
  };

  #drop(job: Job, state: "cancelled" | "failed", reason: unknown): void {
    const { extras } = job;
    this.#queue.remove(job);
    extras?.release();
    this.#settle(job, state, reason);
    extras?.group?.delete(job);
    this.#listeners.moved();
    this.#queueShrank();
    this.#listeners.queueChanged();
  }

  #cutOff(job: Job, state: "cancelled" | "failed", reason: unknown): void {
    // Made while the job counts as running, since only then they know of its slot.
    const extras = this.extrasOf(job);
    extras.release();
    extras.cutOff = { reason, isActive: true };
    // From here on the job is settled for everybody, also for whom it is told below.
    this.#settle(job, state, reason);
    extras.controller?.abort(reason);
    extras.family?.children.cancel(reason);
  }
}

/** How many tasks that are cancelled in one turn without a reason get one with their name. */
const NAMED_CANCELS = 100;

/**
 * The reasons of cancels that name none. Those that come after many others in the same turn share
 * one: a DOMException and its stack take 800 bytes and 15 us, which for a million tasks is a good
 * part of the heap and most of the time.
 */
class CancelReasons {
  // Invariant: #named is above 0 only until the microtask that its first one has asked for.
  #named = 0;
  #shared: DOMException | undefined;

  /** The reason for cancelling `job`. */
  reasonFor(job: Job): DOMException {
    if (this.#named === 0) {
      queueMicrotask(() => {
        this.#named = 0;
        this.#shared = undefined;
      });
    }
    if (this.#named < NAMED_CANCELS) {
      this.#named++;
      return abortError(`Task ${job.name} was cancelled`);
    }
    return this.#shared ??= abortError(
      "The task was cancelled, as were many others in the same turn",
    );
  }
}
