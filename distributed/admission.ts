/**
 * Who is let in, as on the local runner.
 *
 *     open ──shutdown──▶ closing (new work is refused, parts of accepted work are let in)
 *       │                   │
 *       └──abort────────────┴──time is up──▶ cut off (everything is refused)
 *
 * @module
 */

/** A scope or a gather that may submit more. */
export interface AcceptedWork {
  /** Ends it, and everything in it, with `reason`. */
  cancel(reason: unknown): void;
}

/** How a task is refused. */
export interface Refusal {
  readonly state: "cancelled" | "failed";
  readonly reason: unknown;
}

/** The state of one runner. */
export class Admission {
  /** Scopes and gathers that have not ended: a shutdown waits for them. */
  readonly works = new Set<AcceptedWork>();
  #refusal: (() => unknown) | undefined;
  #cutOff: { reason: unknown; isAbort: boolean } | undefined;

  /** From now on new work fails with what `refusal` makes. */
  close(refusal: () => unknown): void {
    this.#refusal ??= refusal;
  }

  /**
   * Refuses everything from now on, and ends what is open. `isAbort`: the runner's own signal did
   * it, so that new work is cancelled as well, instead of failing.
   */
  cutOff(reason: unknown, isAbort: boolean): void {
    this.#cutOff ??= { reason, isAbort };
    if (isAbort) this.#refusal ??= () => reason;
    for (const work of [...this.works]) work.cancel(reason);
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

  /** @throws What new work is refused with. */
  check(): void {
    if (this.#refusal !== undefined) throw this.#refusal();
  }
}
