/**
 * A request's body that is a stream, on its way out.
 *
 * @module
 */
import { AsyncStream } from "../../streams/mod.ts";
import { isAsyncIterable } from "../../_internal/iterators.ts";
import type { BodySource } from "./request.ts";

/**
 * Can be stopped while fetch sends it, which locks it so that nobody else could cancel it: for a
 * server that has answered and neither reads on nor hangs up. Then the connection is cut, and the
 * source closed.
 */
export class OutgoingStream {
  /** What is sent. */
  readonly readable: ReadableStream;
  readonly #controller = new AbortController();

  /** `asItIs`: for a function in fetch's place, to which a ReadableStream is given itself. */
  constructor(
    source: ReadableStream | AsyncIterable<Uint8Array | string>,
    asItIs: boolean,
  ) {
    const { signal } = this.#controller;
    if (!(source instanceof ReadableStream)) {
      this.readable = bytesOf(source).abortable(signal).toReadableStream();
    } else if (asItIs) this.readable = source;
    else {
      // Throws what fetch would throw, for one that is locked or has been read from.
      new Response(source);
      this.readable = AsyncStream.from(source).abortable(signal)
        .toReadableStream();
    }
  }

  /** Closes the source. Harmless when it has been sent whole, or stopped before. */
  stop(reason: unknown): void {
    this.#controller.abort(reason);
    // Nobody has begun to read it, so nobody would hear of the abort.
    if (!this.readable.locked) this.readable.cancel(reason).catch(() => {});
  }
}

/** Whether a body is sent as a stream. */
export function isStreamed(
  body: BodySource,
): body is ReadableStream | AsyncIterable<Uint8Array | string> {
  return body instanceof ReadableStream || isAsyncIterable(body);
}

function bytesOf(
  source: AsyncIterable<Uint8Array | string>,
): AsyncStream<Uint8Array> {
  const encoder = new TextEncoder();
  return AsyncStream.from(source).map((chunk) =>
    typeof chunk === "string" ? encoder.encode(chunk) : chunk
  );
}
