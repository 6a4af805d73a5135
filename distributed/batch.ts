/**
 * What gather, race, map and scope ask of their runner, and what they have in common.
 *
 * @module
 */
import type { AcceptedWork } from "./admission.ts";
import { show } from "./check.ts";
import type { ClusterHandle } from "./cluster_handle.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";

/** A runner, as those see it that submit many tasks to it. */
export interface BatchRunner {
  /** `isAccepted`: the task belongs to something that was let in before. */
  submit<T>(
    task: unknown,
    options: ClusterSubmitOptions | undefined,
    isAccepted: boolean,
  ): ClusterHandle<T>;
  readonly isFull: boolean;
  ready(signal?: AbortSignal): Promise<void>;
  /** Work that may submit more has begun: a shutdown waits for it. */
  begin(work: AcceptedWork): void;
  end(work: AcceptedWork): void;
}

/** An AbortError. */
export function aborted(message: string): DOMException {
  return new DOMException(message, "AbortError");
}

/** Checks that there is something to take tasks from. */
export function checkTasks(tasks: unknown): asserts tasks is Iterable<unknown> {
  if (typeof Object(tasks)[Symbol.iterator] === "function") return;
  throw new TypeError(
    `tasks must be an iterable of defined tasks, got ${show(tasks)}`,
  );
}

/** Resolves when all have ended where they ran; never rejects. */
export async function allEnded(
  handles: Iterable<ClusterHandle<unknown>>,
): Promise<void> {
  await Promise.all([...handles].map((handle) => handle.whenEnded()));
}
