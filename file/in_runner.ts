/**
 * Work in a slot of somebody's runner.
 *
 * @module
 */
import type { SubmitOptions, TaskRunner } from "../runner/types.ts";

/**
 * Runs `work` as a task of `runner`, once its queue has room. The handle of a task settles as soon as
 * it is cancelled; this settles when `work` has ended too, so that nothing is read or written after it.
 */
export async function inRunner<T>(
  runner: TaskRunner,
  work: () => Promise<T>,
  options: SubmitOptions,
): Promise<T> {
  // A loop: who waited for room beside us may have taken it.
  while (runner.isFull) await runner.ready(options.signal);
  const working: Promise<T>[] = [];
  try {
    return await runner.submit(() => {
      const result = work();
      working.push(result);
      return result;
    }, options);
  } catch (error) {
    await Promise.allSettled(working);
    throw error;
  }
}
