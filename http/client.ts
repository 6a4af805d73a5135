/**
 * The HTTP client: methods, connections, closing.
 *
 * @module
 */
import { DisposedError } from "../_internal/errors.ts";
import { show } from "../_internal/validate.ts";
import { AsyncStream } from "../streams/mod.ts";
import { type RequestBody, requestBody } from "./request/body.ts";
import { Call, OpenCalls } from "./call/call.ts";
import { InvalidRequestError } from "./errors/invalid_request_error.ts";
import type { AsyncHTTPClientOptions, RequestOptions } from "./options.ts";
import {
  callSettings,
  clientSettings,
  idlePerHost,
  type Settings,
} from "./call/settings.ts";
import { buildForm, buildURL, mergeHeaders } from "./request/request.ts";
import {
  chunksOf,
  promiseOf,
  ResponsePromise,
} from "./call/response_promise.ts";

const NO_OPTIONS: RequestOptions = {};

/** The response with its body in memory, read within the attempt. */
export let bufferedResponse: (
  client: AsyncHTTPClient,
  method: string,
  url: string,
  options: RequestOptions,
) => Promise<Response>;

/** What a client goes by, for those who do with it what its calls do not. */
export let settingsOf: (client: AsyncHTTPClient) => Settings;

/** Checks a `client` option. */
export function checkClient(name: string, client: unknown): void {
  if (client instanceof AsyncHTTPClient) return;
  throw new TypeError(
    `${name} must be an AsyncHTTPClient, got ${show(client)}`,
  );
}

/** How busy a client is. */
export interface HTTPClientStats {
  /** Calls that have not ended, with the responses whose body is still open. */
  readonly calls: number;
  /** Connections in use; 0 where they are not bounded. */
  readonly connections: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

/**
 * An HTTP client on the runtime's own fetch, for networks that fail: retries, time limits, a
 * circuit breaker, bounded connections; every layer only if asked for.
 *
 * Guarantees: a call settles once, and at once when its signal aborts; the body of a failed
 * attempt is cancelled, however long it is; when a response's body has been read, nothing of the
 * call is kept; errors hold no query values.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, RetryPolicy } from "@specify/async-core";
 *
 * let attempts = 0;
 * await using client = new AsyncHTTPClient({
 *   baseUrl: "http://localhost/api",
 *   retryPolicy: new RetryPolicy({ maxRetries: 3, baseDelay: 1 }),
 *   fetch: () => Promise.resolve(new Response("{}", { status: ++attempts < 3 ? 503 : 200 })),
 * });
 * console.log(await client.get("users", { query: { page: 2 } }).json(), attempts); // {} 3
 * ```
 */
export class AsyncHTTPClient implements AsyncDisposable {
  // Invariant: #calls holds every call from its begin until its promise is settled and its
  // exchanges have ended (call.ts); so `close` reaches all of them, and waits for the last.
  readonly #settings: Settings;
  readonly #idlePerHost: number;
  readonly #calls = new OpenCalls();
  #dispatcher: Deno.HttpClient | undefined;
  #unpooled: Deno.HttpClient | undefined;
  #closed = false;

  /**
   * Nothing is opened before the first call.
   *
   * @throws {RangeError | TypeError} For an option that is out of its range, naming it.
   */
  constructor(options: AsyncHTTPClientOptions = {}) {
    this.#settings = clientSettings(options);
    this.#idlePerHost = idlePerHost(options);
  }

  /** GET. */
  get(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("GET", url, options ?? NO_OPTIONS);
  }

  /** HEAD. */
  head(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("HEAD", url, options ?? NO_OPTIONS);
  }

  /** POST. Not retried, unless it has an `Idempotency-Key` or the policy's `retryMethods` name it. */
  post(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("POST", url, options ?? NO_OPTIONS);
  }

  /** PUT. */
  put(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("PUT", url, options ?? NO_OPTIONS);
  }

  /** PATCH. Not retried, unless it has an `Idempotency-Key` or the policy's `retryMethods` name it. */
  patch(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("PATCH", url, options ?? NO_OPTIONS);
  }

  /** DELETE. */
  delete(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("DELETE", url, options ?? NO_OPTIONS);
  }

  /** OPTIONS. */
  options(url: string | URL, options?: RequestOptions): ResponsePromise {
    return this.#begin("OPTIONS", url, options ?? NO_OPTIONS);
  }

  /** Any method. */
  request(
    method: string,
    url: string | URL,
    options?: RequestOptions,
  ): ResponsePromise {
    checkMethod(method);
    return this.#begin(method.toUpperCase(), url, options ?? NO_OPTIONS);
  }

