/**
 * A stream as a ReadableStream: pulled only when the reader asks.
 *
 * @module
 */
import { reportLate } from "../_internal/late_failure.ts";
import { isThenable } from "../_internal/thenable.ts";
import { STOPPED, UNCLOSED } from "../_internal/upstream.ts";
import {
  checkOptions,
  type Checks,
  limitFrom,
  word,
} from "../_internal/validate.ts";
import type { Plan } from "./engine/plan.ts";

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
  const iterator = plan.iterate();
  const { highWaterMark = 0, type } = options;
  type Controller =
    | ReadableStreamDefaultController<unknown>
    | ReadableByteStreamController;
  /** Set when the reader has left. */
  let left: { reason: unknown } | undefined;
  /** Enqueues one element; true when the reader still waits. */
  const deliver = (
    controller: Controller,
    { done, value }: IteratorResult<T>,
  ): boolean => {
    if (left !== undefined) return false;
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
    if (left !== undefined) reportLate(STOPPED, error, left.reason);
    await iterator.return(error).catch((second) =>
      reportLate(UNCLOSED, second, error)
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
    left = { reason };
    await iterator.return(reason);
  };
  return type === "bytes"
    ? new ReadableStream(
      { type, pull, cancel } as UnderlyingByteSource,
      { highWaterMark },
    ) as unknown as ReadableStream<T>
    : new ReadableStream<T>({ pull, cancel }, { highWaterMark });
}
