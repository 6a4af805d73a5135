/**
 * Submitters that tasks must not outlive: whether they are still heard of.
 *
 * @module
 */
import type { Engine } from "../engine.ts";

/** What one worker has heard of submitters. */
export class Owners {
  readonly #engine: Engine;
  readonly #orphanAfter: number;
  /** Since when they have not been heard of. */
  readonly #silent = new Map<string, number>();

  constructor(engine: Engine, orphanAfter: number) {
    this.#engine = engine;
    this.#orphanAfter = orphanAfter;
  }

  /** One that is silent for a short time may be reconnecting. */
  async stateOf(owner: string): Promise<"lives" | "silent" | "dead"> {
    if (await this.#engine.lives(owner)) {
      this.#silent.delete(owner);
      return "lives";
    }
    const now = performance.now();
    const since = this.#silent.get(owner) ?? now;
    this.#silent.set(owner, since);
    return now - since < this.#orphanAfter / 2 ? "silent" : "dead";
  }
}
