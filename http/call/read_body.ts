/**
 * Reading a response's body to its end, within the limits of its exchange.
 *
 * @module
 */
import { sleep } from "../../_internal/sleep.ts";
import { ResponseParseError } from "../errors/response_parse_error.ts";
import { ResponseTooLargeError } from "../errors/response_too_large_error.ts";
import type { BodyKind } from "./body_kind.ts";
import type { Exchange } from "./exchange.ts";
import { makeResponse } from "../request/make_response.ts";

/** Bytes of a body that errors hold. */
const EXCERPT_BYTES = 1024;
/** Milliseconds that an error waits for them. */
const EXCERPT_WAIT = 1000;

/**
 * Reads the whole body into the call's `value`; the exchange has ended when this settles. Resolves
 * to the response, with its body in memory where `kind` is `"buffer"`.
 */
export async function readWhole(
  exchange: Exchange,
  response: Response,
  kind: BodyKind,
): Promise<Response> {
  const { call } = exchange;
  const { idleTimeout, maxResponseBytes } = call.settings;
  try {
    if (idleTimeout !== Infinity || maxResponseBytes !== Infinity) {
      const bytes = await readLimited(exchange, response);
      call.value = fromBytes(exchange, response, kind, bytes);
    } else if (kind === "json") {
      call.value = parse(
        exchange,
        response,
        await exchange.whole(response.text()),
      );
    } else if (kind === "text") {
      call.value = await exchange.whole(response.text());
    } else if (kind === "blob") {
      call.value = await exchange.whole(response.blob());
    } else {
      const bytes = await exchange.whole(bytesOf(response));
      call.value = kind === "bytes" ? bytes : buffered(response, bytes);
    }
    exchange.trace?.readWhole();
    return kind === "buffer" ? call.value as Response : response;
  } catch (error) {
    if (error instanceof ResponseParseError) throw error;
    throw exchange.bodyFailureOf(error);
  } finally {
    exchange.end();
  }
}

function fromBytes(
  exchange: Exchange,
  response: Response,
  kind: BodyKind,
  bytes: Uint8Array<ArrayBuffer>,
): unknown {
  switch (kind) {
    case "json":
      return parse(exchange, response, new TextDecoder().decode(bytes));
    case "text":
      return new TextDecoder().decode(bytes);
    case "blob":
      return new Blob([bytes], {
        type: response.headers.get("content-type") ?? "",
      });
    case "bytes":
      return bytes;
    case "buffer":
      return buffered(response, bytes);
  }
}

/** The same as `response.bytes()`, which not every runtime has. */
export async function bytesOf(
  response: Response,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await response.arrayBuffer());
}

/** Refuses a body that announces more than it may have. */
export function checkAnnounced(exchange: Exchange, response: Response): void {
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

/** The body's chunks, within the limits. The exchange ends with the last, or with `return`. */
export async function* readChunks(
  exchange: Exchange,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  if (body === null) return exchange.end();
  const { maxResponseBytes } = exchange.call.settings;
  const idle = exchange.watchIdle();
  const reader = body.getReader();
  exchange.readBy(reader);
  let total = 0;
  let finished = false;
  try {
    for (;;) {
      idle?.wait();
      const { done, value } = await reader.read();
      idle?.arrived();
      if (exchange.isAborted) throw exchange.reason;
      if (done) {
        finished = true;
        return;
      }
      total += value.byteLength;
      if (total > maxResponseBytes) {
        throw new ResponseTooLargeError(
          exchange.call.url,
          maxResponseBytes,
          "maxResponseBytes",
        );
      }
      yield value;
    }
  } catch (error) {
    throw exchange.bodyFailureOf(error);
  } finally {
    // Not waited for: cancelling a body that never ends may take as long.
    if (!finished) reader.cancel().catch(() => {});
    exchange.trace?.received(total);
    exchange.end();
  }
}

async function readLimited(
  exchange: Exchange,
  response: Response,
): Promise<Uint8Array<ArrayBuffer>> {
  checkAnnounced(exchange, response);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for await (const chunk of readChunks(exchange, response.body)) {
    chunks.push(chunk);
    total += chunk.byteLength;
  }
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/** The start of a body, for an error; the rest is dropped and the exchange ended. */
export async function readExcerpt(
  exchange: Exchange,
  response: Response,
): Promise<string> {
  const { body } = response;
  if (body === null || body.locked || exchange.ended) {
    exchange.end();
    return "";
  }
  const reader = body.getReader();
  exchange.readBy(reader);
  const decoder = new TextDecoder();
  const waited = new AbortController();
  let text = "";
  let bytes = 0;
  try {
    const timeUp = sleep(EXCERPT_WAIT, waited.signal).then(
      () => TIME_UP,
      () => TIME_UP,
    );
    while (bytes < EXCERPT_BYTES) {
      const result = await Promise.race([reader.read(), timeUp]);
      if (result.done) break;
      const part = result.value.subarray(0, EXCERPT_BYTES - bytes);
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

/** The response with its body in memory, to be read whenever. */
function buffered(
  response: Response,
  bytes: Uint8Array<ArrayBuffer>,
): Response {
  const copy = makeResponse(bytes, response);
  Object.defineProperty(copy, "url", { value: response.url });
  Object.defineProperty(copy, "redirected", { value: response.redirected });
  return copy;
}
