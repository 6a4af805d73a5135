/**
 * Reading a response's body to its end, within the limits of its exchange.
 *
 * @module
 */
import { sleep } from "../../_internal/sleep.ts";
import { show } from "../../_internal/validate.ts";
import { ResponseParseError } from "../errors/response_parse_error.ts";
import { ResponseTooLargeError } from "../errors/response_too_large_error.ts";
import type { BodyKind } from "./call.ts";
import type { Exchange } from "./exchange.ts";
import type { IdleWatch } from "./idle_watch.ts";
import { nativeBody } from "./native_body.ts";
import { copyResponse } from "../request/make_response.ts";

/** For whole bodies, between which it keeps nothing. */
const UTF8 = new TextDecoder();
/** Bytes of a body that errors hold. */
const MAX_EXCERPT_BYTES = 1024;
/** Milliseconds that an error waits for them. */
const MAX_EXCERPT_WAIT = 1000;

/**
 * Reads the whole body into the call's `value`; the exchange has ended when this settles, and what
 * was not read is dropped. Resolves to the response, with its body in memory where `kind` is
 * `"buffer"`.
 */
export async function readWhole(
  exchange: Exchange,
  response: Response,
  kind: BodyKind,
): Promise<Response> {
  const { call } = exchange;
  try {
    if (isReadByChunks(exchange)) {
      const bytes = await readLimited(exchange, response);
      call.value = await fromBytes(exchange, response, kind, bytes);
    } else if (kind === "json") {
      call.value = parse(exchange, response, await response.text());
    } else if (kind === "text") {
      call.value = await response.text();
    } else if (kind === "blob") {
      call.value = await response.blob();
    } else {
      const bytes = await bytesOf(response);
      // With its body in memory, to be read whenever.
      call.value = kind === "bytes" ? bytes : copyResponse(bytes, response);
    }
  } catch (error) {
    const failure = error instanceof ResponseParseError
      ? error
      : exchange.bodyFailureOf(error);
    exchange.discard();
    throw failure;
  }
  exchange.trace?.readWhole();
  exchange.end();
  return kind === "buffer" ? call.value as Response : response;
}

/**
 * Whether a body is read here, chunk by chunk: where it has limits, and where it may be of
 * anybody's making and need not listen to the exchange's signal. The runtime reads its own in one
 * go, and is faster.
 */
export function isReadByChunks(exchange: Exchange): boolean {
  const { idleTimeout, maxResponseBytes } = exchange.call.settings;
  return idleTimeout !== Infinity || maxResponseBytes !== Infinity ||
    exchange.isForeign;
}

function fromBytes(
  exchange: Exchange,
  response: Response,
  kind: BodyKind,
  bytes: Uint8Array<ArrayBuffer>,
): unknown {
  switch (kind) {
    case "json":
      return parse(exchange, response, UTF8.decode(bytes));
    case "text":
      return UTF8.decode(bytes);
    case "blob":
      // By the runtime, for its way to write the type.
      return new Response(bytes, { headers: response.headers }).blob();
    case "bytes":
      return bytes;
    case "buffer":
      return copyResponse(bytes, response);
  }
}

/** The same as `response.bytes()`, which not every runtime has. */
export async function bytesOf(
  response: Response,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await response.arrayBuffer());
}

/** Refuses a body that announces more than it may have. */
function checkAnnounced(exchange: Exchange, response: Response): void {
  const { maxResponseBytes } = exchange.call.settings;
  if (maxResponseBytes === Infinity) return;
  const length = response.headers.get("content-length");
  // The announced length is that before decompression.
  if (length === null || response.headers.has("content-encoding")) return;
  if (Number(length) > maxResponseBytes && exchange.call.method !== "HEAD") {
    throw new ResponseTooLargeError(
      exchange.call.url,
      maxResponseBytes,
      "maxResponseBytes",
      Number(length),
    );
  }
}

/** Reads a body chunk by chunk, within the limits of its exchange, which ends with it. */
class ChunkReader {
  readonly #exchange: Exchange;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #idle: IdleWatch | undefined;
  #total = 0;
  #isFinished = false;

