/**
 * An engine without a store: notes what it is asked, and answers when it may.
 *
 * @module
 */
import type {
  CancelResult,
  Engine,
  EngineCounts,
  EngineListener,
  EngineWorker,
  Found,
  NewJob,
  ServeOptions,
} from "../../../distributed/engine.ts";

/** Notes its calls; every one is answered at once, unless it is held. */
export class FakeEngine implements Engine {
  readonly address = "nowhere";
  trouble: Error | undefined = undefined;
  /** What was added, call by call. */
  readonly added: (readonly NewJob[])[] = [];
  /** Whose records were removed, call by call. */
  readonly forgotten: (readonly string[])[] = [];
  /** What a cancel is answered with. */
  cancelResult: CancelResult = "removed";
  listener: EngineListener | undefined;
  readonly #counts = new Map<string, number>();
  readonly #held = new Map<string, PromiseWithResolvers<void>>();

  /** Keeps the answers to calls of `name` back until what it gives is resolved or rejected. */
  hold(name: keyof Engine): PromiseWithResolvers<void> {
    const held = Promise.withResolvers<void>();
    this.#held.set(name, held);
    return held;
  }

  /** How often `name` was called. */
  countOf(name: keyof Engine): number {
    return this.#counts.get(name) ?? 0;
  }

  async #answer(name: keyof Engine): Promise<void> {
    this.#counts.set(name, this.countOf(name) + 1);
    await this.#held.get(name)?.promise;
  }

  async listen(listener: EngineListener): Promise<void> {
    this.listener = listener;
    await this.#answer("listen");
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    this.added.push(jobs);
    await this.#answer("add");
  }

  async find(ids: readonly string[]): Promise<(Found | undefined)[]> {
    await this.#answer("find");
    return ids.map(() => undefined);
  }

  async cancel(_id: string): Promise<CancelResult> {
    await this.#answer("cancel");
    return this.cancelResult;
  }

  async reprioritise(): Promise<void> {
    await this.#answer("reprioritise");
  }

  async forget(ids: readonly string[]): Promise<void> {
    this.forgotten.push(ids);
    await this.#answer("forget");
  }

  async counts(): Promise<EngineCounts> {
    await this.#answer("counts");
    return {
      waiting: 0,
      delayed: 0,
      running: 0,
      succeeded: 0,
      failed: 0,
      byPriority: [0, 0, 0, 0, 0],
    };
  }

  async now(): Promise<number> {
    await this.#answer("now");
    return 0;
  }

  async beat(): Promise<void> {
    await this.#answer("beat");
  }

  async lives(): Promise<boolean> {
    await this.#answer("lives");
    return true;
  }

  serve({ concurrency }: ServeOptions): EngineWorker {
    return {
      ready: Promise.resolve(),
      concurrency,
      close: () => this.#answer("serve"),
    };
  }

  async close(): Promise<void> {
    await this.#answer("close");
  }
}
