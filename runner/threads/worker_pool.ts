/**
 * Functions of modules, run on other threads: for work that would block this one.
 *
 * A worker's states:
 *
 * ```text
 *   idle <──> busy (one call)
 *     │         │ abort, death, dispose
 *     └──> dead <┘
 * ```
 *
 * A call ends exactly once: by the worker's answer, or by the worker's death, whose reason then
 * is the call's error. A dead worker never becomes alive; the pool of workers replaces it at the
 * next need.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { DisposedError, report } from "../../_internal/errors.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import { array, show, string } from "../../_internal/validate.ts";
import { ResourcePool } from "../pool/resource_pool.ts";
import { OffloadError, unpackThrown } from "./worker_errors.ts";
import type { WorkerAnswer, WorkerCall } from "./worker_protocol.ts";

/** How many workers, and for how long. */
export interface WorkerPoolOptions {
  /** The most workers. @default {navigator.hardwareConcurrency} */
  maxWorkers?: number | undefined;
  /**
   * How long in milliseconds a worker without work is kept. Idle workers keep a process from
   * ending, so it is short.
   *
   * @default {2_000}
   */
  idleTimeout?: number | undefined;
}

/** How one call is made. */
export interface WorkerCallOptions {
  /** What of the arguments is moved to the worker instead of copied. */
  transfer?: Transferable[] | undefined;
  /** Ends the wait for a worker, and the worker itself when it has begun. */
  signal?: AbortSignal | undefined;
}

/** Workers, made when they are needed. */
export class WorkerPool implements AsyncDisposable {
  readonly #workers: ResourcePool<HostedWorker>;
  readonly #living = new Set<HostedWorker>();

  constructor({ maxWorkers, idleTimeout = 2_000 }: WorkerPoolOptions = {}) {
    this.#workers = new ResourcePool<HostedWorker>({
      maxResources: maxWorkers ??
        Math.max(globalThis.navigator?.hardwareConcurrency ?? 1, 1),
      idleTimeout,
      factory: () => {
        const worker = new HostedWorker();
        this.#living.add(worker);
        return worker;
      },
      validate: (worker) => !worker.isDead,
      cleanup: (worker) => {
        this.#living.delete(worker);
        worker.end(new DisposedError("WorkerPool.run()"));
      },
    });
  }

  /** How many workers exist. */
  get size(): number {
    return this.#living.size;
  }

  /**
   * Calls the function that `moduleUrl` exports as `exportName` on a worker.
   *
   * @throws {TypeError} When `moduleUrl` is relative, or an argument is of the wrong type.
   * @throws {OffloadError} When the call could not be made or the worker died.
   * @throws What the function throws, with its name, message, own fields and remote stack.
   */
  async run<T>(
    moduleUrl: string | URL,
    exportName: string,
    args: readonly unknown[],
    { transfer = [], signal }: WorkerCallOptions = {},
  ): Promise<T> {
    const call: WorkerCall = {
      module: absolute(moduleUrl),
      name: string("exportName", exportName),
      args: array("args", args),
    };
    const lease = await this.#workers.acquire({ signal });
    const worker = lease.resource;
    try {
      signal?.throwIfAborted();
      // The worker sends what the caller says that it returns.
      return await worker.call(call, transfer, signal) as T;
    } finally {
      if (worker.isDead) void lease.destroy();
      else lease.release();
    }
  }

  /** Ends all workers at once, those that are busy too: their calls reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#living) {
      worker.end(new DisposedError("WorkerPool.run()"));
    }
    await this.#workers.close();
  }
}

/** One worker, seen from this side. */
class HostedWorker {
  readonly #worker: Worker;
  #pending: PromiseWithResolvers<unknown> | undefined = undefined;
  #where = "";
  isDead = false;

