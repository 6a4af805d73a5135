/**
 * An engine that is loaded when it is first used: importing this package runs nothing of BullMQ
 * (which reads the environment as it loads), asks for no permission and opens no connection.
 *
 * @module
 */
import { addressOf } from "./address.ts";
import type { ClusterRunnerOptions } from "./cluster_options.ts";
import type { TaskPriority } from "@specify/async-core/runner";
import type {
  CancelResult,
  Engine,
  EngineCounts,
  EngineListener,
  EngineWorker,
  Found,
  NewJob,
  ServeOptions,
} from "./engine.ts";

/** Passes everything on to an engine, once it is there. */
export class LazyEngine implements Engine {
  readonly address: string;
  readonly #load: () => Promise<Engine>;
  #loading: Promise<Engine> | undefined;
  #loaded: Engine | undefined;

  constructor(address: string, load: () => Promise<Engine>) {
    this.address = address;
    this.#load = load;
  }

  get trouble(): Error | undefined {
    return this.#loaded?.trouble;
  }

  async listen(listener: EngineListener): Promise<void> {
    await (await this.#engine()).listen(listener);
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    await (await this.#engine()).add(jobs);
  }

  async find(ids: readonly string[]): Promise<(Found | undefined)[]> {
    return await (await this.#engine()).find(ids);
  }

  async cancel(id: string): Promise<CancelResult> {
    return await (await this.#engine()).cancel(id);
  }

  async reprioritise(id: string, priority: TaskPriority): Promise<void> {
    await (await this.#engine()).reprioritise(id, priority);
  }

  async forget(ids: readonly string[]): Promise<void> {
    await (await this.#engine()).forget(ids);
  }

  async counts(): Promise<EngineCounts> {
    return await (await this.#engine()).counts();
  }

  async now(): Promise<number> {
    return await (await this.#engine()).now();
  }

  async beat(owner: string, duration: number): Promise<void> {
    await (await this.#engine()).beat(owner, duration);
  }

  async lives(owner: string): Promise<boolean> {
    return await (await this.#engine()).lives(owner);
  }

  serve(options: ServeOptions): EngineWorker {
    let { concurrency } = options;
    let worker: EngineWorker | undefined;
    let isClosed = false;
    const serving = this.#engine().then((engine) => {
      if (isClosed) return undefined;
      return worker = engine.serve({ ...options, concurrency });
    });
    const ready = serving.then((worker) => worker?.ready);
    // Whoever awaits it hears of a failure; nobody has to.
    ready.catch(() => {});
    return {
      ready,
      get concurrency() {
        return concurrency;
      },
      set concurrency(value) {
        concurrency = value;
        if (worker !== undefined) worker.concurrency = value;
      },
      async close() {
        isClosed = true;
        // That it could not be loaded was told by `ready`.
        await (await serving.catch(() => undefined))?.close();
      },
    };
  }

  async close(): Promise<void> {
    // That it could not be loaded was told to whoever wanted something of it.
    const engine = await this.#loading?.catch(() => undefined);
    await engine?.close();
  }

  #engine(): Promise<Engine> {
    return this.#loading ??= this.#load().then((engine) =>
      this.#loaded = engine
    );
  }
}

/** The engine that options name: BullMQ, loaded when something is submitted or served. */
export function engineOf(
  options: ClusterRunnerOptions,
  report: (error: Error) => void,
): Engine {
  const connection = options.connection ?? "redis://127.0.0.1:6379";
  return new LazyEngine(addressOf(connection), async () => {
    const { BullMqEngine } = await import("./bullmq/engine.ts");
    return new BullMqEngine({
      connection,
      queue: options.queue ?? "async-distributed",
      prefix: options.prefix ?? "bull",
      report,
    });
  });
}
