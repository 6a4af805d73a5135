/**
 * How nesting is kept from deadlock: while a task awaits its children, its slot is lent to them,
 * one at a time. So a child needs no slot of its own, however deep the nesting.
 *
 * @module
 */
import { familyOf } from "./job_family.ts";
import { isActive, type Job, type JobExtras } from "./job.ts";

/** The running tasks that await queued children. */
export class SlotLending {
  // Invariant: a task is in #lenders if it is running, awaits a queued child and has not lent its
  // slot; others that are still in it are dropped when they are come across. A child that runs in
  // a lent slot has `slots` 0 and its `lender`, which names it as its `borrower`.
  readonly #lenders = new Set<Job>();
  readonly #extrasOf: (job: Job) => JobExtras;

  /** `extrasOf` makes the extras of a job when it has none. */
  constructor(extrasOf: (job: Job) => JobExtras) {
    this.#extrasOf = extrasOf;
  }

  /** Whether any slot may be lent. */
  get isOffered(): boolean {
    return this.#lenders.size > 0;
  }

  /** `parent`, which is running, awaits `child`, which is queued. */
  offer(parent: Job, child: Job): void {
    familyOf(this.#extrasOf(parent)).awaits(child);
    this.#lenders.add(parent);
  }

  /** For each slot on offer the child that is next to run in it, of those that `admits` lets. */
  *candidates(admits: (job: Job) => boolean): Iterable<Job> {
    for (const parent of this.#lenders) {
      const family = familyOf(this.#extrasOf(parent));
      const isLender = isActive(parent) && family.borrower === undefined;
      const child = isLender ? family.nextAwaited(admits) : undefined;
      if (child !== undefined) yield child;
      else if (!isLender || !family.awaitsQueued) this.#lenders.delete(parent);
    }
  }

  /** A candidate takes its parent's slot. */
  lend(child: Job): void {
    const borrowing = this.#extrasOf(child);
    // A candidate comes out of its parent's family.
    const parent = borrowing.parent!;
    this.#lenders.delete(parent);
    borrowing.lender = parent;
    familyOf(this.#extrasOf(parent)).borrower = child;
  }

  /** A job has really ended: if it ran in its parent's slot, that one may lend it again. */
  giveBack(extras: JobExtras): void {
    const { lender } = extras;
    if (lender === undefined) return;
    extras.lender = undefined;
    const family = familyOf(this.#extrasOf(lender));
    family.borrower = undefined;
    if (isActive(lender) && family.awaitsQueued) {
      this.#lenders.add(lender);
    }
  }
}
