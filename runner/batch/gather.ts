/**
 * Running many tasks and having all results, in order. Tasks are taken from the source only as
 * fast as they may run, and carry no promise each.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { contextAccess } from "../../_internal/async_context.ts";
import { abortError } from "../../_internal/errors.ts";
import { show } from "../../_internal/validate.ts";
import { refusalOf } from "../scheduler/admission.ts";
import { isActive, type JobOwner, OwnedJob } from "../scheduler/job.ts";
import type { JobGroup } from "../scheduler/job_group.ts";
import type { SchedulerCore } from "../scheduler/core.ts";
import type { SubmitOptions, Task, TaskState } from "../types.ts";

/** What `gather` submits each task with. */
export interface GatherOptions
  extends Pick<SubmitOptions, "priority" | "signal" | "timeout" | "deadline"> {
  /**
   * `true`: never rejects for a task; gives what `Promise.allSettled` gives. @default {false}
   */
  settled?: boolean | undefined;
}

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

/** What a batch of jobs needs to know. */
export interface BatchSettings {
  /** What each of them is submitted with. */
  options: SubmitOptions | undefined;
  /** The group they belong to, if any. */
  group: JobGroup | undefined;
}

/** Every task's result, or the first failure. */
export function gatherAll(
  core: SchedulerCore,
  tasks: Iterable<Task<unknown>>,
  settings: BatchSettings,
  settled: boolean,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    new Gather(core, tasks, settings, settled, resolve, reject).pump();
  });
}

/** Checks that there is something to take tasks from. */
export function checkTasks(tasks: Iterable<Task<unknown>>): void {
  if (typeof tasks?.[Symbol.iterator] === "function") return;
  throw new TypeError(
    `tasks must be an iterable of functions, got ${show(tasks)}`,
  );
}

class Gather implements JobOwner {
  // Invariant: #inFlight counts the jobs that were submitted and have not really ended, #jobs
  // holds them at their index. The source is read only while no failure is known, and is closed
  // exactly once: by itself when it ends, otherwise by #stop. The promise is settled when the
  // source is done and #inFlight is 0.
  readonly #core: SchedulerCore;
  readonly #iterator: Iterator<Task<unknown>>;
  readonly #options: SubmitOptions | undefined;
  readonly #group: JobGroup | undefined;
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
  #laterErrors: unknown[] = [];
  #cancelReason: unknown;

  constructor(
    core: SchedulerCore,
    tasks: Iterable<Task<unknown>>,
    settings: BatchSettings,
    settled: boolean,
    resolve: (results: unknown[]) => void,
    reject: (error: unknown) => void,
  ) {
    checkTasks(tasks);
    this.#core = core;
    this.#iterator = tasks[Symbol.iterator]();
    // One subscription for all tasks: it also ends a gather that waits for room in the queue.
    const { signal, ...options } = settings.options ?? {};
    this.#options = Object.keys(options).length === 0 ? undefined : options;
    this.#group = settings.group;
    this.#settled = settled;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#subscription = signal &&
      onAbort(signal, (reason) => this.#stop(reason, reason));
    core.batches.add(this);
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

  /** Submits what may be submitted now. */
  submitAll(): void {
    while (!this.#sourceDone && this.#inFlight < this.#core.maxConcurrent) {
      if (this.#isLetIn) this.#isLetIn = false;
      else if (!this.#core.hasRoom) return this.#waitForRoom();
      // The first finds out whether the runner accepts anything; the rest belong to it.
      const refusal = this.#jobs.length > 0 &&
        (refusalOf(this.#core, true) ??
          (this.#group && refusalOf(this.#group, true)));
      // Not the outcome of one task: nothing more can start, however long the source is.
      if (refusal) return this.#fail(refusal.reason);
      this.#submitNext();
    }
  }

  #waitForRoom(): void {
    if (this.#waiting !== undefined) return;
    this.#waiting = new AbortController();
    this.#core.ready(this.#waiting.signal).then(() => {
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
      return this.#fail(error);
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
      this.#core.submit(job, this.#options, this.#group, job.index > 0);
    } catch (error) {
      // A wrong option, or no function: the same for every call.
      this.#ended(job);
      this.#fail(error);
    }
  }

  settled(job: OwnedJob, state: TaskState, value: unknown): void {
    if (this.#settled) {
      this.#results[job.index] = state === "succeeded"
        ? { status: "fulfilled", value }
        : { status: "rejected", reason: value };
    } else if (state === "succeeded") this.#results[job.index] = value;
    else this.#fail(value);
    // One that was cut off while it runs has not ended yet: `ended` comes later.
    if (!isActive(job)) this.#ended(job);
  }

  ended(job: OwnedJob, failed: boolean, value: unknown): void {
    if (failed && this.#failure !== undefined) this.#noteLater(value);
    this.#ended(job);
  }

  #ended(job: OwnedJob): void {
    this.#jobs[job.index] = undefined;
    this.#inFlight--;
    this.pump();
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
    if (this.#failure !== undefined) return this.#noteLater(error);
    this.#failure = { error };
    this.#cancelReason = cancelReason;
    this.#waiting?.abort();
    if (!this.#sourceDone) {
      this.#sourceDone = true;
      if (!this.#reading) this.#closeSource();
    }
    for (const job of this.#jobs) {
      if (job !== undefined) this.#core.end(job, "cancelled", cancelReason);
    }
    // Nothing may have been in flight: it waited for room.
    if (!this.#pumping && this.#inFlight === 0) this.#finish();
  }

  #closeSource(): void {
    try {
      this.#iterator.return?.();
    } catch (error) {
      this.#noteLater(error);
    }
  }

  /** A failure after the first: kept, unless it is only the echo of our own cancelling. */
  #noteLater(error: unknown): void {
    if (error === this.#cancelReason || error === this.#failure?.error) return;
    this.#laterErrors.push(error);
  }

  #finish(): void {
    this.#subscription?.unsubscribe();
    this.#core.batches.delete(this);
    if (this.#failure === undefined) return this.#resolve(this.#results);
    this.#reject(withSuppressed(this.#failure.error, this.#laterErrors));
  }
}

const SUBMIT_ALL = { run: (gather: Gather): void => gather.submitAll() };

/** The first error, with those that came after it as its `suppressed`. */
export function withSuppressed(error: unknown, later: unknown[]): unknown {
  if (
    later.length > 0 && error instanceof Error && Object.isExtensible(error)
  ) {
    Object.defineProperty(error, "suppressed", {
      value: later,
      configurable: true,
      writable: true,
    });
  }
  return error;
}
