/**
 * A defined task over a source, a bounded number ahead.
 *
 * @module
 */
import { AsyncStream } from "@specify/async-core/streams";
import { aborted, allEnded, type BatchRunner } from "./batch.ts";
import type { ClusterHandle } from "./cluster_handle.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";

/** How a map works. */
export interface MapSettings {
  /** What each task is submitted with; the signal ends the whole. */
  readonly options: ClusterSubmitOptions;
  readonly concurrency: number;
  readonly ordered: boolean;
}

/** The results of a defined task over a source. Ends what is in flight when it is closed early. */
export class ClusterMap<T, U>
  implements AsyncIterableIterator<U>, AsyncDisposable {
  // Invariant: #open holds the handles that have not ended where they run. Nothing is read from
  // the source before the first next().
  readonly #runner: BatchRunner;
  readonly #taskOf: (value: T) => unknown;
  readonly #settings: MapSettings;
  readonly #open = new Map<ClusterHandle<unknown>, number>();
  readonly #closing = new AbortController();
  readonly #iterator: AsyncIterator<U>;

  constructor(
    runner: BatchRunner,
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    taskOf: (value: T) => unknown,
    settings: MapSettings,
  ) {
    this.#runner = runner;
    this.#taskOf = taskOf;
    this.#settings = settings;
    const { concurrency, ordered, options: { signal } } = settings;
    const results = AsyncStream.from(source as AsyncIterable<T>)
      .map((value, index) => this.#start(value, index), {
        concurrency,
        ordered,
      });
    // The tasks end with the signal too; this ends a map that waits for its source.
    this.#iterator =
      (signal === undefined ? results : results.abortable(signal))
        [Symbol.asyncIterator]();
  }

  #start(value: T, index: number): Promise<U> {
    return this.#runner.isFull
      ? this.#runner.ready(this.#closing.signal)
        .then(() => this.#submit(value, index))
      : this.#submit(value, index);
  }

  #submit(value: T, index: number): Promise<U> {
    const handle = this.#runner.submit<U>(
      this.#taskOf(value),
      this.#settings.options,
      index > 0,
    );
    this.#open.set(handle, index);
    handle.whenEnded().then(() => this.#open.delete(handle));
    return handle.catch(async (error) => {
      // In order, what came before the failed element is still delivered.
      this.#cancelFrom(
        this.#settings.ordered ? index : 0,
        "Another task of the same map failed, so this one was cancelled",
      );
      // The stream fails when this does: by then nothing runs any more.
      await handle.whenEnded();
      throw error;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<U>> {
    try {
      return await this.#iterator.next();
    } catch (error) {
      await allEnded(this.#open.keys());
      throw error;
    }
  }

  async return(): Promise<IteratorResult<U>> {
    const why = "The consumer of the map stopped, so this task was cancelled";
    this.#closing.abort(aborted(why));
    this.#cancelFrom(0, why);
    await this.#iterator.return?.();
    await allEnded(this.#open.keys());
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #cancelFrom(first: number, why: string): void {
    const reason = aborted(why);
    for (const [handle, index] of this.#open) {
      if (index >= first) handle.cancel(reason);
    }
  }
}
