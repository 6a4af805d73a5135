/**
 * Who is let in: what a runner refuses and since when.
 *
 *     open ──shutdown──▶ closing (new work is refused, parts of accepted work are let in)
 *       │                   │
 *       └──abort────────────┴──all has ended, or time is up──▶ cut off (everything is refused)
 *
 * @module
 */

/** A scope or a gather: it may submit more, and was let in as a whole. */
export interface AcceptedWork {
  /** Everything is cut off: it ends, and everything in it, with `reason`. */
  cancel(reason: unknown): void;
}

/** How a task is refused. */
export interface Refusal {
  /** What becomes of it. */
  readonly state: "cancelled" | "failed";
  /** What it is refused with. */
  readonly reason: unknown;
}

/** The state of a scheduler, of one of the runners that share it, or of a cluster's runner. */
export class Admission {
  // Invariant: it only moves to the right. #works holds what was begun and has not ended, outer
  // before inner.
  readonly #works = new Set<AcceptedWork>();
  #refusal: (() => unknown) | undefined;
  #cutOff: { reason: unknown; isAbort: boolean } | undefined;

  /** Whether nothing is refused. */
  get isOpen(): boolean {
    return this.#refusal === undefined && this.#cutOff === undefined;
  }

  /** Whether work that may submit more has not ended: a shutdown waits for it. */
  get hasWork(): boolean {
    return this.#works.size > 0;
  }

  /** Work that may submit more has begun: it is cancelled when everything is cut off, or was. */
  begin(work: AcceptedWork): void {
    this.#works.add(work);
    if (this.#cutOff !== undefined) work.cancel(this.#cutOff.reason);
  }

  /** It has ended. Whoever waits for that is to be told by the caller. */
  end(work: AcceptedWork): void {
    this.#works.delete(work);
  }

  /** From now on new work fails with what `refusal` makes. */
  close(refusal: () => unknown): void {
    this.#refusal ??= refusal;
  }

  /**
   * From now on parts of accepted work are refused too, and the work that has not ended is
   * cancelled. `isAbort`: the runner's own signal did it, so new work is cancelled as well, instead
   * of failing.
   */
  cutOff(reason: unknown, isAbort: boolean): void {
    if (isAbort) this.#refusal = () => reason;
    this.#cutOff ??= { reason, isAbort };
    for (const work of [...this.#works]) work.cancel(reason);
  }

  /** How a task is refused now, if it is; `isAccepted`: it is part of something let in before. */
  refusalOf(isAccepted: boolean): Refusal | undefined {
    const cutOff = this.#cutOff;
    if (cutOff !== undefined && (isAccepted || cutOff.isAbort)) {
      return { state: "cancelled", reason: cutOff.reason };
    }
    return this.#refusal === undefined || isAccepted
      ? undefined
      : { state: "failed", reason: this.#refusal() };
  }
}
