/**
 * The output side of an operator that is fed by calls (from timers, events, other sources):
 * elements go in by `push`, and come out as an iterator.
 *
 * @module
 */
import {
  closesWhilePending,
  DONE,
  type Wait,
} from "../../_internal/iterators.ts";
import { Ring } from "../../_internal/ring.ts";
import type { PullableIterator } from "./types.ts";
import { nextOf } from "./wrapped.ts";
import { Closing } from "../../_internal/upstream.ts";

/** What the operator does for its relay. */
export interface RelaySource {
  /** The consumer asks for an element: called at each pull, before what is there is given out. */
  demand(): void;
  /** An element that had to wait was taken. */
  taken?(): void;
  /** The consumer stops: close everything. Called at most once, and not after `end` or `fail`. */
  close(reason: unknown): Wait;
}

// Invariants: the consumer pulls one at a time (the engine does), so there is at most one waiter,
// and while it waits `items` is empty. `isOver` is set once, by `end`, `fail` or return(); what
// was pushed before `end` or `fail` is still given out, then comes the failure, once.
/** See the module. */
export class Relay<T> implements PullableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #source: RelaySource;
  readonly #items = new Ring<T>();
  #resolve: ((result: IteratorResult<T>) => void) | undefined = undefined;
  #reject: ((error: unknown) => void) | undefined = undefined;
  #isOver = false;
  #failure: { error: unknown } | undefined = undefined;
  readonly #closing = new Closing();

  constructor(source: RelaySource) {
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

  /** Whether it has ended or failed or was returned. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Gives one element to the consumer; does nothing after the end. */
  push(value: T): void {
    if (this.#isOver) return;
    const resolve = this.#resolve;
    if (resolve === undefined) this.#items.push(value);
    else {
      this.#resolve = this.#reject = undefined;
      resolve({ done: false, value });
    }
  }

  /** Drops the element that has waited longest. */
  drop(): void {
    this.#items.shift();
  }

  /** No more elements. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settle();
  }

  /** A failure, after the elements that were pushed before. False: nobody will hear of it. */
  fail(error: unknown): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#failure = { error };
    this.#settle();
    return true;
  }

  next(): Promise<IteratorResult<T>> {
    return nextOf(this);
  }

  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    if (!this.#isOver) this.#source.demand();
    if (this.#items.size > 0) {
      const value = this.#items.shift() as T;
      if (!this.#isOver) this.#source.taken?.();
      return { done: false, value };
    }
    if (this.#isOver) return this.#ending();
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    this.#items.clear();
    if (this.#isOver) {
      this.#failure = undefined;
      await this.#closing.ended;
      return DONE;
    }
    this.#isOver = true;
    this.#settle();
    await this.#closing.begin(this.#close(reason));
    return DONE;
  }

  async #close(reason: unknown): Promise<void> {
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
