/**
 * How a submitter stays in touch with the store: it listens from before its first task on, knows
 * how the store's clock runs, says that it lives where its tasks depend on that, and notices when
 * the store is away.
 *
 * @module
 */
import { DisposedError } from "@specify/async-core/runner";
import { storeTimeOffset } from "../clock.ts";
import type { Engine, EngineListener } from "../engine.ts";

/** How often a store that is away is looked for. */
const LOOK_INTERVAL = 500;
/** Found missing so often one after the other, it is taken for away. */
const TIMES_MISSING = 4;

/** What a link is made with. */
export interface StoreLinkOptions {
  readonly listener: EngineListener;
  /** Tasks end with their submitter: it says that it lives, for so many milliseconds each time. */
  readonly aliveFor: number | undefined;
  readonly failed: (error: unknown) => void;
}

/** One submitter's link to the store. */
export class StoreLink {
  // Invariant: once closed it opens for nobody: who waits for it then, or asks it later, is told
  // so, and does nothing more. The timer runs only while it is open.
  /** The name under which it says that it lives, if it does. */
  readonly owner: string | undefined;
  /** The store's clock, in milliseconds since 1970, minus `performance.now()`. */
  toStoreTime = 0;
  readonly #engine: Engine;
  readonly #options: StoreLinkOptions;
  #opening: Promise<void> | undefined;
  #listening: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(engine: Engine, options: StoreLinkOptions) {
    this.#engine = engine;
    this.#options = options;
    this.owner = options.aliveFor === undefined
      ? undefined
      : crypto.randomUUID();
  }

  /**
   * Once: resolves when no event can be missed any more. After a failure it tries again.
   *
   * @throws {DisposedError} When it is closed, before or meanwhile.
   */
  open(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closedError());
    return this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined;
      throw error;
    });
  }

  async #open(): Promise<void> {
    const { listener, aliveFor } = this.#options;
    await Promise.all([
      this.readClock(),
      this.#listen(listener),
      this.#beat(),
    ]);
    if (this.#isClosed) throw closedError();
    if (aliveFor === undefined) return;
    this.#timer = setInterval(
      () => this.#beat().catch(this.#options.failed),
      aliveFor / 3,
    );
  }

  /** Once, though the rest of an opening may fail: who listens twice hears everything twice. */
  #listen(listener: EngineListener): Promise<void> {
    return this.#listening ??= this.#engine.listen(listener).catch((error) => {
      this.#listening = undefined;
      throw error;
    });
  }

  /** Clocks drift: to be called now and then. */
  async readClock(): Promise<void> {
    this.toStoreTime = await storeTimeOffset(this.#engine);
  }

  async #beat(): Promise<void> {
    const { aliveFor } = this.#options;
    if (this.owner === undefined || aliveFor === undefined) return;
    await this.#engine.beat(this.owner, aliveFor);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }
}

function closedError(): DisposedError {
  return new DisposedError("ClusterRunner");
}

/**
 * Watches for the store to be away, while somebody wants to know: for so long the ends of tasks are
 * waited for that nobody wants any more, and of which only the store could tell.
 */
export class Absence {
  // Invariant: the timer runs exactly while there are watchers; #times counts how often in a row
  // the store was found missing since.
  readonly #isMissing: () => boolean;
  readonly #watchers = new Set<() => void>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #times = 0;

  constructor(isMissing: () => boolean) {
    this.#isMissing = isMissing;
  }

  /** Whether it has been away for some seconds, as far as somebody watches. */
  get isLong(): boolean {
    return this.#times >= TIMES_MISSING;
  }

  /** Calls `told` again and again while it is away. The function that it gives ends that. */
  watch(told: () => void): () => void {
    this.#watchers.add(told);
    this.#timer ??= setInterval(() => {
      this.#times = this.#isMissing() ? this.#times + 1 : 0;
      if (this.isLong) { for (const watcher of this.#watchers) watcher(); }
    }, LOOK_INTERVAL);
    return () => {
      if (!this.#watchers.delete(told) || this.#watchers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#times = 0;
    };
  }
}
