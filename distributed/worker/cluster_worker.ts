/**
 * What `cluster.work` gives: a worker that can be watched and stopped.
 *
 * @module
 */
import type { Server, WorkerStatistics } from "./serve.ts";

/** A worker: this process serving a queue. */
export class ClusterWorker implements AsyncDisposable {
  readonly #server: Server;
  readonly #finished: Promise<void>;
  #tellFinished: () => void = () => {};
  #tellFailed: (error: unknown) => void = () => {};
  #stopped: Promise<void> | undefined;
  readonly #onStop: () => void;

  /** @internal */
  constructor(server: Server, onStop: () => void) {
    this.#server = server;
    this.#onStop = onStop;
    this.#finished = new Promise((resolve, reject) => {
      this.#tellFinished = resolve;
      this.#tellFailed = reject;
    });
    // Nobody has to wait for it.
    this.#finished.catch(() => {});
  }

  /** Resolves when it takes tasks. */
  get ready(): Promise<void> {
    return this.#server.ready;
  }

  /** Resolves when it has stopped, by `stop()`, a signal or SIGTERM. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /** What it has done so far. */
  stats(): WorkerStatistics {
    return { ...this.#server.stats };
  }

  /**
   * Takes no more tasks, lets those that run finish, and hands back to the queue what has not
   * after `grace`: its signal aborts, and another worker runs it.
   *
   * @param options.grace Milliseconds. @default {that of `work`}
   */
  stop(options: { grace?: number | undefined } = {}): Promise<void> {
    return this.#stopped ??= this.#stop(options.grace);
  }

  async #stop(grace: number | undefined): Promise<void> {
    this.#onStop();
    try {
      await this.#server.stop(grace);
      this.#tellFinished();
    } catch (error) {
      this.#tellFailed(error);
      throw error;
    }
  }

  /** `stop()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
