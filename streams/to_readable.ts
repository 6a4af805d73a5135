/**
 * A stream as a ReadableStream: pulled only when the reader asks.
 *
 * @module
 */
import { report } from "../_internal/errors.ts";
import { isThenable } from "../_internal/thenable.ts";
import {
  checkOptions,
  type Checks,
  limitFrom,
  word,
} from "../_internal/validate.ts";
import type { Plan } from "./engine/plan.ts";
import type { PullIterator } from "./engine/pull_iterator.ts";

/** How a stream becomes a ReadableStream. */
export interface ReadableOptions {
  /** How many elements (bytes, for a byte stream) may wait in it. @default {0} */
  highWaterMark?: number | undefined;
  /** `"bytes"`: a byte stream, which BYOB readers can read. Its chunks must be Uint8Arrays. */
  type?: "bytes" | undefined;
}

const CHECKS: Checks<ReadableOptions> = {
  highWaterMark: limitFrom(0),
  type: word("bytes"),
};

/** See the module. The ReadableStream's cancel closes the source with its reason. */
export function toReadable<T>(
  plan: Plan<T>,
  options: ReadableOptions = {},
): ReadableStream<T> {
  checkOptions("toReadableStream()", options, CHECKS);
  return readableOf(plan.iterate(), options);
}

/**
 * The same of a run that has begun; `options` are checked. `failedToClose` hears of a source that fails to close, for a
 * caller to whom the cancel's own result is lost.
 */
export function readableOf<T>(
  iterator: PullIterator<T>,
  options: ReadableOptions,
  failedToClose?: (error: unknown) => void,
): ReadableStream<T> {
  const { highWaterMark = 0, type } = options;
  type Controller =
    | ReadableStreamDefaultController<unknown>
    | ReadableByteStreamController;
  /** Enqueues one element; true when the reader still waits. */
  const deliver = (
    controller: Controller,
    { done, value }: IteratorResult<T>,
  ): boolean => {
    if (done) {
      controller.close();
      // A BYOB reader that waits is answered by this only.
      (controller as Partial<ReadableByteStreamController>).byobRequest
        ?.respond(0);
      return false;
    }
    if (type === "bytes") {
      const chunk = value as unknown;
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError(
          'toReadableStream({ type: "bytes" }) needs Uint8Array chunks. Encode them first, for example with through(new TextEncoderStream()).',
        );
      }
      // A byte stream refuses empty chunks.
      if (chunk.byteLength === 0) return true;
    }
    controller.enqueue(value as never);
    return false;
  };
  const fail = async (error: unknown): Promise<never> => {
    await iterator.return(error).catch((second) =>
      report("A stream's source failed to close", second)
    );
    throw error;
  };
  const pull = (controller: Controller): void | Promise<void> => {
    try {
      for (;;) {
        const result = iterator.pull();
        if (isThenable(result)) return pullLater(controller, result);
        if (!deliver(controller, result)) return;
      }
    } catch (error) {
      return fail(error);
    }
  };
  const pullLater = async (
    controller: Controller,
    result: PromiseLike<IteratorResult<T>>,
  ): Promise<void> => {
    try {
      while (deliver(controller, await result)) result = iterator.next();
    } catch (error) {
      await fail(error);
    }
  };
  const cancel = async (reason: unknown): Promise<void> => {
    try {
      await iterator.return(reason);
    } catch (error) {
      failedToClose?.(error);
      throw error;
    }
  };
  return type === "bytes"
    ? new ReadableStream(
      { type, pull, cancel } as UnderlyingByteSource,
      { highWaterMark },
    ) as unknown as ReadableStream<T>
    : new ReadableStream<T>({ pull, cancel }, { highWaterMark });
}
