/**
 * Running many tasks and having all results, in order. What is submitted ahead is bounded.
 *
 * @module
 */
import type { AcceptedWork } from "./admission.ts";
import { aborted, allEnded, type BatchRunner, checkTasks } from "./batch.ts";
import { type ClusterHandle, markHandled } from "./cluster_handle.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";

/** How a gather works. */
export interface GatherSettings {
  /** What each task is submitted with; the signal ends the whole. */
  readonly options: ClusterSubmitOptions;
  /** How many may be submitted at once. */
  readonly ahead: number;
  readonly settled: boolean;
}

/** Every task's result, or the first failure when all have ended. */
export async function gatherAll(
  runner: BatchRunner,
  tasks: unknown,
  settings: GatherSettings,
): Promise<unknown[]> {
  checkTasks(tasks);
  return await new Gather(runner, tasks[Symbol.iterator](), settings).run();
}

class Gather implements AcceptedWork {
  // Invariant: #open holds the handles that were submitted and have not settled. The source is
  // read only while no failure is known, and is closed exactly once: by itself when it ends,
  // otherwise by #stop, or by whoever reads it at that moment.
  readonly #runner: BatchRunner;
  readonly #iterator: Iterator<unknown>;
  readonly #options: ClusterSubmitOptions;
  readonly #ahead: number;
  readonly #settled: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #results: unknown[] = [];
  readonly #open = new Set<ClusterHandle<unknown>>();
  readonly #stopped = new AbortController();
  #givenUp: Promise<void> | undefined;
  #isReading = false;
  #isRead = false;
  #failure: { error: unknown } | undefined;
  #later: unknown[] = [];
  #wake = () => {};

  constructor(
    runner: BatchRunner,
    iterator: Iterator<unknown>,
    { options, ahead, settled }: GatherSettings,
  ) {
    const { signal, ...others } = options;
    this.#runner = runner;
    this.#iterator = iterator;
    this.#options = others;
    this.#ahead = ahead;
    this.#settled = settled;
    this.#signal = signal;
  }

  /** Ends it with the reason of whoever ends it: its signal, or the runner's shutdown. */
  cancel(reason: unknown): void {
    this.#stop(reason, reason);
  }

  async run(): Promise<unknown[]> {
    const signal = this.#signal;
    const abort = () => this.cancel(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#runner.begin(this);
    try {
      await this.#submitAll();
      while (this.#open.size > 0) await this.#change();
      await this.#givenUp;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#runner.end(this);
    }
    if (this.#failure === undefined) return this.#results;
    throw withSuppressed(this.#failure.error, this.#later);
  }

  async #submitAll(): Promise<void> {
    for (let index = 0; !this.#isRead; index++) {
      while (this.#open.size >= this.#ahead && !this.#isRead) {
        await this.#change();
      }
      if (this.#runner.isFull && !this.#isRead) {
        // Rejects only when it was stopped meanwhile.
        await this.#runner.ready(this.#stopped.signal).catch(() => {});
      }
      if (!this.#isRead) this.#submitNext(index);
    }
  }

  #submitNext(index: number): void {
    let step;
    try {
      this.#isReading = true;
      step = this.#iterator.next();
    } catch (error) {
      this.#isRead = true;
      return this.#fail(error);
    } finally {
      this.#isReading = false;
    }
    // The source itself may have stopped us, and could not be closed while it was read.
    if (this.#isRead) return this.#closeSource();
    if (step.done) {
      this.#isRead = true;
      return;
    }
    let handle: ClusterHandle<unknown>;
    try {
      handle = this.#runner.submit(step.value, this.#options, index > 0);
    } catch (error) {
      // No task, a wrong option, or an input that cannot be sent: nothing was submitted.
      return this.#fail(error);
    }
    this.#open.add(handle);
    handle.then(
      (value) =>
        this.#ended(
          handle,
          index,
          this.#settled ? { status: "fulfilled", value } : value,
        ),
      (reason) => {
        if (this.#settled) {
          return this.#ended(handle, index, { status: "rejected", reason });
        }
        if (this.#failure === undefined) this.#fail(reason);
        else if (handle.state !== "cancelled") this.#later.push(reason);
        this.#ended(handle, index, undefined);
      },
    );
  }

  #ended(handle: ClusterHandle<unknown>, index: number, result: unknown): void {
    this.#open.delete(handle);
    this.#results[index] = result;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #fail(error: unknown): void {
    this.#stop(
      error,
      aborted(
        "Another task of the same gather failed, so this one was cancelled",
      ),
    );
  }

  /** Reads no further and cancels what is open; `error` is what the gather rejects with. */
  #stop(error: unknown, cancelReason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    if (!this.#isRead) {
      this.#isRead = true;
      if (!this.#isReading) this.#closeSource();
    }
    const open = [...this.#open];
    for (const handle of open) {
      markHandled(handle);
      handle.cancel(cancelReason);
    }
    this.#givenUp = allEnded(open);
    this.#stopped.abort();
    this.#wake();
  }

  #closeSource(): void {
    try {
      this.#iterator.return?.();
    } catch (error) {
      this.#later.push(error);
    }
  }
}

/** The first error, with those that came after it as its `suppressed`. */
function withSuppressed(error: unknown, later: unknown[]): unknown {
  if (
    later.length > 0 && error instanceof Error && Object.isExtensible(error)
  ) {
    Object.defineProperty(error, "suppressed", {
      value: later,
      configurable: true,
      writable: true,
    });
  }
  return error;
}
