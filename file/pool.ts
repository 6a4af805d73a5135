/**
 * Running a function over items, so many at a time, within a runner when there is one.
 *
 * Invariant: at most `concurrency` items are taken from the source and not done. After the first failure
 * nothing more is taken, what runs is awaited, and that failure is the result.
 *
 * @module
 */
import type { TaskPriority } from "../runner/priority.ts";
import type { TaskRunner } from "../runner/types.ts";

/** How items are worked on. */
export interface PoolOptions {
  concurrency: number;
  runner?: TaskRunner | undefined;
  priority?: TaskPriority | undefined;
  signal?: AbortSignal | undefined;
}

/** Calls `work` for each item. */
export async function eachOf<T>(
  items: AsyncIterable<T> | Iterable<T>,
  work: (item: T) => Promise<void>,
  options: PoolOptions,
): Promise<void> {
  const { concurrency, runner, priority, signal } = options;
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  const begin = (item: T): Promise<void> =>
    runner === undefined
      ? work(item)
      : runner.submit(() => work(item), { priority, signal });
  try {
    for await (const item of items) {
      if (failure !== undefined) break;
      if (runner?.isFull) await runner.ready(signal);
      const one: Promise<void> = begin(item).catch((error) => {
        failure ??= { error };
      }).then(() => {
        running.delete(one);
      });
      running.add(one);
      if (running.size >= concurrency) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } catch (error) {
    failure ??= { error };
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure.error;
}
