/**
 * Progress on its way to the submitter: in order, at a bounded rate, the newest value always.
 *
 * @module
 */
import { INTERVALS } from "../intervals.ts";
import type { Encoded } from "../serialize/kinds.ts";

/** Sends at most one value in `INTERVALS.progress`. */
export class Progress {
  // Invariant: #latest is the newest value that was not sent; a timer is set, or a send is under
  // way, exactly while there may be more to do. Sends follow each other, so order is kept.
  readonly #send: (value: Encoded) => Promise<void>;
  #latest: { value: Encoded } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(send: (value: Encoded) => Promise<void>) {
    this.#send = send;
  }

  push(value: Encoded): void {
    this.#latest = { value };
    if (this.#timer !== undefined) return;
    this.#sendLatest();
    const tick = () => {
      if (this.#latest === undefined) {
        this.#timer = undefined;
        return;
      }
      this.#sendLatest();
      this.#timer = setTimeout(tick, INTERVALS.progress);
    };
    this.#timer = setTimeout(tick, INTERVALS.progress);
  }

  /** Sends what is left; nothing comes after it. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    this.#sendLatest();
    await this.#sending;
  }

  #sendLatest(): void {
    const latest = this.#latest;
    if (latest === undefined) return;
    this.#latest = undefined;
    this.#sending = this.#sending.then(() => this.#send(latest.value)).catch(
      () => {
        // The job is gone (lost and taken by another worker, or removed): nobody listens.
      },
    );
  }
}
