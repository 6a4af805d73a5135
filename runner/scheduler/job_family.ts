/**
 * A task and the tasks that it submitted: it has not ended before they have, and while it awaits
 * them its slot is lent to them, one at a time. So a child needs no slot of its own, and nesting,
 * however deep, cannot deadlock.
 *
 * @module
 */
import { abortError } from "../../_internal/errors.ts";
import { Ring } from "../../_internal/ring.ts";
import { isActive, type Job, type JobExtras } from "./job.ts";
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
  async endWith(parent: Job): Promise<void> {
    if (!this.children.isEmpty) {
      this.children.cancel(
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

function familyOfParent(parent: Job): JobFamily {
  // Founded when its first child was submitted.
  return parent.extras!.family!;
}

/** The running tasks that await queued children. */
export class SlotLending {
  // Invariant: a task is in #lenders if it is running, awaits a queued child and has not lent its
  // slot; others that are still in it are dropped when they are come across. A child that runs in
  // a lent slot has `slots` 0 and its `lender`, which names it as its `borrower`.
  readonly #lenders = new Set<Job>();

  /** Whether any slot may be lent. */
  get isOffered(): boolean {
    return this.#lenders.size > 0;
  }

  /** `parent`, which is running, awaits `child`, which is queued. */
  offer(parent: Job, child: Job): void {
    familyOfParent(parent).awaits(child);
    this.#lenders.add(parent);
  }

  /** For each slot on offer the child that is next to run in it, of those that `admits` lets. */
  *candidates(admits: (job: Job) => boolean): Iterable<Job> {
    for (const parent of this.#lenders) {
      const family = familyOfParent(parent);
      const isLender = isActive(parent) && family.borrower === undefined;
      const child = isLender ? family.nextAwaited(admits) : undefined;
      if (child !== undefined) yield child;
      else if (!isLender || !family.awaitsQueued) this.#lenders.delete(parent);
    }
  }

  /** A candidate takes its parent's slot. */
  lend(child: Job): void {
    // A candidate comes out of its parent's family.
    const extras = child.extras!;
    const parent = extras.parent!;
    this.#lenders.delete(parent);
    extras.lender = parent;
    familyOfParent(parent).borrower = child;
  }

  /** A job has really ended: if it ran in its parent's slot, that one may lend it again. */
  giveBack(extras: JobExtras): void {
    const { lender } = extras;
    if (lender === undefined) return;
    extras.lender = undefined;
    const family = familyOfParent(lender);
    family.borrower = undefined;
    if (isActive(lender) && family.awaitsQueued) {
      this.#lenders.add(lender);
    }
  }
}
