/**
 * How a task ended, as it is written into the record of its job: a value, or a text that says to
 * people what happened and, on its last line, to the submitter everything of the error.
 *
 * @module
 */
import { TaskLostError } from "./errors.ts";
import { decode, unpackThrown } from "./serialize/decode.ts";
import { packThrown } from "./serialize/encode.ts";
import type { PackedThrown } from "./serialize/kinds.ts";
import type { Outcome } from "./engine.ts";
import type { TaskState } from "@specify/async-core/runner";

/** Begins the line that holds the error. */
const MARK = "#async-distributed ";

/** The reason of a job that was lost too often, in BullMQ's words. */
export const LOST = "job stalled more than allowable limit";

interface Written {
  readonly state: "failed" | "cancelled";
  readonly thrown: PackedThrown;
  /** What the function of a cancelled task threw in the end, if that is news. */
  readonly late?: PackedThrown;
}

/** The text for a task that failed or was cancelled; `late`: and then failed all the same. */
export function writeReason(
  state: "failed" | "cancelled",
  thrown: unknown,
  late?: { error: unknown },
): string {
  const written: Written = {
    state,
    thrown: packThrown(thrown),
    ...(late && { late: packThrown(late.error) }),
  };
  const text = thrown instanceof Error
    ? `${thrown.name}: ${thrown.message}`
    : "error" in written.thrown
    ? written.thrown.error.message
    : String(written.thrown.value);
  return `${text}\n${MARK}${JSON.stringify(written)}`;
}

/** A state and what the handle settles with. Never throws. */
export function readOutcome(
  outcome: Outcome,
  task: string,
  id: string,
): { state: TaskState; value: unknown } {
  try {
    if (outcome.succeeded) {
      return { state: "succeeded", value: decode(outcome.value) };
    }
    const { reason } = outcome;
    if (reason === LOST) {
      return { state: "failed", value: new TaskLostError(task, id) };
    }
    const written = writtenIn(reason);
    if (written === undefined) {
      return { state: "failed", value: new Error(reason) };
    }
    return {
      state: written.state === "cancelled" ? "cancelled" : "failed",
      value: unpackThrown(written.thrown, whereOf(task)),
    };
  } catch (cause) {
    return {
      state: "failed",
      value: new TypeError(
        `The outcome of task ${task} (${id}) cannot be read: another program or another version ` +
          `of this one wrote it`,
        { cause },
      ),
    };
  }
}

/**
 * What a task failed with that had been given up here before its outcome came: by its function, not
 * by a limit of time, which holds on both sides. Never throws.
 */
export function readLate(
  outcome: Outcome,
  task: string,
): { error: unknown } | undefined {
  try {
    const written = outcome.succeeded ? undefined : writtenIn(outcome.reason);
    const late = written?.state === "failed" ? written.thrown : written?.late;
    if (late === undefined) return undefined;
    const error = unpackThrown(late, whereOf(task));
    return error instanceof Error && error.name === "TimeoutError"
      ? undefined
      : { error };
  } catch {
    // Another program wrote it.
    return undefined;
  }
}

/** What a reason says to the submitter; `undefined` when it is not ours. */
function writtenIn(reason: string): Written | undefined {
  const at = reason.lastIndexOf(`\n${MARK}`);
  return at === -1
    ? undefined
    : JSON.parse(reason.slice(at + 1 + MARK.length)) as Written;
}

function whereOf(task: string): string {
  return `a worker of the cluster (${task})`;
}
