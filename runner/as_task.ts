/**
 * Work in a slot of somebody's runner.
 *
 * @module
 */
import type { SubmitOptions, TaskContext, TaskRunner } from "./types.ts";

/** A runner; or a task's context, whose children wait for no room. */
type Submitter =
  | TaskRunner
  | { readonly isFull?: undefined; submit: TaskRunner["submit"] };

/**
 * Submits `work` once the runner's queue has room, and settles as its handle does, but not before
 * the work has really ended: a cancelled handle settles at once, while what it has opened is still
 * open. The work must end by the signal that its task gives it.
 */
export async function asTask<T>(
  runner: Submitter,
  work: (context: TaskContext) => Promise<T>,
  options: SubmitOptions,
): Promise<T> {
  // Again each time: others that waited too may have filled it since.
  while (runner.isFull) await runner.ready(options.signal);
  let running: Promise<T> | undefined;
  try {
    return await runner.submit((context) => running = work(context), options);
  } catch (error) {
    // What it ends with is the handle's affair, or comes too late for anybody.
    await running?.catch(() => {});
    throw error;
  }
}
