/**
 * Calls that wait in line: first come, first served, and one that gives up, by its signal or its
 * time, leaves at once, wherever it stands. The one place where the package makes callers wait for
 * each other: a queue's puts and gets, a pool's acquires, a scheduler's `ready` and `onIdle`, a
 * client's connections.
 *
 * @module
 */
import {
  type AbortSubscription,
  type AbortTarget,
  subscribeAbort,
} from "./abort.ts";
import { now } from "./clock.ts";
import { LinkedList } from "./linked_list.ts";
import { type TimerEntry, timers, type TimerTarget } from "./timer_queue.ts";

/**
 * One call that waits.
 *
 * Invariant: it stands in its line exactly while its promise is pending. Settling it takes it out
 * first, and its listener and timer along, all in the same step. So whoever finds it in the line
 * may hand it something, and nothing is ever handed to one that has given up.
 */
export class Waiter<R, I = undefined> implements AbortTarget, TimerTarget {
  /** What the call brought. */
  readonly item: I;
  readonly #resolve: (result: R | PromiseLike<R>) => void;
  readonly #reject: (reason: unknown) => void;
  #subscription: AbortSubscription | undefined = undefined;
  #timer: TimerEntry | undefined = undefined;
  #expired: (() => unknown) | undefined = undefined;
  /** @internal */
  line: WaitingLine<R, I> | undefined = undefined;
  /** @internal */
  previous: Waiter<R, I> | undefined = undefined;
  /** Who stands behind it. */
  next: Waiter<R, I> | undefined = undefined;

  /** The functions are a promise's own, or stand for them. */
  constructor(
    item: I,
    resolve: (result: R | PromiseLike<R>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.item = item;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** True while it stands in its line. */
  get isWaiting(): boolean {
    return this.line !== undefined;
  }

  /** Leaves the line with a result. Only for one that waits: a result would be lost. */
  resolve(result: R | PromiseLike<R>): void {
    this.#leave();
    this.#resolve(result);
  }

  /** Leaves the line with an error; does nothing when it has left. */
  reject(reason: unknown): void {
    const { line } = this;
    this.#leave();
    this.#reject(reason);
    line?.gaveUp?.();
  }

  /** Gives up when `signal`, which has not aborted yet, does so. */
  listenTo(signal: AbortSignal): void {
    this.#subscription = subscribeAbort(signal, this);
  }

  /** Gives up after `timeout` milliseconds, with the error that `expired` makes while it waits. */
  expireAfter(timeout: number, expired: () => unknown): void {
    this.#expired = expired;
    this.#timer = timers.add(now() + timeout, this);
  }

  /** Its signal has aborted. */
  aborted(reason: unknown): void {
    this.reject(reason);
  }

  /** Its time is up. */
  timeUp(): void {
    this.reject(this.#expired?.());
  }

  #leave(): void {
    this.line?.remove(this);
    this.#subscription?.unsubscribe();
    if (this.#timer !== undefined) timers.remove(this.#timer);
  }
}

/** The waiting calls; `first` has waited longest, and settling it makes the next one the first. */
export class WaitingLine<R = void, I = undefined>
  extends LinkedList<Waiter<R, I>> {
  /** @internal */
  readonly gaveUp: (() => void) | undefined;
  #size = 0;

  /** `gaveUp` is told after a call has left with an error. */
  constructor(gaveUp?: () => void) {
    super();
    this.gaveUp = gaveUp;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Waits at the end of the line; rejects with `signal.reason` when that aborts. The caller looks
   * at `signal.aborted` first.
   */
  wait(item: I, signal?: AbortSignal): Promise<R> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter<R, I>(item, resolve, reject);
      this.push(waiter);
      if (signal !== undefined) waiter.listenTo(signal);
    });
  }

  /** Puts `waiter` at the end of the line. */
  override push(waiter: Waiter<R, I>): void {
    super.push(waiter);
    waiter.line = this;
    this.#size++;
  }

  /** Takes out one that is to be settled. @internal */
  override remove(waiter: Waiter<R, I>): void {
    super.remove(waiter);
    waiter.line = undefined;
    this.#size--;
  }
}
