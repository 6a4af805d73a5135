/**
 * A task and the tasks that it submitted.
 *
 * @module
 */
import { abortError } from "../_internal/errors.ts";
import { Ring } from "../_internal/ring.ts";
import type { Job, JobCanceller, JobExtras } from "./job.ts";
import { JobGroup } from "./job_group.ts";

/** What only a task has that submitted children or shields work. */
export class JobFamily {
  /** The jobs that this one submitted by `context.submit`. */
  readonly children: JobGroup = new JobGroup();
  /** The child that runs in this task's slot. */
  borrower: Job | undefined = undefined;
  /** Work that must finish before the slot is free, whatever happens to the task. */
  readonly shields: Set<Promise<unknown>> = new Set();
  /** Queued children that this task awaits, by level. */
  readonly #awaited: (Ring<Job> | undefined)[] = [];

  /** Whether no child and no shielded work is left. */
  get hasEnded(): boolean {
    return this.children.isEmpty && this.shields.size === 0;
  }

  /**
   * The function of `parent` has ended, but children or shielded work have not: no child outlives
   * its parent, so the parent has not really ended either. Resolves when those have that there
   * were; look at `hasEnded` again afterwards.
   */
  async endWith(parent: Job, canceller: JobCanceller): Promise<void> {
    if (!this.children.isEmpty) {
      this.children.cancel(
        canceller,
        abortError(
          `Task ${parent.name} ended before this task, which it had submitted`,
        ),
      );
      await this.children.whenEmpty();
    }
    await Promise.allSettled(this.shields);
  }

  /** Keeps the slot until `work` has ended. */
  shield(work: Promise<unknown>): void {
    this.shields.add(work);
    const done = () => this.shields.delete(work);
    work.then(done, done);
  }

  /** The task awaits this child, which is queued. */
  awaits(child: Job): void {
    (this.#awaited[child.priority] ??= new Ring()).push(child);
  }

  /** The most urgent awaited child that is still queued; those that are not are forgotten. */
  firstQueued(): Job | undefined {
    for (const ring of this.#awaited) {
      if (ring === undefined) continue;
      for (let job = ring.at(0); job !== undefined; job = ring.at(0)) {
        if (job.state === "queued") return job;
        ring.shift();
      }
    }
    return undefined;
  }
}

/** The family of a job, founded when it is first needed. */
export function familyOf(extras: JobExtras): JobFamily {
  return extras.family ??= new JobFamily();
}

/** Whether the job runs work that must not be cut off. */
export function isShielding(job: Job): boolean {
  return (job.extras?.family?.shields.size ?? 0) > 0;
}
