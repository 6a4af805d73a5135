/**
 * How a job ends on a worker, and in which words.
 *
 * @module
 */
import { abortError } from "@specify/async-core/host";
import type { Definition } from "../define_task.ts";
import type { JobEnd, TakenJob } from "../engine.ts";
import { writeReason } from "../outcome.ts";

/** Why a running job is being ended before its time. */
export type Ending = "cancelled" | "lock lost" | "stopped" | "orphaned";

/** What is to become of a job, and what it counts as when that is not its kind. */
export type Answer = JobEnd & { readonly counts?: "cancelled" | "lost" };

const WHY: Readonly<Record<Ending, string>> = {
  "cancelled": "was cancelled by its submitter",
  "lock lost":
    "was given to another worker: this one was not heard of for longer than lostAfter",
  "stopped": "was handed back: its worker stops",
  "orphaned": "was cancelled: its submitter is not heard of any more",
};

/** With what the signal of a task aborts that is ended before its time. */
export function endingError(task: string, ending: Ending): DOMException {
  return abortError(`Task ${task} ${WHY[ending]}`);
}

/** What becomes of a job that was ended before its time; `late`: what its function threw then. */
export function endedEarly(
  ending: Ending,
  error: unknown,
  late?: { error: unknown },
): Answer {
  switch (ending) {
    case "stopped":
      return { kind: "handed back", delay: 0 };
    case "lock lost":
      // The store refuses it: the job is another worker's.
      return {
        kind: "failed",
        reason: writeReason("failed", error),
        counts: "lost",
      };
    case "cancelled":
    case "orphaned":
      return {
        kind: "failed",
        reason: writeReason("cancelled", error, late),
        counts: "cancelled",
      };
  }
}

/** What becomes of a job whose task has thrown: it is tried again if its definition says so. */
export function failed(
  { retry }: Definition,
  { attempt }: TakenJob,
  error: unknown,
): JobEnd {
  const reason = writeReason("failed", error);
  const isWanted = retry !== undefined &&
    (retry.retryOn?.({ attempt, error }) ?? true);
  return isWanted
    ? { kind: "failed", reason, retryIn: retry.getJitteredDelay(attempt - 1) }
    : { kind: "failed", reason };
}

/** A delay in milliseconds after which a task that must not run now is looked at again. */
export function soon(): number {
  return 50 + Math.random() * 200;
}
