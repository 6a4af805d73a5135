/**
 * The output side of an operator that is fed by calls (from timers, events, other sources):
 * elements go in by `push`, and come out as an iterator.
 *
 * @module
 */
import { DONE, nextOf, type Wait } from "../../_internal/iterators.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { Ring } from "../../_internal/ring.ts";
import type { PullableIterator } from "./types.ts";
import { STOPPED } from "../../_internal/upstream.ts";
import { ClosedOnce } from "./wrapped.ts";

/** What the operator does for its relay. */
export interface RelaySource {
  /** The consumer asks for an element: called at each pull, before what is there is given out. */
  demand(): void;
  /** An element that had to wait was taken. */
  taken?(): void;
  /** The consumer stops: close everything. Called at most once, and not after `end` or `fail`. */
  close(reason: unknown): Wait;
}

/**
 * A failure that each of so many relays passes on, unless it is left before it comes to that. Told
 * when all of them were.
 */
export class SharedFailure {
  #relays: number;

  constructor(readonly error: unknown, relays: number) {
    this.#relays = relays;
    if (relays === 0) reportLate(STOPPED, error);
  }

  /** One relay was left before it came to it. */
  lost(reason: unknown): void {
    if (--this.#relays === 0) reportLate(STOPPED, this.error, reason);
  }
}

// Invariants: the consumer pulls one at a time (the engine does), so there is at most one waiter,
// and while it waits `items` is empty. `isOver` is set once, by `end`, `fail` or return(); what
// was pushed before `end` or `fail` is still given out, then comes the failure, once. A failure for
// which the consumer has not stayed, or that comes after it has left, is told.
/** See the module. */
export class Relay<T> extends ClosedOnce<T> implements PullableIterator<T> {
  readonly #source: RelaySource;
  readonly #items = new Ring<T>();
  #resolve: ((result: IteratorResult<T>) => void) | undefined = undefined;
  #reject: ((error: unknown) => void) | undefined = undefined;
  #reason: unknown = undefined;
  #failure: SharedFailure | undefined = undefined;

  constructor(source: RelaySource) {
    super();
    this.#source = source;
  }

  /** How many elements wait to be taken. */
  get size(): number {
    return this.#items.size;
  }

  /** Whether the consumer waits for an element. */
  get isAwaited(): boolean {
    return this.#resolve !== undefined;
  }

  /** Gives one element to the consumer; does nothing after the end. */
  push(value: T): void {
    if (this.isOver) return;
    const resolve = this.#resolve;
    if (resolve === undefined) this.#items.push(value);
    else {
      this.#resolve = this.#reject = undefined;
      resolve({ done: false, value });
    }
  }

  /**
   * Gives it where fewer than `buffer` wait, or when it `mayExceed` that; otherwise does what
   * `overflow` says. False: the reading is to fail.
   */
  offer(
    value: T,
    buffer: number,
    overflow: string,
    mayExceed: boolean = this.isAwaited,
  ): boolean {
    if (this.#items.size >= buffer && !mayExceed) {
      if (overflow !== "drop-oldest") return overflow !== "error";
      this.#items.shift();
    }
    this.push(value);
    return true;
  }

  /** No more elements. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#settle();
  }

  /** A failure, after the elements that were pushed before. */
  fail(error: unknown): void {
    this.failAlso(new SharedFailure(error, 1));
  }

  /** The same of one that other relays have, too. */
  failAlso(failure: SharedFailure): void {
    if (this.isOver) {
      failure.lost(this.#reason);
      return;
    }
    this.isOver = true;
    this.#failure = failure;
    this.#settle();
  }

  next(): Promise<IteratorResult<T>> {
    return nextOf(this);
  }

  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    if (!this.isOver) this.#source.demand();
    if (this.#items.size > 0) {
      const value = this.#items.shift() as T;
      if (!this.isOver) this.#source.taken?.();
      return { done: false, value };
    }
    if (this.isOver) return this.#ending();
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  override return(reason?: unknown): Promise<IteratorResult<T>> {
    this.#items.clear();
    // There is one only when it is over.
    this.#failure?.lost(reason);
    this.#failure = undefined;
    return super.return(reason);
  }

  protected override async close(reason: unknown): Promise<void> {
    this.#reason = reason;
    this.#settle();
    await this.#source.close(reason);
  }

  #ending(): IteratorResult<T> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return DONE;
  }

  #settle(): void {
    const resolve = this.#resolve;
    const reject = this.#reject;
    this.#resolve = this.#reject = undefined;
    if (resolve === undefined) return;
    try {
      resolve(this.#ending());
    } catch (error) {
      reject?.(error);
    }
  }
}
