/**
 * Jobs that belong together: the children of a task, the tasks of a scope, what a runner has
 * submitted to a scheduler that it shares.
 *
 * @module
 */
import { Conditions } from "./conditions.ts";
import { isActive, isOpen, type Job, type JobCanceller } from "./job.ts";

/** A set of jobs that have not really ended. A job is added when it is accepted. */
export class JobGroup {
  readonly #jobs = new Set<Job>();
  readonly #conditions = new Conditions();

  get isEmpty(): boolean {
    return this.#jobs.size === 0;
  }

  add(job: Job): void {
    this.#jobs.add(job);
  }

  /** The job has really ended, or left the queue for good. */
  delete(job: Job): void {
    this.#jobs.delete(job);
    if (this.#conditions.hasWaiters) this.#conditions.check();
  }

  /** Resolves when every job has really ended. */
  whenEmpty(signal?: AbortSignal): Promise<void> {
    return this.#conditions.wait(() => this.#jobs.size === 0, signal);
  }

  /** Cancels every job that has no outcome yet, and returns them. */
  cancel(canceller: JobCanceller, reason: unknown): Job[] {
    // A copy: a queued job leaves the set at once.
    const open = [...this.#jobs].filter(isOpen);
    for (const job of open) canceller.end(job, "cancelled", reason);
    return open;
  }

  /** The jobs that hold a slot. */
  running(): Job[] {
    return [...this.#jobs].filter(isActive);
  }
}
