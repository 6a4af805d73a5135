/**
 * Submitters that tasks must not outlive: whether they are still heard of.
 *
 * @module
 */
import type { Engine } from "../engine.ts";
import { INTERVALS } from "../intervals.ts";

/** What one worker has heard of submitters. */
export class Owners {
  readonly #engine: Engine;
  /** Since when they have not been heard of. */
  readonly #silent = new Map<string, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
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
    return now - since < INTERVALS.orphanAfter / 2 ? "silent" : "dead";
  }
}
