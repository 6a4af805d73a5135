/**
 * The first of several tasks: the first to end, or the first to succeed.
 *
 * @module
 */
import { abortError } from "../../_internal/errors.ts";
import { type BatchSettings, checkTasks } from "./gather.ts";
import { isActive, type JobOwner, OwnedJob } from "../scheduler/job.ts";
import type { SchedulerCore } from "../scheduler/core.ts";
import type { SubmitOptions, Task, TaskState } from "../types.ts";

/** What `race` and `any` submit each task with. */
export type RaceOptions = Pick<
  SubmitOptions,
  "priority" | "signal" | "timeout" | "deadline"
>;

/** Runs all tasks and settles with the first; `mustSucceed` passes failures over. */
export function firstOf<T>(
  core: SchedulerCore,
  tasks: Iterable<Task<T>>,
  settings: BatchSettings,
  mustSucceed: boolean,
): Promise<Awaited<T>> {
  checkTasks(tasks);
  const list = [...tasks];
  if (list.length === 0) {
    return Promise.reject(
      mustSucceed
        ? new AggregateError([], "any() was given no tasks, so none succeeded")
        : new RangeError("race() must be given at least one task, got none"),
    );
  }
  return new Promise((resolve, reject) => {
    new Race(core, mustSucceed, settings.options?.signal, (outcome) => {
      // The winner's value is what its task gave, awaited.
      if (outcome.failed) reject(outcome.value);
      else resolve(outcome.value as Awaited<T>);
    }).start(list, settings);
  });
}

interface Outcome {
  failed: boolean;
  value: unknown;
}

class Race implements JobOwner {
  // Invariant: #jobs holds the tasks that were submitted and whose function has not really ended.
  // Nothing is submitted once there is a winner. The race is told when everything is submitted
  // that will be, and #jobs is empty: the winner, or all failures.
  readonly #core: SchedulerCore;
  readonly #mustSucceed: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #tell: (outcome: Outcome) => void;
  readonly #jobs = new Set<OwnedJob>();
  readonly #failures: unknown[] = [];
  #submitting = true;
  #winner: Outcome | undefined;

  constructor(
    core: SchedulerCore,
    mustSucceed: boolean,
    signal: AbortSignal | undefined,
    tell: (outcome: Outcome) => void,
  ) {
    this.#core = core;
    this.#mustSucceed = mustSucceed;
    this.#signal = signal;
    this.#tell = tell;
  }

  start(tasks: Task<unknown>[], { options, group }: BatchSettings): void {
    for (const [index, task] of tasks.entries()) {
      // A submit may settle its job at once, and that may decide the race.
      if (this.#winner !== undefined) break;
      const job = new OwnedJob(task, this, index);
      this.#jobs.add(job);
      try {
        this.#core.submit(job, options, group, index > 0);
      } catch (error) {
        // A wrong option, or no function: no race.
        this.#jobs.delete(job);
        this.#win({ failed: true, value: error });
      }
    }
    this.#submitting = false;
    this.#tellIfOver();
  }

  settled(job: OwnedJob, state: TaskState, value: unknown): void {
    // One that was cut off while it runs has not ended yet: `ended` comes later.
    if (!isActive(job)) this.#jobs.delete(job);
    if (state === "succeeded") this.#win({ failed: false, value });
    else {
      this.#failures[job.index] = value;
      if (!this.#mustSucceed) this.#win({ failed: true, value });
    }
    this.#tellIfOver();
  }

  ended(job: OwnedJob): void {
    this.#jobs.delete(job);
    this.#tellIfOver();
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
      this.#core.end(job, "cancelled", reason);
    }
  }
}
