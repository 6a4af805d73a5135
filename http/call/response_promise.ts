/**
 * What a call returns: a promise of the response, with short ways to its body.
 *
 * @module
 */
import { abortError } from "../../_internal/errors.ts";
import { closesWhilePending, DONE } from "../../_internal/iterators.ts";
import { AsyncStream } from "../../streams/mod.ts";
import type { BodyKind, Call } from "./call.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import { perform } from "./pipeline.ts";
import { bytesOf, readExcerpt } from "./read_body.ts";
import { bodyChunks, discardResponse, exchangeOf } from "./tracked_response.ts";
import { type StandardSchema, validate } from "../request/schema.ts";

/** Rejects with all that the call knows when the response's status is not 2xx. */
export let checkStatus: (
  promise: ResponsePromise,
  response: Response,
) => Promise<void>;

/** Ends the call, whose failure nobody is told of. */
let abortCall: (promise: ResponsePromise) => void;

/**
 * A promise of the native Response, whatever its status. Its own readers reject with
 * HTTPStatusError when the status is not 2xx; and as they read the body within the attempt, a
 * body that breaks off is retried as any failure of the network is.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.resolve(Response.json({ name: "Ada" })),
 * });
 * const response = await client.get("http://localhost/user");
 * console.log(response.status, await response.json()); // 200 { name: "Ada" }
 * console.log(await client.get("http://localhost/user").json<{ name: string }>()); // { name: "Ada" }
 * ```
 */
export class ResponsePromise extends Promise<Response> {
  readonly #call: Call | undefined;

  /** @internal */
  constructor(
    executor: (
      resolve: (response: Response | PromiseLike<Response>) => void,
      reject: (reason: unknown) => void,
    ) => void,
    call?: Call,
  ) {
    super(executor);
    this.#call = call;
  }

  /**
   * The body as JSON; `undefined` when there is none by definition (204, 205, HEAD).
   *
   * @param schema Any Standard Schema (zod, valibot, arktype): its output is returned.
   * @throws {HTTPStatusError} For a status other than 2xx.
   * @throws {ResponseParseError} When it is no JSON.
   * @throws {SchemaError} When the schema refuses it.
   */
  json<T = unknown>(): Promise<T>;
  /** The body as JSON, checked and converted by `schema`. */
  json<T>(schema: StandardSchema<unknown, T>): Promise<T>;
  json<T>(schema?: StandardSchema<unknown, T>): Promise<T> {
    const value = this.#read("json") as Promise<T>;
    return schema === undefined
      ? value
      : value.then((value) => validate(schema, value, this.#what()));
  }

  /** The body as text. @throws {HTTPStatusError} For a status other than 2xx. */
  text(): Promise<string> {
    return this.#read("text") as Promise<string>;
  }

  /** The body's bytes. @throws {HTTPStatusError} For a status other than 2xx. */
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read("bytes") as Promise<Uint8Array<ArrayBuffer>>;
  }

  /** The body as a Blob. @throws {HTTPStatusError} For a status other than 2xx. */
  blob(): Promise<Blob> {
    return this.#read("blob") as Promise<Blob>;
  }

  /**
   * The body's chunks as they come. What breaks off is not retried: part of it is used by then.
   *
   * @throws {HTTPStatusError} For a status other than 2xx, at the first chunk.
   */
  stream(): AsyncStream<Uint8Array<ArrayBuffer>> {
    // Whoever reads it is told of a failure, though that may come before the first read.
    this.catch(() => {});
    return new AsyncStream(chunksOf(this));
  }

  static {
    checkStatus = (promise, response) => promise.#checkStatus(response);
    abortCall = (promise) => {
      promise.catch(() => {});
      promise.#call?.abort(abortError("The response's stream was closed."));
    };
  }

  #read(kind: Exclude<BodyKind, "buffer">): Promise<unknown> {
    const call = this.#call;
    // The first reader's body is read in the attempt, unless the headers have come already.
    if (call !== undefined && call.reader === undefined && !call.isSettled) {
      call.reader = kind;
      return this.then(() => call.value);
    }
    return this.then(async (response) => {
      await this.#checkStatus(response);
      return kind === "bytes"
        ? await bytesOf(response)
        : await response[kind]();
    });
  }

  async #checkStatus(response: Response): Promise<void> {
    if (response.ok) return;
    const call = this.#call;
    const exchange = exchangeOf(response);
    let body = "";
    // It has no body to speak of, but the runtime may hold something for it all the same.
    if (exchange === undefined) discardResponse(response);
    else if (!response.bodyUsed) body = await readExcerpt(exchange, response);
    throw new HTTPStatusError({
      response,
      method: call?.method ?? "GET",
      url: call?.url ?? response.url,
      body,
      attempts: (call?.failures?.length ?? 0) + 1,
      failures: call?.failures ?? [],
      notRetried: call?.notRetried,
    });
  }

  #what(): string {
    return `${this.#call?.method ?? ""} ${this.#call?.url ?? ""}`.trim();
  }
}

// `then` makes ordinary promises, and `await` sees an ordinary promise: a subclass that is asked
// for its constructor takes the slow path of Promise.all and await.
Object.defineProperty(ResponsePromise.prototype, "constructor", {
  value: Promise,
});

/** The chunks of the body; the status is looked at before the first. Whoever closes them ends the call. */
export function chunksOf(
  promise: ResponsePromise,
): ClosableChunks<Uint8Array<ArrayBuffer>> {
  return new ClosableChunks(readBody(promise), () => abortCall(promise));
}

async function* readBody(
  promise: ResponsePromise,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const response = await promise;
  await checkStatus(promise, response);
  yield* bodyChunks(response);
}

/**
 * An iterator over chunks which can be closed while it waits: for the headers, or for a chunk of a
 * stream of events that never comes. A generator alone would close only when that has come.
 */
export class ClosableChunks<T> implements AsyncIterableIterator<T> {
  /** Its `return()` does not wait for a `next()`, which is done then. */
  readonly [closesWhilePending] = true;
  readonly #chunks: AsyncGenerator<T, void, void>;
  readonly #abort: () => void;
  #isWaiting = false;
  #isBegun = false;
  #isClosed = false;

  /** `abort` ends the call behind `chunks`, so that a chunk which is waited for fails. */
  constructor(chunks: AsyncGenerator<T, void, void>, abort: () => void) {
    this.#chunks = chunks;
    this.#abort = abort;
  }

  /** The next chunk. */
  next(): Promise<IteratorResult<T, undefined>> {
    this.#isBegun = true;
    this.#isWaiting = true;
    return this.#chunks.next().then((result) => {
      this.#isWaiting = false;
      return result.done ? DONE : result;
    }, (error) => {
      this.#isWaiting = false;
      if (this.#isClosed) return DONE;
      throw error;
    });
  }

  /** No more chunks: the call ends. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#isClosed = true;
    // One that was never begun has nothing to run on its return.
    if (this.#isWaiting || !this.#isBegun) this.#abort();
    await this.#chunks.return();
    return DONE;
  }

  /** Itself: it is read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Performs the call, whose promise this is. */
export function promiseOf(call: Call): ResponsePromise {
  return new ResponsePromise(
    (resolve, reject) => perform(call, resolve, reject),
    call,
  );
}
