/**
 * A task and the tasks that it submitted.
 *
 * @module
 */
import { abortError } from "../../_internal/errors.ts";
import { Ring } from "../../_internal/ring.ts";
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
  /** Children that this task awaits, by level. */
  readonly #awaited: (AwaitedChildren | undefined)[] = [];

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
    (this.#awaited[child.priority] ??= new AwaitedChildren()).push(child);
  }

  /** Whether any awaited child is still queued; those that are not are forgotten. */
  get awaitsQueued(): boolean {
    return this.#awaited.some((children) => children?.hasQueued);
  }

  /** The most urgent awaited child that is queued and that `admits` lets start. */
  nextAwaited(admits: (job: Job) => boolean): Job | undefined {
    for (const children of this.#awaited) {
      const next = children?.next(admits);
      if (next !== undefined) return next;
    }
    return undefined;
  }
}

/** The awaited children of one level. */
class AwaitedChildren {
  // Invariant: #aside holds, by key, those that were found to wait for a place of their key. A key
  // without a free place has running jobs, so few stand there and looking at each is cheap; those
  // behind them, of other keys, need not wait for them.
  readonly #children = new Ring<Job>();
  readonly #aside = new Map<PropertyKey | undefined, Ring<Job>>();

  push(child: Job): void {
    this.#children.push(child);
  }

  get hasQueued(): boolean {
    if (firstQueued(this.#children) !== undefined) return true;
    for (const [key, children] of this.#aside) {
      if (firstQueued(children) !== undefined) return true;
      this.#aside.delete(key);
    }
    return false;
  }

  /** Those that stepped aside first: they are the older ones. */
  next(admits: (job: Job) => boolean): Job | undefined {
    for (const [key, children] of this.#aside) {
      const child = firstQueued(children);
      if (child === undefined) this.#aside.delete(key);
      else if (admits(child)) return child;
    }
    for (;;) {
      const child = firstQueued(this.#children);
      if (child === undefined || admits(child)) return child;
      this.#children.shift();
      const { key } = child;
      let aside = this.#aside.get(key);
      if (aside === undefined) this.#aside.set(key, aside = new Ring());
      aside.push(child);
    }
  }
}

/** The first that is still queued; those before it are forgotten. */
function firstQueued(children: Ring<Job>): Job | undefined {
  for (let job = children.at(0); job !== undefined; job = children.at(0)) {
    if (job.state === "queued") return job;
    children.shift();
  }
  return undefined;
}

/** The family of a job, founded when it is first needed. */
export function familyOf(extras: JobExtras): JobFamily {
  return extras.family ??= new JobFamily();
}

/** Whether the job runs work that must not be cut off. */
export function isShielding(job: Job): boolean {
  return (job.extras?.family?.shields.size ?? 0) > 0;
}
