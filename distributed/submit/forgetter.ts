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
  readonly #engine: Engine;
  readonly #failed: (error: unknown) => void;
  #ids: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(engine: Engine, failed: (error: unknown) => void) {
    this.#engine = engine;
    this.#failed = failed;
  }

  add(id: string): void {
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

  /** Drops what was collected: there is nobody to tell. */
  drop(): void {
    this.#ids = [];
    clearTimeout(this.#timer);
  }
}
