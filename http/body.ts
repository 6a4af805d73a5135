/**
 * The request's body: what can be sent again and what cannot.
 *
 * @module
 */
import { isThenable } from "../_internal/thenable.ts";
import { show } from "../_internal/validate.ts";
import type { BodyFactory, BodySource } from "./request.ts";

/** A body to be sent, perhaps several times. */
export interface RequestBody {
  /** The body itself, or the function that makes it. */
  readonly source: BodySource | BodyFactory;
  /** False for a stream: once read, it is gone. */
  readonly replayable: boolean;
}

/**
 * Wraps what the caller gave.
 *
 * @throws {TypeError} For what fetch would send as "[object Object]" and the like.
 */
export function requestBody(source: BodySource | BodyFactory): RequestBody {
  if (typeof source !== "string" && typeof source !== "function") {
    const prototype = typeof source === "object" && source !== null &&
        !(Symbol.asyncIterator in source)
      ? Object.getPrototypeOf(source)
      : undefined;
    if (
      typeof source !== "object" || source === null || prototype === null ||
      prototype === Object.prototype || prototype === Array.prototype
    ) {
      throw new TypeError(
        `body must be text, bytes, a Blob, a form, a stream or a function that makes one (an object goes into json), got ${
          show(source)
        }`,
      );
    }
  }
  return {
    source,
    replayable: typeof source === "function" || !isOneShot(source),
  };
}

/** The body for one attempt, as fetch takes it. */
export function bodyForAttempt(
  body: RequestBody,
  attempt: number,
): BodyInit | Promise<BodyInit> {
  const { source } = body;
  if (typeof source !== "function") return asBodyInit(source);
  const made = source({ attempt });
  return isThenable(made)
    ? Promise.resolve(made).then(asBodyInit)
    : asBodyInit(made);
}

function isOneShot(source: BodySource): boolean {
  return source instanceof ReadableStream || isAsyncIterable(source);
}

function isAsyncIterable(
  source: BodySource,
): source is AsyncIterable<Uint8Array | string> {
  return typeof source === "object" && source !== null &&
    Symbol.asyncIterator in source;
}

function asBodyInit(source: BodySource): BodyInit {
  if (source instanceof ReadableStream || !isAsyncIterable(source)) {
    return source;
  }
  return readableOf(textAsBytes(source));
}

/** The same as `ReadableStream.from`, which some browsers do not have; chunks are not read ahead. */
export function readableOf<T extends Uint8Array>(
  chunks: AsyncGenerator<T>,
): ReadableStream<T> {
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await chunks.return(reason);
    },
  }, { highWaterMark: 0 });
}

async function* textAsBytes(
  source: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const chunk of source) {
    yield typeof chunk === "string" ? encoder.encode(chunk) : chunk;
  }
}
