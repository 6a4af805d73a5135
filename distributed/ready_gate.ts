/**
 * Waiting for room: those who wait are let in in their order, as many as there is room for. A
 * place is kept for whoever was let in until he has had the time to submit.
 *
 * @module
 */

/** How many promise reactions lie at most between `await ready()` and the submit that follows. */
const REACTIONS_UNTIL_SUBMIT = 6;

/** Lets in as many as there is room for. */
export class ReadyGate {
  // Invariant: #kept places are spoken for; somebody waits only while there is no further room,
  // in the order of arrival.
  readonly #room: () => number;
  readonly #waiting = new Set<() => void>();
  #kept = 0;

  /** `room`: how many more may be submitted now. */
  constructor(room: () => number) {
    this.#room = room;
  }

  /** Resolves when it is one's turn; rejects with the reason of `signal`. */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.size === 0 && this.#room() > this.#kept) {
      this.#keepPlace();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(enter);
        reject(signal?.reason);
      };
      const enter = () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      this.#waiting.add(enter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** There may be more room. */
  changed(): void {
    for (const enter of this.#waiting) {
      if (this.#room() <= this.#kept) return;
      this.#waiting.delete(enter);
      this.#keepPlace();
      enter();
    }
  }

  #keepPlace(): void {
    this.#kept++;
    let turn = Promise.resolve();
    for (let n = 0; n < REACTIONS_UNTIL_SUBMIT; n++) turn = turn.then();
    turn.then(() => {
      this.#kept--;
      this.changed();
    });
  }
}
