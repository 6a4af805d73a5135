/**
 * Listening to signals that many handles share: one event listener for each signal, since removing
 * one of many listeners costs time in proportion to their number.
 *
 * @module
 */

/** Told when a signal aborts. */
export type AbortListener = (reason: unknown) => void;

/** The signals of one submitter. */
export class AbortHub {
  // Invariant: a signal is in #signals, and has our listener, exactly while somebody listens.
  readonly #signals = new Map<
    AbortSignal,
    { listeners: Set<AbortListener>; abort: () => void }
  >();

  /** Calls `listener` once when `signal` aborts; the result stops that. */
  listen(signal: AbortSignal, listener: AbortListener): () => void {
    let entry = this.#signals.get(signal);
    if (entry === undefined) {
      const listeners = new Set<AbortListener>();
      const abort = () => {
        this.#signals.delete(signal);
        for (const one of listeners) one(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      entry = { listeners, abort };
      this.#signals.set(signal, entry);
    }
    const { listeners, abort } = entry;
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      signal.removeEventListener("abort", abort);
      this.#signals.delete(signal);
    };
  }
}
