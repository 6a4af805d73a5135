/**
 * What `cluster.work` gives: a worker that can be watched and stopped.
 *
 * @module
 */
import {
  checkOptions,
  duration,
  withResolvers,
} from "@specify/async-core/host";
import type { Server } from "./serve.ts";
import type { WorkerStatistics } from "./statistics.ts";

/** Told of the end of a worker. */
export interface StopHooks {
  /** It begins to stop. */
  stopping(): void;
  /** It has stopped. */
  stopped(): Promise<void>;
}

/** A worker: this process serving a queue. */
export class ClusterWorker implements AsyncDisposable {
  readonly #server: Server;
  readonly #hooks: StopHooks;
  readonly #finished = withResolvers<void>();
  #stopped: Promise<void> | undefined;

  /** @internal */
  constructor(server: Server, hooks: StopHooks) {
    this.#server = server;
    this.#hooks = hooks;
    // Nobody has to wait for it.
    this.#finished.promise.catch(() => {});
  }

  /** Resolves when it takes tasks. */
  get ready(): Promise<void> {
    return this.#server.ready;
  }

  /** Resolves when it has stopped, by `stop()`, a signal or SIGTERM. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** What it has done so far. */
  stats(): WorkerStatistics {
    return { ...this.#server.stats };
  }

  /**
   * Takes no more tasks, lets those that run finish, and hands back to the queue what has not
   * after `grace`: its signal aborts, and another worker runs it. Calling it again joins the same
   * stop; the most impatient grace wins.
   *
   * @param options.grace Milliseconds. @default {that of `work`}
   */
  async stop(options: { grace?: number | undefined } = {}): Promise<void> {
    checkOptions("stop()", options, { grace: duration });
    const stopped = this.#server.stop(options.grace);
    await (this.#stopped ??= this.#stop(stopped));
  }

  async #stop(stopped: Promise<void>): Promise<void> {
    this.#hooks.stopping();
    try {
      await stopped;
      this.#finished.resolve();
    } catch (error) {
      this.#finished.reject(error);
      throw error;
    } finally {
      await this.#hooks.stopped();
    }
  }

  /** `stop()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
