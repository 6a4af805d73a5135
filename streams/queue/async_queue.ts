/**
 * AsyncQueue: hands items from producers to consumers, first in first out, and makes whoever is
 * too fast wait.
 *
 * @module
 */
import { DONE } from "../../_internal/iterators.ts";
import { Ring } from "../../_internal/ring.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  limitFrom,
} from "../../_internal/validate.ts";
import { AsyncStream } from "../async_stream.ts";
import type { PullableIterator } from "../engine/types.ts";
import { QueueClosedError } from "../errors.ts";
import { OPEN } from "../engine/source.ts";
import { QueueIterator, type QueueReader } from "./queue_iterator.ts";
import { WaitingLine } from "../../_internal/waiting_line.ts";

/** How an AsyncQueue is made. */
export interface AsyncQueueOptions {
  /** How many items may be buffered. 0: a put waits until somebody takes its item. @default {Infinity} */
  maxSize?: number | undefined;
}

/** What `put` and `get` take. */
export interface QueueWaitOptions {
  /** Stops the waiting: the call rejects with `signal.reason`, no item is lost. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<AsyncQueueOptions> = { maxSize: limitFrom(0) };
const WAIT_CHECKS: Checks<QueueWaitOptions> = { signal: checkSignal };

const ACCEPTED: Promise<void> = Promise.resolve();

// Invariants:
// - Items leave in the order in which their puts were called: first `items`, then `puts`.
// - A get waits only while `items` and `puts` are empty; a put waits only while `items` is full
//   and no get waits. Every change hands over at once, so neither side waits beside the other.
// - `closed`: no put is accepted. What was put before is still delivered. `gets` is empty then, as
//   soon as `items` and `puts` are.
// - `aborted`: all four are empty for good.
/**
 * A first-in first-out queue for many producers and consumers. `put` waits while the queue is
 * full, `get` while it is empty; both lines are served in order. `undefined` and `null` are
 * ordinary items.
 *
 * @example
 * ```ts
 * import { AsyncQueue } from "@specify/async-core";
 *
 * const queue = new AsyncQueue<number>({ maxSize: 2 });
 * const producing = (async () => {
 *   for (let n = 0; n < 5; n++) await queue.put(n);
 *   queue.close();
 * })();
 * console.log(await queue.stream().map((n) => n * n).collect()); // [0, 1, 4, 9, 16]
 * await producing;
 * ```
 */
export class AsyncQueue<T>
  implements AsyncIterable<T>, AsyncDisposable, Disposable {
  /** How many items may be buffered. */
  readonly maxSize: number;
  readonly #items = new Ring<T>();
  readonly #puts = new WaitingLine<void, T>();
  readonly #gets = new WaitingLine<T>();
  #isClosed = false;
  /** Why gets reject once nothing is left; without it they see the end. */
  #reason: { error: unknown } | undefined = undefined;
  #isAborted = false;
  #readable: ReadableStream<T> | undefined = undefined;
  #writable: WritableStream<T> | undefined = undefined;
  #controller: WritableStreamDefaultController | undefined = undefined;

  /**
   * An empty, open queue.
   *
   * @throws {RangeError} When `maxSize` is no non-negative integer or Infinity. */
  constructor(options: AsyncQueueOptions = {}) {
    const { maxSize } = checkOptions("AsyncQueue", options, CHECKS);
    this.maxSize = maxSize ?? Infinity;
  }

  /** How many items are buffered. Those of waiting puts do not count. */
  get size(): number {
    return this.#items.size;
  }

  /** Whether a put would have to wait now. */
  get isFull(): boolean {
    return this.#gets.size === 0 && this.#items.size >= this.maxSize;
  }

  /** Whether `close` or `abort` was called: no put is accepted any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many puts wait for room. */
  get waitingPuts(): number {
    return this.#puts.size;
  }

  /** How many gets (and readers of streams) wait for an item. */
  get waitingGets(): number {
    return this.#gets.size;
  }

  /**
   * Adds an item; waits while the queue is full.
   *
   * @throws {QueueClosedError} (rejects) When the queue is closed; after `abort`, with its reason.
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<string>({ maxSize: 1 });
   * await queue.put("a");
   * const waiting = queue.put("b");
   * console.log(await queue.get(), await queue.get()); // "a" "b"
   * await waiting;
   * ```
   */
  put(item: T, options?: QueueWaitOptions): Promise<void> {
    const wrong = rejectWrong("put()", options);
    if (wrong !== undefined) return wrong;
    if (this.#isClosed) return Promise.reject(this.#refusal("put()"));
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#accept(item)) return ACCEPTED;
    return this.#puts.wait(item, signal);
  }

  /**
   * Adds an item if there is room at once, and says whether.
   *
   * @throws {QueueClosedError} When the queue is closed; after `abort`, its reason.
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>({ maxSize: 1 });
   * console.log(queue.tryPut(1), queue.tryPut(2)); // true false
   * ```
   */
  tryPut(item: T): boolean {
    if (this.#isClosed) throw this.#refusal("tryPut()");
    return this.#accept(item);
  }

  /**
   * Takes the first item; waits while there is none.
   *
   * @throws {QueueClosedError} (rejects) When the queue is closed and everything was delivered;
   * with the reason of `close(reason)` or `abort(reason)` when there was one.
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * const coming = queue.get();
   * await queue.put(7);
   * console.log(await coming); // 7
   * ```
   */
  get(options?: QueueWaitOptions): Promise<T> {
    const wrong = rejectWrong("get()", options);
    if (wrong !== undefined) return wrong;
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#hasItem()) return Promise.resolve(this.#take());
    if (this.#isClosed) return Promise.reject(this.#ending());
    return this.#gets.wait(undefined, signal);
  }

  /**
   * Takes the first item if there is one; otherwise `undefined`. Where `undefined` may be an
   * item, look at `size` first. At the end of a queue that was closed with a reason it is
   * `undefined` too: `get` tells the difference.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * queue.tryPut(1);
   * console.log(queue.tryGet(), queue.tryGet()); // 1 undefined
   * ```
   */
  tryGet(): T | undefined {
    return this.#hasItem() ? this.#take() : undefined;
  }

  /**
   * The first item, which stays; `undefined` when there is none.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * queue.tryPut(1);
   * console.log(queue.peek(), queue.size); // 1 1
   * ```
   */
  peek(): T | undefined {
    return this.#items.size > 0 ? this.#items.at(0) : this.#puts.first?.item;
  }

  /**
   * Accepts no more items. What is buffered and what waits to be put is still delivered; then
   * consumers see the end, or reject with `reason` when one is given, be it `undefined`. Later
   * calls do nothing.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * queue.tryPut(1);
   * queue.close(new Error("producer failed"));
   * console.log(await queue.get()); // 1
   * console.log(await queue.get().catch((error) => error.message)); // "producer failed"
   * ```
   */
  close(...reason: [] | [reason: unknown]): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (reason.length > 0) this.#reason = { error: reason[0] };
    // Gets wait only while there is nothing to deliver.
    this.#refuseGets();
  }

  /**
   * Drops everything: what is buffered is discarded, and whoever waits or calls later rejects
   * with the reason.
   *
   * @param given What they reject with. @default {QueueClosedError}
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * const coming = queue.get();
   * queue.abort(new Error("stopped"));
   * console.log(await coming.catch((error) => error.message)); // "stopped"
   * ```
   */
  abort(...given: [] | [reason: unknown]): void {
    if (this.#isAborted) return;
    this.#isAborted = this.#isClosed = true;
    const reason = given.length === 0
      ? new QueueClosedError("abort()")
      : given[0];
    this.#reason = { error: reason };
    // At once: a writer that is idle hears of it too. Does nothing after the end.
    this.#controller?.error(reason);
    this.#items.clear();
    while (this.#puts.first) this.#puts.first.reject(reason);
    this.#refuseGets();
  }

  /**
   * The items as a stream that ends with the queue. Several streams share the items between
   * them; leaving one early leaves the rest to the others.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>();
   * for (const n of [1, 2, 3]) queue.tryPut(n);
   * queue.close();
   * console.log(await queue.stream().filter((n) => n > 1).collect()); // [2, 3]
   * ```
   */
  stream(): AsyncStream<T> {
    return AsyncStream.from(this);
  }

  /**
   * The consumer's side as a ReadableStream, which takes an item only when it is read.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<string>();
   * queue.tryPut("hello");
   * queue.close();
   * console.log(await new Response(queue.readable.pipeThrough(new TextEncoderStream())).text()); // "hello"
   * ```
   */
  get readable(): ReadableStream<T> {
    return this.#readable ??= this.stream().toReadableStream();
  }

  /**
   * The producer's side as a WritableStream: a write settles when the queue has taken the item,
   * closing it closes the queue, aborting it aborts the queue.
   *
   * @example
   * ```ts
   * import { AsyncQueue } from "@specify/async-core";
   *
   * const queue = new AsyncQueue<number>({ maxSize: 1 });
   * const piping = ReadableStream.from([1, 2, 3]).pipeTo(queue.writable);
   * console.log(await queue.stream().collect()); // [1, 2, 3]
   * await piping;
   * ```
   */
  get writable(): WritableStream<T> {
    // One chunk may be on its way: with less, pipeTo would never begin.
    return this.#writable ??= new WritableStream<T>({
      start: (controller) => {
        this.#controller = controller;
        if (this.#isAborted) controller.error(this.#ending());
      },
      write: (item, { signal }) => this.put(item, { signal }),
      close: () => this.close(),
      abort: (reason) => this.abort(reason),
    }, { highWaterMark: 1 });
  }

  /** Reads the queue: ends with it, and leaves it as it is on `break`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new QueueIterator<T>(this.#reader);
  }

  /** @internal */
  [OPEN](): PullableIterator<T> {
    return new QueueIterator<T>(this.#reader);
  }

  /** Closes the queue, as `close()` does. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the queue, as `close()` does. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** Takes the item for a waiting get or the buffer. False: it has to wait. */
  #accept(item: T): boolean {
    const get = this.#gets.first;
    if (get !== undefined) {
      get.resolve(item);
      return true;
    }
    if (this.#items.size >= this.maxSize) return false;
    this.#items.push(item);
    return true;
  }

  #hasItem(): boolean {
    return this.#items.size > 0 || this.#puts.size > 0;
  }

  /** The first item; there is one. Its place goes to the put that has waited longest. */
  #take(): T {
    const put = this.#puts.first;
    // Rendezvous: the item comes straight from the put, which is there: there is an item.
    if (this.#items.size === 0) {
      put!.resolve();
      return put!.item;
    }
    const item = this.#items.shift() as T;
    if (put !== undefined) {
      this.#items.push(put.item);
      put.resolve();
    }
    return item;
  }

  /** What a get rejects with when nothing will come. */
  #ending(): unknown {
    return this.#reason === undefined
      ? new QueueClosedError("get()")
      : this.#reason.error;
  }

  #refusal(what: string): unknown {
    if (this.#isAborted) return this.#ending();
    return new QueueClosedError(
      what,
      this.#reason && { cause: this.#reason.error },
    );
  }

  #refuseGets(): void {
    while (this.#gets.first) this.#gets.first.reject(this.#ending());
  }

  /** What an iterator may do with the queue. */
  readonly #reader: QueueReader<T> = {
    take: () => {
      if (this.#hasItem()) return { done: false, value: this.#take() };
      if (!this.#isClosed) return undefined;
      if (this.#reason !== undefined) throw this.#reason.error;
      return DONE;
    },
    wait: (waiter) => this.#gets.push(waiter),
    hasReason: () => this.#reason !== undefined,
  };
}

/** A rejection that says what is wrong with the options of a put or get. */
function rejectWrong(
  what: string,
  options: QueueWaitOptions | undefined,
): Promise<never> | undefined {
  if (options === undefined) return undefined;
  try {
    checkOptions(what, options, WAIT_CHECKS);
    return undefined;
  } catch (error) {
    return Promise.reject(error);
  }
}
