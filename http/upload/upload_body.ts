/**
 * The bodies of an upload's attempts: each announces the length that its source has by then, sends
 * exactly that, and tells how far it is.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { show } from "../../_internal/validate.ts";
import { AsyncStream } from "../../streams/mod.ts";
import { UploadError } from "../errors/upload_error.ts";
import type { Envelope } from "./multipart.ts";
import { sendByNode, type SendOptions } from "./node_transport.ts";
import type { UploadSource } from "./upload_source.ts";

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes that the system has taken; a further attempt begins at 0 again. */
  readonly sent: number;
  /** Bytes of the whole; `undefined` for a stream. */
  readonly total: number | undefined;
  /** From 0 to 1; `undefined` like `total`. */
  readonly fraction: number | undefined;
  /** Milliseconds since the call. */
  readonly elapsed: number;
}

/** What an upload sends. */
export interface UploadParts {
  readonly url: string;
  readonly source: UploadSource;
  readonly form: Envelope | undefined;
  readonly onProgress: ((progress: UploadProgress) => void) | undefined;
  /** For node:http, which tells what was sent; `undefined` where fetch sends. */
  readonly node: SendOptions | undefined;
}

/** Makes the bodies, and sends them with their lengths. */
export class UploadBodies {
  // Invariant: #totals holds what each body that has been made announces; two may be under way at a
  // time (a hedge), of different lengths (a file that has grown).
  readonly #parts: UploadParts;
  readonly #totals = new WeakMap<object, number>();
  readonly #controller = new AbortController();
  readonly #start = now();
  #isFirst = true;

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /** The body for the next attempt. */
  next(): ReadableStream | Promise<ReadableStream> {
    const { length, measure } = this.#parts.source;
    if (this.#isFirst || measure === undefined) {
      this.#isFirst = false;
      return this.of(length);
    }
    return measure().then((length) => this.of(length));
  }

  /** Stops what is still being sent; resolves when the source's files are closed. */
  async stop(reason: unknown): Promise<void> {
    this.#controller.abort(reason);
    await this.#parts.source.whenClosed?.();
  }

  /** In place of fetch: by node:http, with the length that the body has announced. */
  async send(url: string, init: RequestInit): Promise<Response> {
    const total = init.body instanceof ReadableStream
      ? this.#totals.get(init.body)
      : undefined;
    const headers = init.headers as Record<string, string> | undefined;
    return await sendByNode(
      url,
      total === undefined
        ? init
        : { ...init, headers: { ...headers, "content-length": `${total}` } },
      { ...this.#parts.node, onSent: this.reporter(total) },
    );
  }

  /** Tells `onProgress` how much of `total` was sent. */
  reporter(total: number | undefined): ((sent: number) => void) | undefined {
    const { onProgress } = this.#parts;
    if (onProgress === undefined) return undefined;
    return (sent) =>
      onProgress({
        sent,
        total,
        fraction: total === undefined
          ? undefined
          : total === 0
          ? 1
          : sent / total,
        elapsed: now() - this.#start,
      });
  }

  /** A body of `length` bytes; `undefined` for a stream. */
  of(length: number | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { url, source, form, node } = this.#parts;
    const total = length === undefined
      ? undefined
      : length + (form?.head.byteLength ?? 0) + (form?.tail.byteLength ?? 0);
    const chunks = parts(url, source.open(), length, form);
    // Where nobody tells what has been sent, what has been taken is told.
    const report = node === undefined ? this.reporter(total) : undefined;
    const body = (report === undefined ? chunks : counted(chunks, report))
      .abortable(this.#controller.signal).toReadableStream();
    if (total !== undefined) this.#totals.set(body, total);
    return body;
  }
}

/** The source's bytes, within the envelope, and exactly as many as were announced. */
function parts(
  url: string,
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
  length: number = Infinity,
  form: Envelope | undefined,
): AsyncStream<Uint8Array<ArrayBuffer>> {
  let sent = 0;
  const announced = AsyncStream.from(source).takeWhile(() => sent < length)
    .map((chunk) => {
      // Text has no byteLength: nothing of it would be sent, in silence.
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError(
          `source must give chunks of bytes (Uint8Array), and gave ${
            show(chunk)
          }`,
        );
      }
      // What has been added meanwhile was not announced.
      const part = sent + chunk.byteLength > length
        ? chunk.subarray(0, length - sent)
        : chunk;
      sent += part.byteLength;
      return part;
    }).filter((part) => part.byteLength > 0);
  const rest = function* () {
    if (sent < length && length !== Infinity) {
      throw new UploadError(
        url,
        `the source became shorter while it was sent: ${sent} of ${length} bytes`,
      );
    }
    if (form !== undefined) yield form.tail;
  };
  return AsyncStream.from(form === undefined ? [] : [form.head])
    .concat(announced, rest);
}

/** Tells what has been taken, where nobody tells what has been sent. */
function counted(
  chunks: AsyncStream<Uint8Array<ArrayBuffer>>,
  report: (sent: number) => void,
): AsyncStream<Uint8Array<ArrayBuffer>> {
  let given = 0;
  const tell = () => {
    if (given > 0) report(given);
  };
  // Whoever asks for the next one has taken the one before.
  return chunks.tap((chunk) => {
    tell();
    given += chunk.byteLength;
  }).concat(() => {
    tell();
    return [];
  });
}
