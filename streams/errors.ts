/**
 * What can go wrong with a stream or a queue as such.
 *
 * @module
 */

/**
 * A source that can be read only once (a generator, a ReadableStream) was read a second time.
 *
 * @example
 * ```ts
 * import { AsyncStream, StreamConsumedError } from "@specify/async-core";
 *
 * const stream = AsyncStream.from([1, 2].values());
 * await stream.collect();
 * const error = await stream.collect().catch((error) => error);
 * console.log(error instanceof StreamConsumedError); // true
 * ```
 */
export class StreamConsumedError extends Error {
  /** Always `"StreamConsumedError"`. */
  override readonly name = "StreamConsumedError";

  /** `what` kind of source was read again. */
  constructor(what = "one-shot iterator", options?: ErrorOptions) {
    super(
      `The stream's source, a ${what}, was read already and cannot be read again. ` +
        `Give AsyncStream a function that returns a new source each time, or share one reading with tee() or broadcast().`,
      options,
    );
  }
}

/**
 * Something was put into a queue that is closed, or taken from one that is closed and empty.
 *
 * @example
 * ```ts
 * import { AsyncQueue, QueueClosedError } from "@specify/async-core";
 *
 * const queue = new AsyncQueue<number>();
 * queue.close();
 * const error = await queue.put(1).catch((error) => error);
 * console.log(error instanceof QueueClosedError); // true
 * ```
 */
export class QueueClosedError extends Error {
  /** Always `"QueueClosedError"`. */
  override readonly name = "QueueClosedError";

  /** `what` was asked of the queue, for example `put()`. */
  constructor(what: string, options?: ErrorOptions) {
    super(
      `${what} was called on a queue that is closed. Close a queue after the last put, and read it with for await, which ends by itself.`,
      options,
    );
  }
}

/**
 * More elements came than a bounded buffer may hold, and its policy is to fail rather than to
 * drop one.
 *
 * @example
 * ```ts
 * import { AsyncStream, StreamOverflowError } from "@specify/async-core";
 *
 * const target = new EventTarget();
 * const events = AsyncStream.fromEvents(target, "tick", { buffer: 1, overflow: "error" });
 * const iterator = events[Symbol.asyncIterator]();
 * const first = iterator.next();
 * for (let n = 0; n < 3; n++) target.dispatchEvent(new Event("tick"));
 * await first;
 * await iterator.next();
 * const error = await iterator.next().catch((error) => error);
 * console.log(error instanceof StreamOverflowError); // true
 * ```
 */
export class StreamOverflowError extends Error {
  /** Always `"StreamOverflowError"`. */
  override readonly name = "StreamOverflowError";

  /** `what` overflowed, and how many elements it may hold. */
  constructor(what: string, readonly buffer: number) {
    super(
      `${what} has ${buffer} unread elements, which is all that its buffer holds. ` +
        `Read faster, raise the option buffer, or choose another overflow policy.`,
    );
  }
}
