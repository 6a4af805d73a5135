/**
 * Running a function over items, so many at a time, within a runner when there is one.
 *
 * Invariant: at most `concurrency` items are taken from the source and not done. After the first failure
 * nothing more is taken, what runs is awaited, and that failure is the result.
 *
 * @module
 */
import { onAbort } from "../_internal/abort.ts";
import type { TaskPriority } from "../runner/priority.ts";
import type { SubmitOptions, TaskRunner } from "../runner/types.ts";

/** How items are worked on. */
export interface PoolOptions<T> {
  concurrency: number;
  runner?: TaskRunner | undefined;
  priority?: TaskPriority | undefined;
  signal?: AbortSignal | undefined;
  /** What the task of an item is called. */
  name: (item: T) => string;
}

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

/** Calls `work` for each item. */
export async function eachOf<T>(
  items: AsyncIterable<T> | Iterable<T>,
  work: (item: T) => Promise<void>,
  options: PoolOptions<T>,
): Promise<void> {
  const { concurrency, runner, priority, signal } = options;
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  /** Takes what still waits for the runner out of its queue after a failure. */
  const queued = runner && new AbortController();
  const subscription = queued && signal &&
    onAbort(signal, (reason) => queued.abort(reason));
  const fail = (error: unknown) => {
    failure ??= { error };
    queued?.abort(error);
  };
  const begin = (item: T): Promise<void> =>
    runner === undefined ? work(item) : inRunner(runner, () => work(item), {
      priority,
      signal: queued?.signal,
      name: options.name(item),
    });
  try {
    for await (const item of items) {
      if (failure !== undefined) break;
      const one: Promise<void> = begin(item).catch(fail).then(() => {
        running.delete(one);
      });
      running.add(one);
      if (running.size >= concurrency) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  subscription?.unsubscribe();
  if (failure !== undefined) throw failure.error;
}
