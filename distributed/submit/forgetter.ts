/**
 * Removes the records of tasks whose outcome was read, many at a time.
 *
 * @module
 */
import type { Engine } from "../engine.ts";

/** How long ended tasks are collected before their records are removed. */
const AFTER = 100;

/** Collects ids and removes their records. */
export class Forgetter {
  // Invariant: the timer runs exactly while there are ids, which there are none of after `close`:
  // the answer to an adding may come later, and the record of what has not ended must stay.
  readonly #engine: Engine;
  readonly #failed: (error: unknown) => void;
  #ids: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(engine: Engine, failed: (error: unknown) => void) {
    this.#engine = engine;
    this.#failed = failed;
  }

  add(id: string): void {
    if (this.#isClosed) return;
    this.#ids.push(id);
    this.#timer ??= setTimeout(() => this.flush(), AFTER);
  }

  /** Removes what was collected. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ids = this.#ids;
    this.#ids = [];
    if (ids.length === 0) return;
    try {
      await this.#engine.forget(ids);
    } catch (error) {
      // Their age removes them in the end.
      this.#failed(error);
    }
  }

  /** Takes no more, and removes what it has if there is somebody to tell. Never rejects. */
  async close(isThere: boolean): Promise<void> {
    this.#isClosed = true;
    if (!isThere) this.#ids = [];
    await this.flush();
  }
}
