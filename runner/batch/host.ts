/**
 * The host of batches: what gather, map, race, any and scope need of whoever runs their tasks. A
 * scheduler is one (SchedulerHost), and so is a cluster.
 *
 * Outcome and end of a task are two things. The outcome is there at once when a task is cancelled or
 * its time is up; its function may run on, and has ended later. A batch settles when everything in
 * it has ended.
 *
 *     submitted ──▶ settled, and ended with it
 *         └───────▶ settled early (cancelled, timed out) ──▶ ended
 *
 * @module
 */
import type { LateFailure } from "../../_internal/late_failure.ts";
import type { AcceptedWork, Refusal } from "../scheduler/admission.ts";
import type { SubmitOptions, Task, TaskHandle, TaskState } from "../types.ts";

/** Whoever has submitted tasks and is told what becomes of each. What is told must not throw. */
export interface JobOwner<Job> {
  /**
   * The outcome, told once and synchronously: perhaps within the submit. Unless it `hasEnded` with
   * it, `ended` follows.
   */
  settled(
    job: Job,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void;
  /**
   * The function has ended after the outcome. `late`: it failed then, and not only with what it had
   * been cut off with. True: the owner tells of that, so that nobody else has to.
   */
  ended(job: Job, late: LateFailure | undefined): boolean;
}

/** One task of a batch. It has no promise: its owner is told. */
export interface HostJob {
  /** What it is called in reports. */
  readonly name: string;
  /** What to run. */
  readonly task: Task<unknown>;
  /** Who is told what becomes of it. */
  readonly owner: JobOwner<HostJob>;
}

/** A batch that submits as many as may be open. */
export interface LimitFollower {
  /** The limit of its host is another one. */
  limitChanged(): void;
}

/** Runs the tasks of batches. */
export interface BatchHost {
  /** What a task is submitted with that says nothing else. */
  readonly defaults: SubmitOptions | undefined;
  /** How many tasks of one batch may be open at once, if it says nothing else. */
  readonly limit: number;
  /** Whether `limit` also changes by itself, of which nobody is told. */
  readonly isAdaptive: boolean;
  /** Told when `limit` has changed. */
  readonly followers: Set<LimitFollower>;
  /** Whether the queue is full: of interest to who submits one by one. */
  readonly isFull: boolean;
  /** Whether a batch may submit one more now, without getting before those who wait for room. */
  readonly hasRoom: boolean;
  /** Resolves when it is one's turn to submit; rejects with the reason of `signal`. */
  ready(signal?: AbortSignal): Promise<void>;
  /** How new work is refused now, if it is. */
  readonly refusal: Refusal | undefined;
  /**
   * Submits a job of a batch that was let in, or settles it at once.
   *
   * @throws {RangeError} or {TypeError} when its task or an option is wrong.
   */
  submitJob(job: HostJob, options: SubmitOptions | undefined): void;
  /** Cancels a job, from the call of `submitJob` on; one that has its outcome is left alone. */
  cancelJob(job: HostJob, reason: unknown): void;
  /** Submits a task of a scope that was let in, and gives its handle. */
  submit<T>(
    task: Task<T>,
    options: SubmitOptions | undefined,
    owner: JobOwner<TaskHandle<unknown>>,
  ): TaskHandle<T>;
  /** Tells of a failure of a job that its batch passes on to nobody. */
  tellFailure(job: HostJob, error: unknown): void;
  /** Work that may submit more has begun: a shutdown waits for it, or cancels it, now or later. */
  begin(work: AcceptedWork): void;
  /** That work has ended. */
  end(work: AcceptedWork): void;
}
