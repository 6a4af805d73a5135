/**
 * Jobs that belong together: the children of a task, what a runner has submitted to a scheduler
 * that it shares.
 *
 * @module
 */
import { Admission } from "./admission.ts";
import { Conditions } from "../../_internal/conditions.ts";
import { isActive, isOpen, type Job } from "./job.ts";

/** A set of jobs that have not really ended. A job is added when it is accepted. */
export class JobGroup {
  readonly #jobs = new Set<Job>();
  /** Looked at when a job ends, and at `check`. */
  protected readonly conditions: Conditions = new Conditions();
  /** Who is let in, where that is not for the scheduler alone to say. */
  readonly admission: Admission | undefined = undefined;

  get isEmpty(): boolean {
    return this.#jobs.size === 0;
  }

  add(job: Job): void {
    this.#jobs.add(job);
  }

  /** The job has really ended, or left the queue for good. */
  delete(job: Job): void {
    this.#jobs.delete(job);
    this.check();
  }

  /** Something that somebody may wait for has changed. */
  check(): void {
    if (this.conditions.hasWaiters) this.conditions.check();
  }

  /** Resolves when every job has really ended. */
  whenEmpty(signal?: AbortSignal): Promise<void> {
    return this.conditions.wait(() => this.isEmpty, signal, "empty");
  }

  /** Cancels every job that has no outcome yet. */
  cancel(reason: unknown): void {
    // Each has extras: they name its group.
    for (const job of this.open()) job.extras?.cancel(reason);
  }

  /**
   * The jobs that have no outcome yet, children before their parents: ending a job ends its
   * children, which recurses, and in this order there are none left by then, however deep. One that
   * has its outcome has ended its children already.
   */
  open(): Job[] {
    return this.#generations(isOpen).reverse().flat();
  }

  /** The jobs whose function has not ended, and their children. */
  runningJobs(): Job[] {
    return this.#generations(isActive).flat();
  }

  /** The jobs for which `holds`, their children for which it does, and so on. */
  #generations(holds: (job: Job) => boolean): Job[][] {
    const generations: Job[][] = [];
    for (let groups: JobGroup[] = [this]; groups.length > 0;) {
      const jobs: Job[] = [];
      const children: JobGroup[] = [];
      for (const group of groups) {
        for (const job of group.#jobs) {
          if (!holds(job)) continue;
          jobs.push(job);
          const family = job.extras?.family;
          if (family !== undefined) children.push(family.children);
        }
      }
      generations.push(jobs);
      groups = children;
    }
    return generations;
  }
}

/** Whether the job runs work that must not be cut off. */
export function isShielding(job: Job): boolean {
  return (job.extras?.family?.shields.size ?? 0) > 0;
}

/** What one runner has submitted to a scheduler that it shares. */
export class RunnerGroup extends JobGroup {
  override readonly admission: Admission = new Admission();

  /** Resolves when everything of the runner has ended, work that may submit more included. */
  whenOver(signal: AbortSignal): Promise<void> {
    return this.conditions.wait(
      () => this.isEmpty && !this.admission.hasWork,
      signal,
    );
  }

  get isShielded(): boolean {
    return this.runningJobs().some(isShielding);
  }

  /**
   * Cancels everything and lets nothing more in; returns what had no outcome yet. `isAbort`: the
   * runner's own signal has aborted.
   */
  cancelAll(reason: unknown, isAbort = false): Job[] {
    const open = this.open();
    this.admission.cutOff(reason, isAbort);
    for (const job of open) job.extras?.cancel(reason);
    return open;
  }
}
