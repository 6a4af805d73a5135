/**
 * Failures that come too late for the promise of whoever asked: which of them are news, and the
 * line on the console where nobody else is there to be told.
 *
 * @module
 */
import { now } from "./clock.ts";
import { show } from "./validate.ts";

/** What a task failed with when its function ended, after it had been given another outcome. */
export interface LateFailure {
  /** What it threw. */
  readonly error: unknown;
  /** What it had been cut off with: the reason of its cancel, or the error of its time limit. */
  readonly reason: unknown;
}

/** A late failure; `undefined` for one that only echoes that the task was cut off. */
export function lateFailure(
  error: unknown,
  reason: unknown,
): LateFailure | undefined {
  return error === reason || isAbortError(error)
    ? undefined
    : { error, reason };
}

/** What a function throws that was stopped by a signal, if it makes its own error of that. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Milliseconds between two lines. */
const LINE_INTERVAL = 1000;

let lastLineAt = -Infinity;
let leftOut = 0;

/**
 * Reports a late failure on the console: one line, and at most one a second, which says how many
 * were left out since the one before. A server in trouble must not drown in its own reports.
 */
export function reportLate(what: string, error: unknown): void {
  const time = now();
  const since = time - lastLineAt;
  // Negative: a test has put its clock back.
  if (since >= 0 && since < LINE_INTERVAL) {
    leftOut++;
    return;
  }
  const text = error instanceof Error
    ? `${error.name}: ${error.message}`
    : show(error);
  const others = leftOut === 0 ? "" : ` (and ${leftOut} more before it)`;
  lastLineAt = time;
  leftOut = 0;
  console.error(`${what}: ${text.replaceAll("\n", " ")}${others}`);
}
