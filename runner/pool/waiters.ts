/**
 * Those who wait for a resource: a doubly linked list in the order of their coming, out of which
 * each can go at any time in O(1), by being served, by its signal, or by its time.
 *
 * @module
 */
import {
  type AbortSubscription,
  subscribeAbort,
} from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import type { CallPlace } from "./lease.ts";
import type { Lease } from "./types.ts";

/**
 * One acquire that waits.
 *
 * Invariant: it is linked in its list exactly while its promise is pending. Serving it and
 * rejecting it unlink it first and take its timer and its subscription along, all in the same
 * step; so a resource is only ever handed to a promise that is still pending.
 */
export class Waiter<R> {
  /** @internal */
  list: WaiterList<R> | undefined = undefined;
  /** @internal */
  previous: Waiter<R> | undefined = undefined;
  /** @internal */
  next: Waiter<R> | undefined = undefined;
  /** True while a factory runs on its account. */
  isCreating = false;
  /** Where the acquire was called, when leases are tracked. */
  place: CallPlace | undefined = undefined;
  readonly #resolve: (lease: Lease<R>) => void;
  readonly #reject: (reason: unknown) => void;
  #subscription: AbortSubscription | undefined = undefined;
  #timer: TimerEntry | undefined = undefined;
  #expire: (() => unknown) | undefined = undefined;

  constructor(
    resolve: (lease: Lease<R>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** True while it waits. */
  get isWaiting(): boolean {
    return this.list !== undefined;
  }

  /** Ends the wait when `signal` aborts or, with the error that `expire` makes, after `timeout`. */
  watch(
    signal: AbortSignal | undefined,
    timeout: number,
    expire: () => unknown,
  ): void {
    if (signal !== undefined) this.#subscription = subscribeAbort(signal, this);
    if (timeout !== Infinity) {
      this.#expire = expire;
      this.#timer = timers.add(now() + timeout, this);
    }
  }

  /** Its signal has aborted. */
  aborted(reason: unknown): void {
    this.reject(reason);
  }

  /** Its time is up. */
  timeUp(): void {
    // The error is made before it leaves the list, so that it counts itself among the waiting.
    this.reject(this.#expire?.());
  }

  /** Leaves the list with a lease. */
  serve(lease: Lease<R>): void {
    this.#leave();
    this.#resolve(lease);
  }

  /** Leaves the list with an error; does nothing when it has left. */
  reject(reason: unknown): void {
    if (this.list === undefined) return;
    const { list } = this;
    this.#leave();
    this.#reject(reason);
    list.left();
  }

  #leave(): void {
    this.list?.unlink(this);
    this.#subscription?.unsubscribe();
    if (this.#timer !== undefined) timers.remove(this.#timer);
  }
}

/** The waiters in the order of their coming. */
export class WaiterList<R> {
  /** Told after a waiter has left without a lease. @internal */
  readonly left: () => void;
  #first: Waiter<R> | undefined = undefined;
  #last: Waiter<R> | undefined = undefined;
  #size = 0;

  constructor(left: () => void) {
    this.left = left;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Who came first. */
  get first(): Waiter<R> | undefined {
    return this.#first;
  }

  /** The first for whom no factory runs. At most `maxResources` stand before it. */
  firstWithoutCreation(): Waiter<R> | undefined {
    let waiter = this.#first;
    while (waiter?.isCreating) waiter = waiter.next;
    return waiter;
  }

  /** Adds at the end. */
  push(waiter: Waiter<R>): void {
    waiter.list = this;
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
  }

  /** Takes one out, wherever it stands. @internal */
  unlink(waiter: Waiter<R>): void {
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = waiter.next = waiter.list = undefined;
    this.#size--;
  }
}
