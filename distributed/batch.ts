/**
 * Many tasks at once: gather, map, race and any over the handles of a cluster. What is read ahead
 * is bounded, and whatever is given up is cancelled everywhere and awaited.
 *
 * @module
 */
import { AsyncStream } from "@specify/async-core/streams";
import type { TaskContext } from "@specify/async-core/runner";
import { show } from "./check.ts";
import { type ClusterHandle, markHandled } from "./cluster_handle.ts";

/** Submits one task. */
export type Submit = (task: unknown) => ClusterHandle<unknown>;

function cancelled(what: string): DOMException {
  return new DOMException(
    `Another task of the same ${what} ended it, so this one was cancelled`,
    "AbortError",
  );
}

function iteratorOf(tasks: Iterable<unknown>): Iterator<unknown> {
  if (typeof tasks?.[Symbol.iterator] !== "function") {
    throw new TypeError(
      `tasks must be an iterable of defined tasks, got ${show(tasks)}`,
    );
  }
  return tasks[Symbol.iterator]();
}

/** Every result in order, or the first failure when all have ended. */
export async function gatherAll(
  tasks: Iterable<unknown>,
  submit: Submit,
  ahead: number,
  settled: boolean,
): Promise<unknown[]> {
  // Invariant: `open` holds the handles that were submitted and have not settled; the source is
  // read only while it holds fewer than `ahead` and no failure is known.
  const iterator = iteratorOf(tasks);
  const results: unknown[] = [];
  const open = new Set<ClusterHandle<unknown>>();
  const givenUp: Promise<void>[] = [];
  const later: unknown[] = [];
  let failure: { error: unknown } | undefined;
  let isDone = false;
  let wake = () => {};

  const fail = (error: unknown) => {
    if (failure !== undefined) {
      later.push(error);
      return;
    }
    failure = { error };
    const reason = cancelled("gather");
    for (const handle of open) {
      handle.cancel(reason);
      givenUp.push(handle.whenEnded());
    }
    if (isDone) return;
    isDone = true;
    try {
      iterator.return?.();
    } catch (closeError) {
      later.push(closeError);
    }
  };
  const begin = (index: number, task: unknown) => {
    const handle = submit(task);
    open.add(handle);
    handle.then(
      (value) => {
        open.delete(handle);
        results[index] = settled ? { status: "fulfilled", value } : value;
        wake();
      },
      (reason) => {
        open.delete(handle);
        if (settled) results[index] = { status: "rejected", reason };
        else if (failure === undefined || handle.state !== "cancelled") {
          fail(reason);
        }
        wake();
      },
    );
  };

  for (let index = 0; !isDone;) {
    let step;
    try {
      step = iterator.next();
    } catch (error) {
      isDone = true;
      fail(error);
      break;
    }
    if (step.done) {
      isDone = true;
      break;
    }
    try {
      begin(index++, step.value);
    } catch (error) {
      fail(error);
      break;
    }
    while (open.size >= ahead && failure === undefined) {
      await new Promise<void>((resolve) => wake = resolve);
    }
  }
  while (open.size > 0) await new Promise<void>((resolve) => wake = resolve);
  await Promise.all(givenUp);
  if (failure === undefined) return results;
  const { error } = failure as { error: unknown };
  if (later.length > 0 && error instanceof Error) {
    Object.defineProperty(error, "suppressed", {
      value: later,
      configurable: true,
      writable: true,
    });
  }
  throw error;
}

/** The outcome of the first that ends, or with `successOnly` the first success. */
export async function firstOf(
  tasks: Iterable<unknown>,
  submit: Submit,
  successOnly: boolean,
): Promise<unknown> {
  const handles: ClusterHandle<unknown>[] = [];
  try {
    for (const task of { [Symbol.iterator]: () => iteratorOf(tasks) }) {
      handles.push(submit(task));
    }
    if (handles.length === 0) {
      throw new RangeError(
        "tasks must not be empty: with none, race and any would never settle",
      );
    }
    return await (successOnly ? Promise.any(handles) : Promise.race(handles));
  } finally {
    const reason = cancelled(successOnly ? "any" : "race");
    for (const handle of handles) {
      // Those that failed by themselves are told nowhere else: the winner is what counts.
      markHandled(handle);
      handle.cancel(reason);
    }
    await Promise.all(handles.map((handle) => handle.whenEnded()));
  }
}

/** A defined task over a source, a bounded number ahead. */
export class ClusterMap<T, U>
  implements AsyncIterableIterator<U>, AsyncDisposable {
  // Invariant: #open holds the handles that have not ended where they run. Nothing is read from
  // the source before the first next().
  readonly #open = new Map<ClusterHandle<unknown>, number>();
  readonly #iterator: AsyncIterator<U>;

  constructor(
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    taskOf: (value: T) => unknown,
    submit: Submit,
    { concurrency, ordered }: { concurrency: number; ordered: boolean },
  ) {
    const start = (value: T, index: number): Promise<U> => {
      const handle = submit(taskOf(value));
      this.#open.set(handle, index);
      handle.whenEnded().then(() => this.#open.delete(handle));
      return handle.catch(async (error) => {
        // In order, what came before the failed element is still delivered.
        this.#cancelFrom(ordered ? index : 0);
        // The stream fails when this does: by then nothing runs any more.
        await handle.whenEnded();
        throw error;
      }) as Promise<U>;
    };
    this.#iterator = AsyncStream.from(source as AsyncIterable<T>)
      .map(start, { concurrency, ordered })
      [Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<U>> {
    try {
      return await this.#iterator.next();
    } catch (error) {
      await this.#allEnded();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<U>> {
    this.#cancelFrom(0);
    await this.#iterator.return?.();
    await this.#allEnded();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #cancelFrom(first: number): void {
    const reason = cancelled("map");
    for (const [handle, index] of this.#open) {
      if (index < first) continue;
      if (handle.state === "queued" || handle.state === "running") {
        handle.cancel(reason);
      }
    }
  }

  async #allEnded(): Promise<void> {
    await Promise.all(
      [...this.#open.keys()].map((handle) => handle.whenEnded()),
    );
  }
}

/** What `map` takes: a defined task, by the shape in which a local runner calls it. */
export type MapFunction<T, U> = (
  value: T,
  index: number,
  context: TaskContext,
) => U | PromiseLike<U>;
