/**
 * Running many tasks and having all results, in order. Tasks are taken from the source only as
 * fast as they may run, and carry no promise each.
 *
 * @module
 */
import { abortError } from "../_internal/errors.ts";
import { show } from "../_internal/validate.ts";
import { isActive, type JobOwner, OwnedJob } from "./job.ts";
import type { JobGroup } from "./job_group.ts";
import type { SchedulerCore } from "./scheduler_core.ts";
import type { SubmitOptions, Task, TaskState } from "./types.ts";

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

class Gather implements JobOwner {
  // Invariant: #inFlight counts the jobs that were submitted and have not really ended, #jobs
  // holds them at their index. The source is read only while no failure is known, and is closed
  // exactly once: by itself when it ends, otherwise by #stop. The promise is settled when the
  // source is done and #inFlight is 0.
  readonly #core: SchedulerCore;
  readonly #iterator: Iterator<Task<unknown>>;
  readonly #settings: BatchSettings;
  readonly #settled: boolean;
  readonly #resolve: (results: unknown[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #results: unknown[] = [];
  readonly #jobs: (OwnedJob | undefined)[] = [];
  #inFlight = 0;
  #sourceDone = false;
  #pumping = false;
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
    if (typeof tasks?.[Symbol.iterator] !== "function") {
      throw new TypeError(
        `tasks must be an iterable of functions, got ${show(tasks)}`,
      );
    }
    this.#core = core;
    this.#iterator = tasks[Symbol.iterator]();
    this.#settings = settings;
    this.#settled = settled;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Submits as many as may run. One too many never waits behind others of its own. */
  pump(): void {
    // A submit may settle its job at once, which calls back here.
    if (this.#pumping) return;
    this.#pumping = true;
    while (
      !this.#sourceDone &&
      this.#inFlight < Math.max(1, this.#core.maxConcurrent)
    ) this.#submitNext();
    this.#pumping = false;
    if (this.#sourceDone && this.#inFlight === 0) this.#finish();
  }

  #submitNext(): void {
    let step;
    try {
      step = this.#iterator.next();
    } catch (error) {
      this.#sourceDone = true;
      return this.#fail(error);
    }
    if (step.done) {
      this.#sourceDone = true;
      return;
    }
    const job = new OwnedJob(step.value, this, this.#jobs.length);
    this.#jobs.push(job);
    this.#inFlight++;
    try {
      this.#core.submit(
        job,
        this.#settings.options,
        this.#settings.group,
        // The first finds out whether the runner accepts anything; the rest belong to it.
        job.index > 0,
      );
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
    if (this.#failure !== undefined) return this.#noteLater(error);
    this.#failure = { error };
    this.#cancelReason = abortError(
      "Another task of the same gather failed, so this one was cancelled",
    );
    if (!this.#sourceDone) {
      this.#sourceDone = true;
      try {
        this.#iterator.return?.();
      } catch (closeError) {
        this.#noteLater(closeError);
      }
    }
    for (const job of this.#jobs) {
      if (job !== undefined) {
        this.#core.end(job, "cancelled", this.#cancelReason);
      }
    }
  }

  /** A failure after the first: kept, unless it is only the echo of our own cancelling. */
  #noteLater(error: unknown): void {
    if (error === this.#cancelReason || error === this.#failure?.error) return;
    this.#laterErrors.push(error);
  }

  #finish(): void {
    if (this.#failure === undefined) return this.#resolve(this.#results);
    this.#reject(withSuppressed(this.#failure.error, this.#laterErrors));
  }
}

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
