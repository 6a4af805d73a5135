/**
 * A store that is away: for how long the ends of tasks are waited for that nobody wants any more,
 * and of which only the store could tell.
 *
 * @module
 */

/** How often it is looked for. */
const INTERVAL = 500;
/** Found missing so often one after the other, it is taken for away. */
const TIMES = 4;

/** Watches for the store to be away, while somebody wants to know. */
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
    return this.#times >= TIMES;
  }

  /** Calls `told` again and again while it is away. The function that it gives ends that. */
  watch(told: () => void): () => void {
    this.#watchers.add(told);
    this.#timer ??= setInterval(() => {
      this.#times = this.#isMissing() ? this.#times + 1 : 0;
      if (this.isLong) { for (const watcher of this.#watchers) watcher(); }
    }, INTERVAL);
    return () => {
      if (!this.#watchers.delete(told) || this.#watchers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#times = 0;
    };
  }
}
