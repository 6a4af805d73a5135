/**
 * What a running task is given. Everything that costs something is made when it is asked for.
 *
 * @module
 */
import type { Job } from "./job.ts";
import type { TaskPriority } from "./priority.ts";
import type { SubmitOptions, Task, TaskContext, TaskHandle } from "./types.ts";

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

  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    return this.#scheduler.submitChild(this.#job, task, options);
  }

  progress(value: unknown): void {
    this.#scheduler.progress(this.#job, value);
  }

  shield<T>(fn: (signal: AbortSignal) => T | PromiseLike<T>): Promise<T> {
    return this.#scheduler.shield(this.#job, fn);
  }
}
