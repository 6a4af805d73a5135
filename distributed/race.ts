/**
 * The first of several tasks: the first to end, or the first to succeed.
 *
 * @module
 */
import { aborted, allEnded, type BatchRunner, checkTasks } from "./batch.ts";
import { type ClusterHandle, markHandled } from "./cluster_handle.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";

/** The outcome of the first that ends, or with `mustSucceed` the first success. */
export async function firstOf(
  runner: BatchRunner,
  tasks: unknown,
  options: ClusterSubmitOptions,
  mustSucceed: boolean,
): Promise<unknown> {
  checkTasks(tasks);
  const list = [...tasks];
  if (list.length === 0) {
    throw mustSucceed
      ? new AggregateError([], "any() was given no tasks, so none succeeded")
      : new RangeError("race() must be given at least one task, got none");
  }
  const handles: ClusterHandle<unknown>[] = [];
  const cancel = (reason: unknown) => {
    for (const handle of handles) {
      // Those that failed by themselves are told nowhere else: the winner is what counts.
      markHandled(handle);
      handle.cancel(reason);
    }
  };
  const work = { cancel };
  runner.begin(work);
  try {
    for (const [index, task] of list.entries()) {
      handles.push(runner.submit(task, options, index > 0));
    }
    return await (mustSucceed
      ? Promise.any(handles).catch((error) => {
        throw options.signal?.aborted ? options.signal.reason : error;
      })
      : Promise.race(handles));
  } finally {
    cancel(
      aborted("Another task of the same race won, so this one was cancelled"),
    );
    await allEnded(handles);
    runner.end(work);
  }
}
