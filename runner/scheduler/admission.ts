/**
 * Who is let in: what a scheduler, or one of the runners that share it, refuses and since when.
 *
 *     open ──shutdown──▶ closing (new work is refused, parts of accepted work are let in)
 *       │                   │
 *       └──abort────────────┴──all has ended, or time is up──▶ cut off (everything is refused)
 *
 * @module
 */

/** A scope whose body or tasks have not ended. */
export interface OpenScope {
  /** Ends the scope and everything in it with `reason`. */
  cancel(reason: unknown): void;
}

/** What has cut everything off. */
export interface CutOff {
  readonly reason: unknown;
  /** It was the own signal, so new work is cancelled as well, instead of failing. */
  readonly isAbort: boolean;
}

/** The state of a scheduler, or of one runner that shares it. */
export interface Admission {
  /** Makes the error that new work fails with; `undefined` while it is accepted. */
  refusal: (() => unknown) | undefined;
  /** Set when parts of accepted work are refused too. */
  cutOff: CutOff | undefined;
}

/** What scopes are opened in. */
export interface ScopeHost extends Admission {
  /** The scopes that were opened and have not ended: accepted work, like a task. */
  readonly scopes: Set<OpenScope>;
  /** A scope has ended. */
  scopeEnded(scope: OpenScope): void;
}

/** How a job is refused. */
export interface Refusal {
  readonly state: "cancelled" | "failed";
  readonly reason: unknown;
}

/** How a job is refused now, if it is; `accepted`: it is part of something that was let in before. */
export function refusalOf(
  { refusal, cutOff }: Admission,
  accepted: boolean,
): Refusal | undefined {
  if (cutOff !== undefined && (accepted || cutOff.isAbort)) {
    return { state: "cancelled", reason: cutOff.reason };
  }
  return refusal === undefined || accepted
    ? undefined
    : { state: "failed", reason: refusal() };
}
