/**
 * The limit of the silence within a body.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  type TimerEntry,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";

/** What is watched. */
export interface Watched {
  /** What it belongs to, for the error. */
  readonly call: { readonly method: string; readonly url: string };
  /** Ends it. */
  abort(reason: unknown): void;
}

/**
 * Aborts an exchange when nothing arrives for a while. A chunk only notes when it came; the timer
 * looks at that when it fires and is set again: no timer is set and cleared for each chunk.
 */
export class IdleWatch implements TimerTarget {
  // Invariant: #entry is set exactly while somebody waits for a chunk or a chunk has come since it
  // was set. A consumer that takes its time between two reads is no silence of the server's: then
  // #since is undefined. After `stop` nothing is set any more: a reader that is ended between two
  // chunks asks for one more before it sees that.
  readonly #exchange: Watched;
  readonly #limit: number;
  #entry: TimerEntry | undefined;
  #since: number | undefined;
  #isStopped = false;

  constructor(exchange: Watched, limit: number) {
    this.#exchange = exchange;
    this.#limit = limit;
  }

  /** A chunk is waited for. */
  wait(): void {
    if (this.#isStopped) return;
    this.#since = now();
    this.#entry ??= timers.add(this.#since + this.#limit, this);
  }

  /** It has come. */
  arrived(): void {
    this.#since = undefined;
  }

  /** No more chunks. */
  stop(): void {
    this.#isStopped = true;
    if (this.#entry !== undefined) timers.remove(this.#entry);
    this.#entry = undefined;
    this.#since = undefined;
  }

  /** Looks whether the wait was really that long. */
  timeUp(): void {
    this.#entry = undefined;
    if (this.#since === undefined) return;
    const due = this.#since + this.#limit;
    if (due > now()) {
      this.#entry = timers.add(due, this);
      return;
    }
    const { method, url } = this.#exchange.call;
    this.#exchange.abort(
      new HTTPTimeoutError(
        method,
        url,
        "idle",
        this.#limit,
        "within the response body",
      ),
    );
  }
}
