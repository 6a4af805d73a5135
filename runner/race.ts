/**
 * The first of several tasks: the first to end, or the first to succeed.
 *
 * @module
 */
import { abortError } from "../_internal/errors.ts";
import type { BatchSettings } from "./gather.ts";
import { isActive, type JobOwner, OwnedJob } from "./job.ts";
import type { SchedulerCore } from "./scheduler_core.ts";
import type { Task, TaskState } from "./types.ts";

/** Runs all tasks and settles with the first; `mustSucceed` passes failures over. */
export function firstOf<T>(
  core: SchedulerCore,
  tasks: Iterable<Task<T>>,
  settings: BatchSettings,
  mustSucceed: boolean,
): Promise<Awaited<T>> {
  const list = [...tasks];
  if (list.length === 0) {
    return Promise.reject(
      mustSucceed
        ? new AggregateError([], "any() was given no tasks, so none succeeded")
        : new RangeError("race() must be given at least one task, got none"),
    );
  }
  return new Promise((resolve, reject) => {
    const race = new Race(core, mustSucceed, list.length, (outcome) => {
      // The winner's value is what its task gave, awaited.
      if (outcome.failed) reject(outcome.value);
      else resolve(outcome.value as Awaited<T>);
    });
    try {
      race.start(list, settings);
    } catch (error) {
      race.abandon({ failed: true, value: error });
    }
  });
}

interface Outcome {
  failed: boolean;
  value: unknown;
}

class Race implements JobOwner {
  // Invariant: #left counts the tasks whose function has not ended or that never started; the
  // race is told when it reaches 0, with the winner, or with all failures.
  readonly #core: SchedulerCore;
  readonly #mustSucceed: boolean;
  readonly #tell: (outcome: Outcome) => void;
  readonly #jobs: OwnedJob[] = [];
  readonly #failures: unknown[] = [];
  #left: number;
  #winner: Outcome | undefined;

  constructor(
    core: SchedulerCore,
    mustSucceed: boolean,
    count: number,
    tell: (outcome: Outcome) => void,
  ) {
    this.#core = core;
    this.#mustSucceed = mustSucceed;
    this.#left = count;
    this.#tell = tell;
  }

  start(tasks: Task<unknown>[], { options, group }: BatchSettings): void {
    for (const [index, task] of tasks.entries()) {
      const job = new OwnedJob(task, this, index);
      this.#jobs.push(job);
      this.#core.submit(job, options, group, index > 0);
    }
  }

  /** A task could not be submitted at all: no race. */
  abandon(outcome: Outcome): void {
    this.#left =
      this.#jobs.filter((job) => job.state === "queued" || isActive(job))
        .length - 1;
    this.#win(outcome);
    if (this.#left === 0) this.#tell(outcome);
  }

  settled(job: OwnedJob, state: TaskState, value: unknown): void {
    if (state === "succeeded") this.#win({ failed: false, value });
    else {
      this.#failures[job.index] = value;
      if (!this.#mustSucceed) this.#win({ failed: true, value });
    }
    if (!isActive(job)) this.ended();
  }

  ended(): void {
    if (--this.#left > 0) return;
    this.#tell(
      this.#winner ?? {
        failed: true,
        value: new AggregateError(
          this.#failures,
          `None of ${this.#jobs.length} tasks succeeded`,
        ),
      },
    );
  }

  #win(outcome: Outcome): void {
    if (this.#winner !== undefined) return;
    this.#winner = outcome;
    const reason = abortError(
      "Another task of the same race won, so this one was cancelled",
    );
    for (const job of this.#jobs) this.#core.end(job, "cancelled", reason);
  }
}
