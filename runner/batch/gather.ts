/**
 * Running many tasks and having all results, in order. Tasks are taken from the source only as
 * fast as they may run, and carry no promise each.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { contextAccess } from "../../_internal/async_context.ts";
import { abortError } from "../../_internal/errors.ts";
import {
  type LateFailure,
  lateFailure,
  reportLate,
} from "../../_internal/late_failure.ts";
import { boolean, type Checks } from "../../_internal/validate.ts";
import type { AcceptedWork } from "../scheduler/admission.ts";
import { OwnedJob } from "../scheduler/job.ts";
import {
  BATCH_CHECKS,
  type RaceOptions,
  submitOptions,
  takeBatch,
} from "./batch.ts";
import type { BatchHost, JobOwner, LimitFollower } from "./host.ts";
import type { SubmitOptions, Task, TaskState } from "../types.ts";

/** What `gather` submits each task with. */
export interface GatherOptions extends RaceOptions {
  /**
   * `true`: never rejects for a task; gives what `Promise.allSettled` gives. @default {false}
   */
  settled?: boolean | undefined;
}

const CHECKS: Checks<GatherOptions> = { ...BATCH_CHECKS, settled: boolean };

/** What the tasks of a list give, place by place. */
export type TaskResults<Tasks extends readonly unknown[]> = {
  -readonly [Place in keyof Tasks]: TaskResult<Tasks[Place]>;
};

/** What `gather` gives with `settled`, place by place. */
export type SettledTaskResults<Tasks extends readonly unknown[]> = {
  -readonly [Place in keyof Tasks]: PromiseSettledResult<
    TaskResult<Tasks[Place]>
  >;
};

/** What a task gives. */
export type TaskResult<T> = T extends Task<infer Result> ? Awaited<Result>
  : never;

/** Every task's result, or the first failure when all have ended. */
export async function gather(
  host: BatchHost,
  tasks: Iterable<Task<unknown>>,
  options: GatherOptions,
): Promise<unknown[]> {
  const { settled = false, signal, ...others } = takeBatch(
    "gather()",
    host,
    tasks,
    options,
    CHECKS,
  );
  return await new Promise((resolve, reject) => {
    new Gather(
      host,
      tasks[Symbol.iterator](),
      submitOptions(host, others),
      settled,
      signal,
      resolve,
      reject,
    ).pump();
  });
}

class Gather implements JobOwner<OwnedJob>, AcceptedWork, LimitFollower {
  // Invariant: #inFlight counts the jobs that were submitted and have not really ended, #jobs
  // holds them at their index. The source is read only while no failure is known, and is closed
  // exactly once: by itself when it ends, otherwise by #stop. The promise is settled when the
  // source is done and #inFlight is 0.
  readonly #host: BatchHost;
  readonly #iterator: Iterator<Task<unknown>>;
  readonly #options: SubmitOptions | undefined;
  readonly #settled: boolean;
  readonly #resolve: (results: unknown[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #subscription: AbortSubscription | undefined;
  readonly #contexts = contextAccess();
  /** The caller's async context, in which the source is read and every task is submitted. */
  readonly #context = this.#contexts.capture();
  readonly #results: unknown[] = [];
  readonly #jobs: (OwnedJob | undefined)[] = [];
  #inFlight = 0;
  #sourceDone = false;
  #pumping = false;
  #reading = false;
  /** Set while it waits for room in the queue; aborted when that is of no use any more. */
  #waiting: AbortController | undefined;
  /** It was let in, and has not submitted yet. */
  #isLetIn = false;
  #failure: { error: unknown } | undefined;
  #cancelReason: unknown;

