/**
 * Calls that wait in line: first come, first served, and one that aborts leaves the line at once.
 *
 * @module
 */
import {
  type AbortSubscription,
  type AbortTarget,
  subscribeAbort,
} from "./abort.ts";

/** One waiting call. Settled once, by whoever takes it off the line, or by its own abort. */
export class Waiter<R, I = undefined> implements AbortTarget {
  /** What the call brought. */
  readonly item: I;
  readonly resolve: (result: R | PromiseLike<R>) => void;
  readonly #reject: (reason: unknown) => void;
  #subscription: AbortSubscription | undefined = undefined;
  /** @internal */
  line: Line<R, I> | undefined = undefined;
  /** @internal */
  previous: Waiter<R, I> | undefined = undefined;
  /** @internal */
  next: Waiter<R, I> | undefined = undefined;

  constructor(
    item: I,
    resolve: (result: R | PromiseLike<R>) => void,
    reject: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.item = item;
    this.resolve = resolve;
    this.#reject = reject;
    if (signal !== undefined) this.#subscription = subscribeAbort(signal, this);
  }

  aborted(reason: unknown): void {
    this.#subscription = undefined;
    this.line?.remove(this);
    this.#reject(reason);
  }

  reject(reason: unknown): void {
    this.#reject(reason);
  }

  /** @internal */
  left(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }
}

// Invariant: a waiter is in the line exactly from `wait` until it is taken by `shift` or
// `remove`, and is settled only after that. So nothing can be handed to one that has aborted.
/** A doubly linked list of waiting calls: every operation is O(1). */
export class Line<R, I = undefined> {
  #first: Waiter<R, I> | undefined = undefined;
  #last: Waiter<R, I> | undefined = undefined;
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** The call that has waited longest. */
  get first(): Waiter<R, I> | undefined {
    return this.#first;
  }

  /** Waits at the end of the line; rejects with `signal.reason` when that aborts. */
  wait(item: I, signal?: AbortSignal): Promise<R> {
    return new Promise((resolve, reject) => {
      this.push(new Waiter(item, resolve, reject, signal));
    });
  }

  /** Puts `waiter` at the end of the line. */
  push(waiter: Waiter<R, I>): void {
    waiter.line = this;
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
  }

  /** Takes the one that has waited longest. */
  shift(): Waiter<R, I> | undefined {
    const waiter = this.#first;
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }

  /** Takes `waiter` out, wherever it stands. */
  remove(waiter: Waiter<R, I>): void {
    if (waiter.line !== this) return;
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = waiter.next = waiter.line = undefined;
    this.#size--;
    waiter.left();
  }
}