  /**
   * The chunks of the body, as they come. The request is made when they are first asked for, and
   * cancelled when they are no longer.
   */
  stream(
    method: string,
    url: string | URL,
    options?: RequestOptions,
  ): AsyncStream<Uint8Array<ArrayBuffer>> {
    return new AsyncStream(() => chunksOf(this.request(method, url, options)));
  }

  static {
    bufferedResponse = (client, method, url, options) => {
      checkMethod(method);
      const call = client.#prepare(method.toUpperCase(), url, options);
      call.reader = "buffer";
      return promiseOf(call);
    };
    settingsOf = (client) => client.#settings;
  }

  /** How busy the client is now. */
  get stats(): HTTPClientStats {
    const { connections } = this.#settings;
    return {
      calls: this.#calls.size,
      connections: connections?.active ?? 0,
      waiting: connections?.waiting ?? 0,
    };
  }

  /**
   * Ends the client: calls under way, and responses whose body is still open, fail with `reason`;
   * further calls are refused. Resolves when all have ended and the connections are closed.
   *
   * @param reason What they fail with. @default {DisposedError}
   */
  async close(reason?: unknown): Promise<void> {
    this.#closed = true;
    const error = reason ??
      new DisposedError(
        "AsyncHTTPClient",
        "Close it when its calls have ended, or give close() a reason of your own.",
        "was closed while the call was under way",
      );
    // A copy: what ends leaves the set.
    for (const call of [...this.#calls]) call.abort(error);
    await this.#calls.whenEmpty();
    this.#settings.timers.rest();
    this.#dispatcher?.close();
    this.#unpooled?.close();
    this.#dispatcher = this.#unpooled = undefined;
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(
    method: string,
    url: string | URL,
    options: RequestOptions,
  ): ResponsePromise {
    let call: Call;
    try {
      call = this.#prepare(method, url, options);
    } catch (error) {
      return new ResponsePromise((_, reject) => reject(error));
    }
    return promiseOf(call);
  }

  #prepare(method: string, url: string | URL, options: RequestOptions): Call {
    if (this.#closed) {
      throw new DisposedError(`AsyncHTTPClient.${method.toLowerCase()}()`);
    }
    const settings = options === NO_OPTIONS
      ? this.#settings
      : callSettings(this.#settings, options);
    let headers = mergeHeaders(this.#settings.headers, options.headers);
    const body = bodyOf(method, String(url), options);
    if (options.json !== undefined) {
      headers = { "content-type": "application/json", ...headers };
    }
    return new Call({
      method,
      url: buildURL(method, url, this.#settings.baseUrl, options.query),
      settings,
      headers,
      body,
      init: options.init,
      dispatcher: settings.fetch === undefined
        ? this.#dispatch(options.sendOnce === true)
        : undefined,
      signal: options.signal,
    }, this.#calls);
  }

  /** The connection pool; made at the first call, as nothing is before. */
  #dispatch(once: boolean): Deno.HttpClient | undefined {
    if (typeof Deno === "undefined") return undefined;
    return once
      ? this.#unpooled ??= this.#pool(0)
      : this.#dispatcher ??= this.#pool(this.#idlePerHost);
  }

  #pool(poolMaxIdlePerHost: number): Deno.HttpClient {
    return Deno.createHttpClient({
      ...this.#settings.transport as Deno.CreateHttpClientOptions | undefined,
      poolMaxIdlePerHost,
    });
  }
}

function bodyOf(
  method: string,
  url: string,
  options: RequestOptions,
): RequestBody | undefined {
  const { body, json, form } = options;
  const given = Number(body !== undefined && body !== null) +
    Number(json !== undefined) + Number(form !== undefined);
  if (given === 0) return undefined;
  if (given > 1) {
    throw new TypeError(
      "body, json and form exclude each other; give one of them",
    );
  }
  if (method === "GET" || method === "HEAD") {
    throw new InvalidRequestError(method, url, "this method has no body");
  }
  if (json !== undefined) return requestBody(jsonText(json));
  if (form !== undefined) return requestBody(buildForm(form));
  return requestBody(body!); // the one that is given
}

function checkMethod(method: unknown): asserts method is string {
  if (typeof method === "string" && method !== "") return;
  throw new TypeError(`method must be a method's name, got ${show(method)}`);
}

function jsonText(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    // A cycle, a bigint, a toJSON that throws.
    throw new TypeError(
      `json cannot be written as JSON: ${
        cause instanceof Error ? cause.message : show(cause)
      }`,
      { cause },
    );
  }
  if (text !== undefined) return text;
  throw new TypeError(
    `json must be a value that JSON knows, got ${show(value)}`,
  );
}