  constructor(
    host: BatchHost,
    iterator: Iterator<Task<unknown>>,
    options: SubmitOptions | undefined,
    settled: boolean,
    signal: AbortSignal | undefined,
    resolve: (results: unknown[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#host = host;
    this.#iterator = iterator;
    this.#options = options;
    this.#settled = settled;
    this.#resolve = resolve;
    this.#reject = reject;
    // One subscription for all tasks: it also ends a gather that waits for room in the queue.
    this.#subscription = signal &&
      onAbort(signal, (reason) => this.#stop(reason, reason));
    host.followers.add(this);
    host.begin(this);
  }

  /** Submits as many as may run. One too many never waits behind others of its own. */
  pump(): void {
    // A submit may settle its job at once, which calls back here.
    if (this.#pumping) return;
    this.#pumping = true;
    // Called as tasks end, so the present context is any task's.
    if (!this.#sourceDone) this.#contexts.run(this.#context, SUBMIT_ALL, this);
    this.#pumping = false;
    if (this.#sourceDone && this.#inFlight === 0) this.#finish();
  }

  limitChanged(): void {
    this.pump();
  }

  /** Submits what may be submitted now. */
  submitAll(): void {
    const host = this.#host;
    while (!this.#sourceDone && this.#inFlight < host.limit) {
      if (this.#isLetIn) this.#isLetIn = false;
      else if (!host.hasRoom) return this.#waitForRoom();
      this.#submitNext();
    }
  }

  #waitForRoom(): void {
    if (this.#waiting !== undefined) return;
    this.#waiting = new AbortController();
    this.#host.ready(this.#waiting.signal).then(() => {
      this.#waiting = undefined;
      // A place is kept for one: that one is submitted without asking again.
      this.#isLetIn = true;
      this.pump();
      this.#isLetIn = false;
    }, () => {});
  }

  #submitNext(): void {
    let step;
    try {
      this.#reading = true;
      step = this.#iterator.next();
    } catch (error) {
      this.#sourceDone = true;
      if (this.#failure === undefined) this.#fail(error);
      else this.#sourceFailed(error);
      return;
    } finally {
      this.#reading = false;
    }
    // The source itself may have stopped us, and could not be closed while it was read.
    if (this.#sourceDone) return this.#closeSource();
    if (step.done) {
      this.#sourceDone = true;
      return;
    }
    const job = new OwnedJob(step.value, this, this.#jobs.length);
    this.#jobs.push(job);
    this.#inFlight++;
    try {
      this.#host.submitJob(job, this.#options);
    } catch (error) {
      // A wrong option, or no function: the same for every call.
      this.#ended(job);
      this.#fail(error);
    }
  }

  settled(
    job: OwnedJob,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void {
    if (this.#settled) {
      this.#results[job.index] = state === "succeeded"
        ? { status: "fulfilled", value }
        : { status: "rejected", reason: value };
    } else if (state === "succeeded") this.#results[job.index] = value;
    else if (this.#failure === undefined) this.#fail(value);
    else if (state === "failed") this.#host.tellFailure(job, value);
    if (hasEnded) this.#ended(job);
  }

  ended(job: OwnedJob, late: LateFailure | undefined): boolean {
    this.#ended(job);
    // It may be the very error that this rejects with.
    return this.#failure !== undefined && late?.error === this.#failure.error;
  }

  #ended(job: OwnedJob): void {
    this.#jobs[job.index] = undefined;
    this.#inFlight--;
    this.pump();
  }

  /**
   * Everything is cut off: nothing more can start, however long the source is. Where that was read
   * to its end, every task has an outcome.
   */
  cancel(reason: unknown): void {
    if (!this.#settled || !this.#sourceDone) this.#stop(reason, reason);
  }

  #fail(error: unknown): void {
    this.#stop(
      error,
      abortError(
        "Another task of the same gather failed, so this one was cancelled",
      ),
    );
  }

  /** Reads no further and cancels what is in flight; `error` is what the gather rejects with. */
  #stop(error: unknown, cancelReason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#cancelReason = cancelReason;
    this.#waiting?.abort();
    if (!this.#sourceDone) {
      this.#sourceDone = true;
      if (!this.#reading) this.#closeSource();
    }
    for (const job of this.#jobs) {
      if (job !== undefined) this.#host.cancelJob(job, cancelReason);
    }
    // Nothing may have been in flight: it waited for room.
    if (!this.#pumping && this.#inFlight === 0) this.#finish();
  }

  #closeSource(): void {
    try {
      this.#iterator.return?.();
    } catch (error) {
      this.#sourceFailed(error);
    }
  }

  /** The source has failed after it had been stopped. That is no task's, so no observer's either. */
  #sourceFailed(error: unknown): void {
    if (
      error !== this.#failure?.error && lateFailure(error, this.#cancelReason)
    ) reportLate("The source of a gather failed when it was stopped", error);
  }

  #finish(): void {
    this.#subscription?.unsubscribe();
    this.#host.followers.delete(this);
    this.#host.end(this);
    if (this.#failure === undefined) this.#resolve(this.#results);
    else this.#reject(this.#failure.error);
  }
}

const SUBMIT_ALL = { run: (gather: Gather): void => gather.submitAll() };
