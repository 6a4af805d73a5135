/**
 * `ready()`: lets those who want to submit to a bounded queue pass one by one, as there is room.
 *
 * Whoever passes submits a moment later, so a place is kept for him until then; otherwise a
 * thousand who wait for one place would all pass when it comes free.
 *
 * @module
 */
import { WaitingLine } from "./waiting_line.ts";

/** How many promise reactions lie at most between `await ready()` and the submit that follows. */
const REACTIONS_UNTIL_SUBMIT = 4;

/** First come, first served. The owner calls `check` when there may be room. */
export class ReadyGate {
  // Invariant: #kept places are spoken for by those who passed and have not had the time to
  // submit; somebody waits only while there is no further room.
  readonly #room: () => number;
  readonly #line = new WaitingLine();
  #kept = 0;

  /** `room`: how many more may be submitted now. */
  constructor(room: () => number) {
    this.#room = room;
  }

  /** Whether anybody waits: look at it before calling `check`, it is free. */
  get hasWaiters(): boolean {
    return this.#line.size > 0;
  }

  /** Whether somebody who comes now may submit without waiting: nobody is before him. */
  get isOpen(): boolean {
    return this.#line.size === 0 && this.#room() > this.#kept;
  }

  /** Resolves when it is one's turn to submit; rejects with the reason of `signal`. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.isOpen) {
      this.#keepPlace();
      return Promise.resolve();
    }
    return this.#line.wait(undefined, signal);
  }

  /** Lets as many pass as there is room for. */
  check(): void {
    while (this.#line.first && this.#room() > this.#kept) {
      this.#keepPlace();
      this.#line.first.resolve();
    }
  }

  #keepPlace(): void {
    this.#kept++;
    let turn = Promise.resolve();
    for (let n = 0; n < REACTIONS_UNTIL_SUBMIT; n++) turn = turn.then();
    turn.then(() => {
      this.#kept--;
      this.check();
    });
  }
}
