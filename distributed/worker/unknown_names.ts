/**
 * Tasks whose name this worker does not know: left for others, and failed when nobody knows them.
 *
 * @module
 */
import type { Engine, JobEnd, TakenJob } from "../engine.ts";
import { UnknownTaskError } from "../errors.ts";

/** The key under which workers say that they know a name. */
function knows(name: string): string {
  return `knows:${name}`;
}

/** What one worker knows of names. */
export class UnknownNames {
  readonly #engine: Engine;
  readonly #unknownAfter: number;
  /** Since when this worker has seen jobs that nobody knows. */
  readonly #seen = new Map<string, number>();

  constructor(engine: Engine, unknownAfter: number) {
    this.#engine = engine;
    this.#unknownAfter = unknownAfter;
  }

  /** Says for the next `duration` milliseconds that these are known here. */
  async announce(names: Iterable<string>, duration: number): Promise<void> {
    await Promise.all(
      [...names].map((name) => this.#engine.beat(knows(name), duration)),
    );
  }

  /**
   * Hands it back for others.
   *
   * @throws {UnknownTaskError} When nobody has known it for `unknownAfter`.
   */
  async answer(job: TakenJob): Promise<JobEnd> {
    const unknownAfter = this.#unknownAfter;
    const now = performance.now();
    const since = this.#seen.get(job.id) ?? now;
    const isKnown = await this.#engine.lives(knows(job.name));
    if (!isKnown && now - since >= unknownAfter) {
      this.#seen.delete(job.id);
      throw new UnknownTaskError(job.name, unknownAfter);
    }
    // Somebody who knows it may be busy for long: the time begins anew.
    if (isKnown) this.#seen.delete(job.id);
    else this.#seen.set(job.id, since);
    for (const [id, seen] of this.#seen) {
      // Those that others have taken since; they are in the order of their first sight.
      if (now - seen <= 10 * unknownAfter) break;
      this.#seen.delete(id);
    }
    const delay = Math.min(Math.max(unknownAfter / 10, 10), 500);
    return { kind: "handed back", delay: delay * (0.5 + Math.random()) };
  }
}
