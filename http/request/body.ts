/**
 * The request's body: what can be sent again and what cannot.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
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
  if (typeof source !== "function") {
    checkSource("body", source, " or a function that makes one");
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
  return isThenable(made) ? Promise.resolve(made).then(asMade) : asMade(made);
}

function asMade(made: BodySource): BodyInit {
  checkSource("what the function given as body makes", made, "");
  return asBodyInit(made);
}

/** What fetch knows by itself. */
const KINDS = [Blob, ArrayBuffer, FormData, URLSearchParams, ReadableStream];

function checkSource(name: string, source: unknown, further: string): void {
  if (
    typeof source === "string" || ArrayBuffer.isView(source) ||
    KINDS.some((kind) => source instanceof kind) || isAsyncIterable(source)
  ) return;
  throw new TypeError(
    `${name} must be text, bytes, a Blob, a form, a stream${further} (an object goes into json), got ${
      show(source)
    }`,
  );
}

function isOneShot(source: BodySource): boolean {
  return source instanceof ReadableStream || isAsyncIterable(source);
}

function isAsyncIterable(
  source: unknown,
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
