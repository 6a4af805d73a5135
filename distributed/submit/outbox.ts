/**
 * Tasks on their way to the store. Submits of one tick go out in one round trip; while several
 * round trips are under way, what is submitted meanwhile goes with the next.
 *
 * @module
 */

/** Round trips under way at once: enough to keep the store busy while one answer travels. */
const IN_FLIGHT = 4;
/** Tasks in one round trip: more would hold up other users of the store. */
const AT_ONCE = 1000;

/** Collects and sends. */
export class Outbox<T> {
  // Invariant: an item is in #waiting until it is handed to #send, exactly once; #inFlight counts
  // the sends that have not come back. A send never rejects: it deals with its own failures.
  readonly #send: (items: T[]) => Promise<void>;
  readonly #waiting = new Set<T>();
  #inFlight = 0;
  #isScheduled = false;

  constructor(send: (items: T[]) => Promise<void>) {
    this.#send = send;
  }

  /** Puts an item in. */
  add(item: T): void {
    this.#waiting.add(item);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  /** Takes an item out that has not gone yet. */
  delete(item: T): boolean {
    return this.#waiting.delete(item);
  }

  #flush(): void {
    while (this.#waiting.size > 0 && this.#inFlight < IN_FLIGHT) {
      const batch: T[] = [];
      for (const item of this.#waiting) {
        this.#waiting.delete(item);
        if (batch.push(item) === AT_ONCE) break;
      }
      this.#inFlight++;
      this.#send(batch).then(() => {
        this.#inFlight--;
        this.#flush();
      });
    }
  }
}
