/**
 * A native Response that tells its exchange when its body has ended, so that the connection's
 * place, the timers and the listeners are given back.
 *
 * @module
 */
import type { Exchange } from "./exchange.ts";
import { isBodiless } from "../request/make_response.ts";
import { dropBody, EXCHANGE, nativeBody } from "./native_body.ts";
import { isReadByChunks, readChunks, readLimited } from "./read_body.ts";

const STREAM = Symbol("stream");

// Its prototype is put before the native one of a response that fetch made: the object stays what
// it is (`instanceof Response`, usable as the argument of `new Response`), and only the ways to
// its body lead through here. A copy or a Proxy would cost 10 us and break the former.
class TrackedResponse extends Response {
  declare [EXCHANGE]: Exchange;
  declare [STREAM]: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;

  override get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const exchange = this[EXCHANGE];
    if (this[STREAM] !== undefined) return this[STREAM];
    // Fails as the runtime's own does; that of a stand-in was dropped, and would look empty.
    if (exchange.isAborted) return this[STREAM] = failed(exchange.reason);
    const body = nativeBody(this);
    if (body === null || exchange.ended || body.locked) return body;
    exchange.stopAttemptTimer();
    return this[STREAM] = chunkStream(exchange, body);
  }

  override text(): Promise<string> {
    return read(this, super.text);
  }

  override json(): Promise<unknown> {
    return read(this, super.json);
  }

  override bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return read(this, bytesOfNative);
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    return read(this, super.arrayBuffer);
  }

  override blob(): Promise<Blob> {
    return read(this, super.blob);
  }

  override async formData(): Promise<FormData> {
    // In two steps: what is no form is no failure of the network's.
    const bytes = await this.arrayBuffer();
    return await new Response(bytes, { headers: this.headers }).formData();
  }

  override clone(): Response {
    // Made of the native body before it is parted; another is made when it is asked for again.
    if (this[STREAM]?.locked === false && !this.bodyUsed) {
      this[STREAM] = undefined;
    }
    // Two bodies from here on; the end of this one's is what counts.
    return super.clone();
  }
}

/** Makes `response` tell `exchange` of its body's end. A response without a body, or with an empty
 * one, has ended. */
export function track(exchange: Exchange): Response {
  const response = exchange.response!; // only called with one
  // Looking at `body` would make the runtime build a stream: 7 us.
  if (exchange.ended) return response;
  if (
    isBodiless(response.status) || exchange.call.method === "HEAD" ||
    // What stands in for fetch, or a hook's response, may give less than HTTP would say.
    (exchange.isForeign && nativeBody(response) === null) ||
    response.headers.get("content-length") === "0"
  ) {
    exchange.end();
    return response;
  }
  Object.setPrototypeOf(response, TrackedResponse.prototype);
  (response as TrackedResponse)[EXCHANGE] = exchange;
  exchange.handOut();
  return response;
}

/** The exchange behind a response that `track` was given. */
export function exchangeOf(response: Response): Exchange | undefined {
  return (response as Partial<TrackedResponse>)[EXCHANGE];
}

/** The chunks of a body as they come; of this client's own, without a stream in between. */
export function bodyChunks(
  response: Response,
): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const exchange = exchangeOf(response);
  if (exchange === undefined || exchange.ended) {
    return response.body?.values() ?? none();
  }
  exchange.stopAttemptTimer();
  return readChunks(exchange, nativeBody(response));
}

async function* none(): AsyncGenerator<never> {}

/** Drops the response: cancels the body without waiting for it. */
export function discardResponse(response: Response): void {
  const exchange = exchangeOf(response);
  if (exchange === undefined) dropBody(response);
  else exchange.discard();
}

/** What the native `bytes()` does, which not every runtime has. */
async function bytesOfNative(
  this: Response,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await Response.prototype.arrayBuffer.call(this));
}

async function read<T>(
  response: TrackedResponse,
  readNative: (this: Response) => Promise<T>,
): Promise<T> {
  const exchange = response[EXCHANGE];
  if (exchange.isAborted) throw exchange.reason;
  // Used: the native reader gives the native error.
  if (exchange.ended || response.bodyUsed) {
    return await readNative.call(response);
  }
  const taken = response[STREAM];
  if (taken !== undefined) {
    // Looked at before as a stream, whose end is the exchange's. Throws when it is locked or used.
    return await readNative.call(
      new Response(taken, { headers: response.headers }),
    );
  }
  if (isReadByChunks(exchange)) {
    // In two steps: what is no JSON is no failure of the network's.
    const bytes = await readLimited(exchange, response);
    return await readNative.call(
      new Response(bytes, { headers: response.headers }),
    );
  }
  try {
    const value = await readNative.call(response);
    exchange.trace?.readWhole();
    exchange.end();
    return value;
  } catch (error) {
    // What is no failure of the transfer (no JSON) is the native error.
    const failure =
      error instanceof SyntaxError || exchange.ended && !exchange.isAborted
        ? error
        : exchange.bodyFailureOf(error);
    exchange.discard();
    throw failure;
  }
}

function failed(reason: unknown): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start: (controller) => controller.error(reason),
  });
}

function chunkStream(
  exchange: Exchange,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = readChunks(exchange, body);
  let isPulling = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      isPulling = true;
      const { done, value } = await chunks.next();
      isPulling = false;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      // The generator would wait for the chunk that it waits for: the abort ends that.
      if (isPulling) exchange.abort(reason);
      await chunks.return();
      // A generator that was never begun has nothing to run on its return.
      if (!body.locked) body.cancel(reason).catch(() => {});
      exchange.end();
    },
  }, { highWaterMark: 0 });
}
