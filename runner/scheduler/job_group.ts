/**
 * Jobs that belong together: the children of a task, the tasks of a scope, what a runner has
 * submitted to a scheduler that it shares.
 *
 * @module
 */
import type { Admission, CutOff, OpenScope, ScopeHost } from "./admission.ts";
import { Conditions } from "../../_internal/conditions.ts";
import { isActive, isOpen, type Job } from "./job.ts";

/** A set of jobs that have not really ended. A job is added when it is accepted. */
export class JobGroup implements Admission {
  // Invariant: a group is in its parent's #groups exactly while it is not empty.
  readonly #jobs = new Set<Job>();
  readonly #groups = new Set<JobGroup>();
  readonly #parent: JobGroup | undefined;
  readonly #conditions = new Conditions();
  refusal: (() => unknown) | undefined = undefined;
  cutOff: CutOff | undefined = undefined;

  /** `parent`: the group that what is in here belongs to as well. */
  constructor(parent?: JobGroup) {
    this.#parent = parent;
  }

  get isEmpty(): boolean {
    return this.#jobs.size === 0 && this.#groups.size === 0;
  }

  add(job: Job): void {
    this.#jobs.add(job);
    if (this.#parent !== undefined) this.#parent.#adopt(this);
  }

  #adopt(group: JobGroup): void {
    this.#groups.add(group);
    if (this.#parent !== undefined) this.#parent.#adopt(this);
  }

  /** The job has really ended, or left the queue for good. */
  delete(job: Job): void {
    this.#jobs.delete(job);
    this.#shrunk();
  }

  #forget(group: JobGroup): void {
    this.#groups.delete(group);
    this.#shrunk();
  }

  #shrunk(): void {
    if (this.#parent !== undefined && this.isEmpty) this.#parent.#forget(this);
    this.check();
  }

  /** Something that somebody may wait for has changed. */
  check(): void {
    if (this.#conditions.hasWaiters) this.#conditions.check();
  }

  /** Resolves when every job has really ended. */
  whenEmpty(signal?: AbortSignal): Promise<void> {
    return this.#conditions.wait(() => this.isEmpty, signal, "empty");
  }

  /** Resolves when `holds`, which is looked at when a job ends, and at `check`. */
  when(holds: () => boolean, signal?: AbortSignal): Promise<void> {
    return this.#conditions.wait(holds, signal);
  }

  /**
   * Cancels every job that has no outcome yet, children before their parents, and returns them.
   * Ending a job ends its children, which recurses: by then there are none left, however deep.
   * One that has its outcome has ended its children already.
   */
  cancel(reason: unknown): Job[] {
    const open = this.#generations(isOpen).reverse().flat();
    // Each has extras: they name its group.
    for (const job of open) job.extras?.cancel(reason);
    return open;
  }

  /** The jobs whose function has not ended, and their children. */
  running(): Job[] {
    return this.#generations(isActive).flat();
  }

  /** The jobs for which `holds`, their children for which it does, and so on. */
  #generations(holds: (job: Job) => boolean): Job[][] {
    const generations: Job[][] = [];
    for (let groups: JobGroup[] = [this]; groups.length > 0;) {
      const jobs: Job[] = [];
      const children: JobGroup[] = [];
      // Grows while it is walked: what is in an inner group is of this generation.
      for (const group of groups) {
        groups.push(...group.#groups);
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

/** What one runner has submitted to a scheduler that it shares. */
export class RunnerGroup extends JobGroup implements ScopeHost {
  readonly scopes: Set<OpenScope> = new Set();

  /** Whether everything of the runner has ended, its scopes included. */
  get isOver(): boolean {
    return this.isEmpty && this.scopes.size === 0;
  }

  scopeEnded(scope: OpenScope): void {
    this.scopes.delete(scope);
    this.check();
  }

  /** The runner's own signal has aborted: everything is cancelled, now and later. */
  abort(reason: unknown): void {
    this.refusal = () => reason;
    this.cancelAll(reason, true);
  }

  /** Cancels everything and lets nothing more in; returns what had no outcome yet. */
  cancelAll(reason: unknown, isAbort = false): Job[] {
    this.cutOff ??= { reason, isAbort };
    const scopes = [...this.scopes];
    const open = this.cancel(reason);
    for (const scope of scopes) scope.cancel(reason);
    return open;
  }
}
