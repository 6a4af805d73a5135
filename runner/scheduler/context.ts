/**
 * What a running task is given. Everything that costs something is made when it is asked for.
 *
 * @module
 */
import type { Job } from "./job.ts";
import type { TaskPriority } from "../priority.ts";
import type { SubmitOptions, Task, TaskContext, TaskHandle } from "../types.ts";

/** What a context needs from the scheduler that runs the task. */
export interface ContextScheduler {
  signalOf(job: Job): AbortSignal;
  submitChild<T>(
    parent: Job,
    task: Task<T>,
    options?: SubmitOptions,
  ): TaskHandle<T>;
  progress(job: Job, value: unknown): void;
  shield<T>(
    job: Job,
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
  ): Promise<T>;
}

/** The context of one job. */
export class JobContext implements TaskContext {
  readonly #job: Job;
  readonly #scheduler: ContextScheduler;

  constructor(job: Job, scheduler: ContextScheduler) {
    this.#job = job;
    this.#scheduler = scheduler;
  }

  get signal(): AbortSignal {
    return this.#scheduler.signalOf(this.#job);
  }

  get id(): string {
    return this.#job.id;
  }

  get name(): string {
    return this.#job.name;
  }

  get priority(): TaskPriority {
    return this.#job.priority;
  }

  // The three functions are made when they are asked for, so that `({ submit }) => …` works and
  // a task that uses none pays for none.

  get submit(): TaskContext["submit"] {
    return <T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> =>
      this.#scheduler.submitChild(this.#job, task, options);
  }

  get progress(): TaskContext["progress"] {
    return (value) => this.#scheduler.progress(this.#job, value);
  }

  get shield(): TaskContext["shield"] {
    return (fn) => this.#scheduler.shield(this.#job, fn);
  }
}