  constructor(
    exchange: Exchange,
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
  ) {
    this.#exchange = exchange;
    this.#idle = exchange.watchIdle();
    this.#reader = body.getReader();
    exchange.readBy(this.#reader);
  }

  /** Asks for the next chunk. What comes is for `take`: two steps, and one promise a chunk. */
  read(): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> {
    this.#idle?.wait();
    return this.#reader.read();
  }

  /** The chunk; `undefined` at the end. Throws when it is one too many, or nobody wants it. */
  take(
    { done, value }: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>,
  ): Uint8Array<ArrayBuffer> | undefined {
    const exchange = this.#exchange;
    this.#idle?.arrived();
    if (exchange.isAborted) throw exchange.reason;
    if (done) {
      this.#isFinished = true;
      return undefined;
    }
    // Which the runtime's own are; a stand-in may stream anything.
    if (!(value instanceof Uint8Array)) throw notBytes(value);
    this.#total += value.byteLength;
    const { maxResponseBytes } = exchange.call.settings;
    if (this.#total > maxResponseBytes) {
      throw new ResponseTooLargeError(
        exchange.call.url,
        maxResponseBytes,
        "maxResponseBytes",
      );
    }
    return value;
  }

  /** No more chunks are wanted. */
  close(): void {
    // Not waited for: cancelling a body that never ends may take as long.
    if (!this.#isFinished) this.#reader.cancel().catch(() => {});
    this.#exchange.trace?.received(this.#total);
    this.#exchange.end();
  }
}

function notBytes(chunk: unknown): TypeError {
  return new TypeError(
    `A response's body must give chunks of bytes (Uint8Array), and gave ${
      show(chunk)
    }`,
  );
}

/** The body's chunks, within the limits. The exchange ends with the last, or with `return`. */
export async function* readChunks(
  exchange: Exchange,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  if (body === null) return exchange.end();
  const chunks = new ChunkReader(exchange, body);
  try {
    for (;;) {
      const chunk = chunks.take(await chunks.read());
      if (chunk === undefined) return;
      yield chunk;
    }
  } catch (error) {
    throw exchange.bodyFailureOf(error);
  } finally {
    chunks.close();
  }
}

/**
 * All of them in one, of a body that has ended, or was dropped, when this settles. Without the
 * generator: it costs 1 us of the 7 that a short body takes.
 */
export async function readLimited(
  exchange: Exchange,
  response: Response,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  let reader: ChunkReader | undefined;
  try {
    checkAnnounced(exchange, response);
    const body = nativeBody(response);
    if (body === null) return new Uint8Array();
    reader = new ChunkReader(exchange, body);
    for (;;) {
      const chunk = reader.take(await reader.read());
      if (chunk === undefined) break;
      chunks.push(chunk);
      total += chunk.byteLength;
    }
  } catch (error) {
    const failure = exchange.bodyFailureOf(error);
    // Refused before it was read.
    if (reader === undefined) exchange.discard();
    throw failure;
  } finally {
    reader?.close();
  }
  if (chunks.length === 1) return chunks[0]!; // there is one
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/**
 * The start of a body, for an error; the rest is dropped and the exchange ended. One that somebody
 * reads is left to him.
 */
export async function readExcerpt(
  exchange: Exchange,
  response: Response,
): Promise<string> {
  const { body } = response;
  if (body === null || exchange.ended) {
    exchange.discard();
    return "";
  }
  if (body.locked) return "";
  const reader = body.getReader();
  exchange.readBy(reader);
  const decoder = new TextDecoder();
  const waited = new AbortController();
  let text = "";
  let bytes = 0;
  try {
    const timeUp = sleep(MAX_EXCERPT_WAIT, waited.signal).then(
      () => TIME_UP,
      () => TIME_UP,
    );
    while (bytes < MAX_EXCERPT_BYTES) {
      const result = await Promise.race([reader.read(), timeUp]);
      if (result.done) break;
      const part = result.value.subarray(0, MAX_EXCERPT_BYTES - bytes);
      bytes += part.byteLength;
      text += decoder.decode(part, { stream: true });
    }
    return text;
  } catch {
    // The status is the failure to tell of; a body that breaks off takes nothing from that.
    return text;
  } finally {
    waited.abort();
    reader.cancel().catch(() => {});
    exchange.end();
  }
}

const TIME_UP = { done: true, value: undefined } as const;

function parse(exchange: Exchange, response: Response, text: string): unknown {
  const { call } = exchange;
  if (text === "" && hasNoBody(response.status, call.method)) return undefined;
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (cause) {
    throw new ResponseParseError(call.method, call.url, response.status, text, {
      cause,
    });
  }
}

function hasNoBody(status: number, method: string): boolean {
  return status === 204 || status === 205 || method === "HEAD";
}
