/**
 * Errors of the runner.
 *
 * @module
 */

/**
 * The queue was full and the overflow policy turned this task away: `"reject"` the newcomer,
 * `"drop-oldest"` and `"drop-lowest"` the task named by the policy.
 *
 * @example
 * ```ts
 * import { QueueFullError, TaskScheduler } from "@specify/async-core";
 *
 * await using scheduler = new TaskScheduler({
 *   maxConcurrent: 1,
 *   maxQueue: 0,
 *   overflow: "reject",
 * });
 * const running = scheduler.submit(() => "first");
 * const error = await scheduler.submit(() => "second").catch((error) => error);
 * console.log(error instanceof QueueFullError, await running); // true "first"
 * ```
 */
export class QueueFullError extends Error {
  /** Always `"QueueFullError"`. */
  override readonly name = "QueueFullError";
  /** The bound that was reached. */
  readonly maxQueue: number;

  /** `task` is the name of the task that was turned away. */
  constructor(task: string, maxQueue: number) {
    super(
      `Task ${task} was turned away: the queue is full (maxQueue: ${maxQueue}). ` +
        `Await ready() before submitting, raise maxQueue, or choose another overflow policy.`,
    );
    this.maxQueue = maxQueue;
  }
}