  constructor() {
    if (typeof Worker === "undefined") {
      throw new OffloadError(
        "offload() needs module workers, which this runtime does not have (Deno, Bun and browsers do). " +
          "Run the function as an ordinary task, or use the runtime's own worker threads.",
      );
    }
    // As JavaScript where the package was built into that: JSR does so for Node and Bun.
    const extension = import.meta.url.endsWith(".js") ? "js" : "ts";
    const entry = new URL(`./worker_entry.${extension}`, import.meta.url);
    checkReadPermission(entry);
    this.#worker = new Worker(entry, {
      type: "module",
      name: "@specify/async-core offload",
    });
    this.#worker.onmessage = (event: MessageEvent<WorkerAnswer>) =>
      this.#answered(event.data);
    this.#worker.onmessageerror = () =>
      this.end(
        new OffloadError(`What ${this.#where} sent could not be read`),
      );
    // Only what happens before the entry listens itself, for example that it cannot be loaded.
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(
        new OffloadError(
          `The worker could not be started, or died: ${event.message}`,
        ),
      );
    };
  }

  async call(
    call: WorkerCall,
    transfer: Transferable[],
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    this.#where = `${call.name} of ${call.module} (offloaded)`;
    const pending = this.#pending = withResolvers<unknown>();
    try {
      this.#worker.postMessage(call, transfer);
    } catch (cause) {
      this.#pending = undefined;
      throw new OffloadError(
        `The arguments for ${call.name} of ${call.module} cannot be sent to a worker. ` +
          "Pass what structured clone takes: no functions, no classes with methods.",
        { cause },
      );
    }
    // A thread that computes cannot be asked to stop.
    const subscription = signal &&
      onAbort(signal, (reason) => this.end(reason));
    try {
      return await pending.promise;
    } finally {
      subscription?.unsubscribe();
    }
  }

  /** Kills it; a call that is under way rejects with `reason`. */
  end(reason: unknown): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#worker.terminate();
    this.#pending?.reject(reason);
    this.#pending = undefined;
  }

  #answered(answer: WorkerAnswer): void {
    const pending = this.#pending;
    if (answer.kind === "gone") {
      const error = this.#error(answer);
      // Something that a function left behind, after its own call had ended well.
      if (pending === undefined) report("An idle worker died", error);
      this.end(error);
      return;
    }
    this.#pending = undefined;
    if (answer.kind === "done") pending?.resolve(answer.value);
    else if (answer.kind === "failed") {
      pending?.reject(unpackThrown(answer.thrown, this.#where));
    } else pending?.reject(this.#error(answer));
  }

  #error(
    { message, cause }: Extract<WorkerAnswer, { message: string }>,
  ): OffloadError {
    return cause === undefined
      ? new OffloadError(message)
      : new OffloadError(message, { cause: unpackThrown(cause, this.#where) });
  }
}

/**
 * A local module that is imported needs no permission, the same as a worker does. The worker would
 * die of that, and Deno does not always tell.
 */
function checkReadPermission(entry: URL): void {
  if (typeof Deno === "undefined" || entry.protocol !== "file:") return;
  const { state } = Deno.permissions.querySync({ name: "read", path: entry });
  if (state === "granted") {
    checkIsThere(entry);
    return;
  }
  throw new OffloadError(
    `offload() needs --allow-read for ${entry.pathname} and for the module that is offloaded to: ` +
      "a worker reads its modules itself.",
  );
}

/** A bundle does not contain it, and Deno does not always tell that a worker's module is missing. */
function checkIsThere(entry: URL): void {
  try {
    Deno.statSync(entry);
  } catch (cause) {
    throw new OffloadError(
      `offload() needs ${entry.pathname}, the worker's own script, which is not there. ` +
        "A bundler leaves it out: keep @specify/async-core external, or use ordinary tasks.",
      { cause },
    );
  }
}

/** A worker cannot know from where a relative address was meant. */
function absolute(moduleUrl: unknown): string {
  const text = moduleUrl instanceof URL ? moduleUrl.href : moduleUrl;
  // A scheme of one letter is a drive: C:\work\module.ts.
  if (
    typeof text === "string" && URL.canParse(text) && !/^[a-z]:/i.test(text)
  ) return text;
  throw new TypeError(
    `moduleUrl must be an absolute URL, got ${show(text)}. ` +
      'Use import.meta.resolve("./module.ts") or new URL("./module.ts", import.meta.url).',
  );
}
