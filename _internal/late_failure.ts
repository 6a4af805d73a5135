/**
 * Failures that come too late for the promise of whoever asked, of tasks, streams and sources: which
 * of them are news, and the line on the console where nobody else is there to be told. What a
 * callback throws that only watches (an observer, `onProgress`) has nobody to go to in the first
 * place: that is what `report` in errors.ts is for.
 *
 * @module
 */
import { isAbortReason } from "./abort.ts";
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
  return isEcho(error, reason) ? undefined : { error, reason };
}

/**
 * Whether `error` only says that something was stopped: for `reason`, for another signal's, or by
 * an error that was made of that. Whoever stopped it knows.
 */
export function isEcho(error: unknown, reason: unknown): boolean {
  // Nothing is stopped for `undefined`, and a `throw undefined` is a failure.
  return (error === reason && error !== undefined) || isAbortError(error) ||
    isAbortReason(error);
}

/** What a function throws that was stopped by a signal, if it makes its own error of that. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Milliseconds between two lines. */
const LINE_INTERVAL = 1000;

let lastLineAt = -Infinity;
let leftOut = 0;
/** Whether what was left out is told at the end of the program. */
let isAtExit = false;

/**
 * Under this key the handle of a task says whether somebody is told of its failure, whoever looks at
 * the handle: the user's observer, or a scope.
 */
export const isHeard: unique symbol = Symbol("isHeard");

/** What has been heard of elsewhere, and may come here by another promise than its handle. */
const heard = new WeakSet<object>();

/** Keeps the next report of `error`, if it is an object, from the console. */
export function markHeard(error: unknown): void {
  if (typeof error === "object" && error !== null) heard.add(error);
}

/**
 * Reports a late failure on the console, unless it is an echo of `reason` or was heard of
 * elsewhere: one line, and at most one a second. How many were left out stands in the next one, or in
 * a last one when the program ends. A server in trouble must not drown in its own reports.
 */
export function reportLate(
  what: string,
  error: unknown,
  reason?: unknown,
): void {
  if (isEcho(error, reason) || heard.delete(error as object)) return;
  const time = now();
  const since = time - lastLineAt;
  // Negative: a test has put its clock back.
  if (since >= 0 && since < LINE_INTERVAL) {
    leftOut++;
    if (!isAtExit) atExit(reportLeftOut);
    isAtExit = true;
    return;
  }
  const text = error instanceof Error
    ? `${error.name}: ${error.message}`
    : show(error);
  const others = leftOut === 0
    ? ""
    : ` (and ${leftOut} other late failures before it)`;
  lastLineAt = time;
  leftOut = 0;
  console.error(`${what}: ${text.replaceAll("\n", " ")}${others}`);
}

function reportLeftOut(): void {
  if (leftOut > 0) console.error(`${leftOut} other late failures`);
}

/** Calls `fn` when the program ends by itself; in a page, when that is left. */
function atExit(fn: () => void): void {
  const { process } = globalThis as {
    process?: { once?(event: "exit", fn: () => void): unknown };
  };
  if (typeof Deno !== "undefined") {
    globalThis.addEventListener("unload", fn, { once: true });
  } else if (process?.once !== undefined) process.once("exit", fn);
  // Not "unload", for which a browser keeps no page to come back to.
  else globalThis.addEventListener?.("pagehide", fn, { once: true });
}

/** The same of the task `name`. */
export function reportLateTask(name: string, error: unknown): void {
  reportLate(`Late failure of task ${name}`, error);
}
