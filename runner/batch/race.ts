/**
 * The first of several tasks: the first to end, or the first to succeed.
 *
 * @module
 */
import { abortError } from "../../_internal/errors.ts";
import type { LateFailure } from "../../_internal/late_failure.ts";
import { OwnedJob } from "../scheduler/job.ts";
import {
  BATCH_CHECKS,
  type RaceOptions,
  submitOptions,
  takeBatch,
} from "./batch.ts";
import type { BatchHost, JobOwner } from "./host.ts";
import type { SubmitOptions, Task, TaskState } from "../types.ts";

/** The outcome of the task that ends first, when all have ended. */
export function race<T>(
  host: BatchHost,
  tasks: Iterable<Task<T>>,
  options: RaceOptions,
): Promise<Awaited<T>> {
  return firstOf(host, tasks, options, false);
}

/** The result of the task that succeeds first, when all have ended. */
export function any<T>(
  host: BatchHost,
  tasks: Iterable<Task<T>>,
  options: RaceOptions,
): Promise<Awaited<T>> {
  return firstOf(host, tasks, options, true);
}

/** Runs all tasks and settles with the first; `mustSucceed` passes failures over. */
async function firstOf<T>(
  host: BatchHost,
  tasks: Iterable<Task<T>>,
  options: RaceOptions,
  mustSucceed: boolean,
): Promise<Awaited<T>> {
  const what = mustSucceed ? "any()" : "race()";
  const given = takeBatch(what, host, tasks, options, BATCH_CHECKS);
  const list = [...tasks];
  if (list.length === 0) {
    throw mustSucceed
      ? new AggregateError([], "any() was given no tasks, so none succeeded")
      : new RangeError("race() must be given at least one task, got none");
  }
  return await new Promise((resolve, reject) => {
    new Race(host, mustSucceed, given.signal, (outcome) => {
      // The winner's value is what its task gave, awaited.
      if (outcome.failed) reject(outcome.value);
      else resolve(outcome.value as Awaited<T>);
    }).start(list, submitOptions(host, given));
  });
}

interface Outcome {
  failed: boolean;
  value: unknown;
}

class Race implements JobOwner<OwnedJob> {
  // Invariant: #jobs holds the tasks that were submitted and whose function has not really ended.
  // Nothing is submitted once there is a winner. The race is told when everything is submitted
  // that will be, and #jobs is empty: the winner, or all failures.
  readonly #host: BatchHost;
  readonly #mustSucceed: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #tell: (outcome: Outcome) => void;
  readonly #jobs = new Set<OwnedJob>();
  readonly #failures: unknown[] = [];
  #submitting = true;
  #winner: Outcome | undefined;

  constructor(
    host: BatchHost,
    mustSucceed: boolean,
    signal: AbortSignal | undefined,
    tell: (outcome: Outcome) => void,
  ) {
    this.#host = host;
    this.#mustSucceed = mustSucceed;
    this.#signal = signal;
    this.#tell = tell;
  }

  start(tasks: Task<unknown>[], options: SubmitOptions | undefined): void {
    for (const [index, task] of tasks.entries()) {
      // A submit may settle its job at once, and that may decide the race.
      if (this.#winner !== undefined) break;
      const job = new OwnedJob(task, this, index);
      this.#jobs.add(job);
      try {
        this.#host.submitJob(job, options);
      } catch (error) {
        // A wrong option, or no function: no race.
        this.#jobs.delete(job);
        this.#win({ failed: true, value: error });
      }
    }
    this.#submitting = false;
    this.#tellIfOver();
  }

  settled(
    job: OwnedJob,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void {
    if (hasEnded) this.#jobs.delete(job);
    if (state === "succeeded") this.#win({ failed: false, value });
    else if (this.#winner !== undefined) {
      if (state === "failed") this.#host.tellFailure(job, value);
    } else {
      this.#failures[job.index] = value;
      if (!this.#mustSucceed) this.#win({ failed: true, value });
    }
    this.#tellIfOver();
  }

  ended(job: OwnedJob, late: LateFailure | undefined): boolean {
    this.#jobs.delete(job);
    this.#tellIfOver();
    // It may be the very error that this rejects with.
    return this.#winner?.failed === true && late?.error === this.#winner.value;
  }

  #tellIfOver(): void {
    if (this.#submitting || this.#jobs.size > 0) return;
    this.#tell(this.#winner ?? { failed: true, value: this.#noWinner() });
  }

  /** Why no task of `any` succeeded: its signal, or the tasks themselves. */
  #noWinner(): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    return new AggregateError(
      this.#failures,
      `None of ${this.#failures.length} tasks succeeded`,
    );
  }

  #win(outcome: Outcome): void {
    if (this.#winner !== undefined) return;
    this.#winner = outcome;
    const reason = abortError(
      "Another task of the same race won, so this one was cancelled",
    );
    // A copy: a queued job leaves the set at once.
    for (const job of [...this.#jobs]) {
      this.#host.cancelJob(job, reason);
    }
  }
}
