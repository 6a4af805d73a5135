/**
 * Many requests, so many at a time, fair between hosts.
 *
 * @module
 */
import { checkOptions, show } from "../../_internal/validate.ts";
import { AsyncStream } from "../../streams/mod.ts";
import {
  BATCH_CHECKS,
  type BatchRequest,
  type BatchRequestOptions,
  BatchRun,
} from "./batch_run.ts";
import { AsyncHTTPClient } from "../client.ts";
import { sharedState } from "../call/settings.ts";

/**
 * The results of a batch. Awaited, they are an array; read as a stream, they come one by one and
 * no more requests are read from the source than `maxConcurrent` and the order demand. Nothing
 * is sent before one of the two.
 *
 * @example
 * ```ts
 * import { asyncBatchRequests, AsyncHTTPClient } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({ fetch: (url) => Promise.resolve(new Response(url)) });
 * const urls = ["http://localhost/1", "http://localhost/2"];
 * for await (const response of asyncBatchRequests(urls, { client }).stream()) {
 *   console.log(await response.text()); // "http://localhost/1", then "http://localhost/2"
 * }
 * ```
 */
export class BatchResults<T> implements PromiseLike<T[]>, AsyncIterable<T> {
  readonly #open: () => AsyncGenerator<T, void, void>;
  #results: Promise<T[]> | undefined;

  /** Made by `asyncBatchRequests`. */
  constructor(open: () => AsyncGenerator<T, void, void>) {
    this.#open = open;
  }

  /** The results as a stream. Each reading sends the requests anew. */
  stream(): AsyncStream<T> {
    return new AsyncStream(this.#open);
  }

  /** Sends the requests and gives all results in an array. */
  then<Result = T[], Failure = never>(
    onFulfilled?: ((results: T[]) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    this.#results ??= this.#collect();
    return this.#results.then(onFulfilled, onRejected);
  }

  /** The results one by one. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#open();
  }

  async #collect(): Promise<T[]> {
    const results: T[] = [];
    for await (const result of this) results.push(result);
    return results;
  }
}

/**
 * Sends many requests, so many at a time. The first that fails cancels the others, which are
 * awaited, and rejects; with `settled: true` none sinks the others. A status other than 2xx is no
 * failure, as with `client.get()`.
 *
 * @param requests Addresses or requests: an array, an iterable or an async iterable, which is read
 * no further ahead than necessary.
 * @throws {TypeError | RangeError} For an option that is out of its range, naming it.
 *
 * @example
 * ```ts
 * import { asyncBatchRequests, AsyncHTTPClient } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({ fetch: (url) => Promise.resolve(new Response(url)) });
 * const lengths = await asyncBatchRequests(
 *   ["http://localhost/1", { url: "http://localhost/2", method: "POST" }],
 *   { client, maxConcurrent: 2, map: async (response) => (await response.text()).length },
 * );
 * console.log(lengths); // [18, 18]
 * ```
 */
export function asyncBatchRequests<T = Response>(
  requests: Iterable<BatchRequest> | AsyncIterable<BatchRequest>,
  options: BatchRequestOptions<T> & { settled: true },
): BatchResults<PromiseSettledResult<T>>;
/** Sends many requests; the first that fails cancels the others. */
export function asyncBatchRequests<T = Response>(
  requests: Iterable<BatchRequest> | AsyncIterable<BatchRequest>,
  options?: BatchRequestOptions<T>,
): BatchResults<T>;
export function asyncBatchRequests<T>(
  requests: Iterable<BatchRequest> | AsyncIterable<BatchRequest>,
  options: BatchRequestOptions<T> = {},
): BatchResults<T | PromiseSettledResult<T>> {
  if (
    typeof requests !== "object" || requests === null ||
    !(Symbol.iterator in requests || Symbol.asyncIterator in requests)
  ) {
    throw new TypeError(
      `requests must be an iterable or async iterable of requests, got ${
        show(requests)
      }`,
    );
  }
  checkOptions("asyncBatchRequests()", options, BATCH_CHECKS);
  // Made here, once: a budget or a breaker of each request's own would bound nothing.
  const shared = { ...options, ...sharedState(options) };
  return new BatchResults(async function* () {
    const client = shared.client ?? new AsyncHTTPClient();
    try {
      yield* new BatchRun(requests, shared, client).results();
    } finally {
      if (client !== shared.client) await client.close();
    }
  });
}
