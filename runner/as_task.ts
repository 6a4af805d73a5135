/**
 * Work in a slot of somebody's runner.
 *
 * @module
 */
import { isHeard, markHeard } from "../_internal/late_failure.ts";
import type {
  SubmitOptions,
  TaskContext,
  TaskHandle,
  TaskRunner,
} from "./types.ts";

/** A handle; that of somebody else's runner may not say who hears of it. */
export type Heard<T> = TaskHandle<T> & { readonly [isHeard]?: boolean };

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
  const handle: Heard<T> = runner.submit(
    (context) => running = work(context),
    options,
  );
  try {
    return await handle;
  } catch (error) {
    if (handle.state === "failed" && handle[isHeard]) markHeard(error);
    // What it ends with is the handle's affair, or comes too late for anybody.
    await running?.catch(() => {});
    throw error;
  }
}
