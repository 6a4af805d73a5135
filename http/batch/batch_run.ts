/**
 * One run through a batch: requests read ahead as far as it may, sent where there is a place for
 * their host, their results handed out.
 *
 * @module
 */
import { heedAbort } from "../../_internal/abort.ts";
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { lateFailure, reportLate } from "../../_internal/late_failure.ts";
import {
  boolean,
  type Checks,
  checkSignal,
  functionNamed,
  limitFrom,
  show,
} from "../../_internal/validate.ts";
import { asTask } from "../../runner/as_task.ts";
import {
  type AsyncHTTPClient,
  bufferedResponse,
  checkClient,
  settingsOf,
} from "../client.ts";
import { Connections, type HostConnections } from "../call/connections.ts";
import { type RequestOptions, SHARED_CHECKS } from "../options.ts";
import { redactURL } from "../redact.ts";
import { buildURL, originOf } from "../request/request.ts";
import { discardResponse } from "../call/tracked_response.ts";

/** One request of a batch: an address, or an address with the options of its call. */
export type BatchRequest =
  | string
  | URL
  | (RequestOptions & { url: string | URL; method?: string | undefined });

/** Options of {@linkcode asyncBatchRequests}. */
export interface BatchRequestOptions<T = Response> extends
  Omit<
    RequestOptions,
    "body" | "json" | "form" | "query" | "headers" | "init" | "sendOnce"
  > {
  /** What makes the requests. @default A client of its own, without retries. */
  client?: AsyncHTTPClient | undefined;
  /** Requests at a time. @default {10}; with a runner, as many as it lets run */
  maxConcurrent?: number | undefined;
  /** Requests at a time for each origin: a slow one then holds up none of the others. @default {Infinity} */
  maxPerHost?: number | undefined;
  /** Gives `PromiseSettledResult`s: a request that fails is one result among the others. @default {false} */
  settled?: boolean | undefined;
  /** Results in the order of the requests, or as they come. @default {true} */
  ordered?: boolean | undefined;
  /**
   * Makes the result from the response, within the request's slot. Without it the result is the
   * response, its body in memory.
   */
  map?:
    | ((response: Response, index: number) => T | PromiseLike<T>)
    | undefined;
}

/** The checks of those options. */
export const BATCH_CHECKS: Checks<BatchRequestOptions> = {
  ...SHARED_CHECKS,
  signal: checkSignal,
  client: checkClient,
  maxConcurrent: limitFrom(1),
  maxPerHost: limitFrom(1),
  settled: boolean,
  ordered: boolean,
  map: functionNamed,
};

/** How far beyond `maxConcurrent` requests are read, so that fairness has something to choose from. */
const AHEAD_FACTOR = 8;
const MIN_AHEAD = 64;

/** Reason of the internal abort: the run is over. */
const OVER = new DOMException("The batch has ended.", "AbortError");

/** One run. */
export class BatchRun<T> {
  // Invariant: #map holds the requests that were read and whose result has not been handed out, as
  // many as the window at most; those of them that have no place yet wait for one of their host's.
  // #failure is set once, by what comes first: a failure, an abort, the end; with it #controller
  // aborts. After that nothing is sent or handed out any more, and the run ends when #map has:
  // all that was in flight, and the source.
  readonly #options: BatchRequestOptions<T>;
  readonly #client: AsyncHTTPClient;
  /** What the batch's options say for each request. */
  readonly #common: RequestOptions;
  readonly #places: Connections;
  readonly #map: ConcurrentMap<BatchRequest, T | PromiseSettledResult<T>>;
  readonly #controller = new AbortController();
  #failure: { error: unknown } | undefined;

  constructor(
    requests: Iterable<BatchRequest> | AsyncIterable<BatchRequest>,
    options: BatchRequestOptions<T>,
    client: AsyncHTTPClient,
  ) {
    const {
      client: _client,
      runner,
      maxConcurrent = runner ? Infinity : 10,
      maxPerHost = Infinity,
      settled = false,
      ordered = true,
      map: _map,
      ...common
    } = options;
    this.#options = options;
    this.#client = client;
    // The batch itself queues in its runner: its calls do not once more.
    this.#common = runner
      ? { ...common, runner: false }
      : { ...common, runner };
    this.#places = new Connections(maxConcurrent, maxPerHost);
    const send = (request: BatchRequest, index: number) =>
      this.#send(request, index);
    this.#map = new ConcurrentMap<BatchRequest, T | PromiseSettledResult<T>>(
      requests,
      settled ? (request, index) => outcome(send(request, index)) : send,
      {
        concurrency: maxConcurrent === Infinity
          ? MIN_AHEAD * AHEAD_FACTOR
          : Math.max(MIN_AHEAD, maxConcurrent * AHEAD_FACTOR),
        ordered,
        ready: runner
          ? () =>
            runner.isFull ? runner.ready(this.#controller.signal) : undefined
          : undefined,
        failed: (error) => void this.#fail(error),
      },
    );
  }

  /** The results. */
  async *results(): AsyncGenerator<
    T | PromiseSettledResult<T>,
    void,
    void
  > {
    const subscription = heedAbort(this.#options.signal, (reason) => {
      this.#fail(reason);
      this.#map.stopWith(reason);
    });
    try {
      for (;;) {
        const { done, value } = await this.#map.pull();
        if (done) break;
        // What came before a failure and was not asked for in time goes with it.
        if (this.#failure === undefined) yield value;
      }
      if (this.#failure !== undefined) throw this.#failure.error;
    } finally {
      subscription?.unsubscribe();
      this.#fail(OVER);
      await this.#map.return();
    }
  }

  /**
   * The first failure ends what is in flight; one that comes later is told on the console. The
   * result is the first: that is what all fail with.
   */
  #fail(error: unknown): unknown {
    if (this.#failure === undefined) {
      this.#failure = { error };
      this.#controller.abort(error);
    } else if (lateFailure(error, this.#failure.error) !== undefined) {
      reportLate("A request failed after its batch had ended", error);
    }
    return this.#failure.error;
  }

  async #send(request: BatchRequest, index: number): Promise<T> {
    let place: HostConnections | undefined;
    try {
      const { url, method, options, own } = this.#parts(request);
      const { signal } = this.#controller;
      const { baseUrl } = settingsOf(this.#client);
      const host = originOf(buildURL(method, url, baseUrl, undefined));
      place = this.#places.tryAcquire(host) ??
        await this.#places.acquire(host, signal);
      const { runner, priority } = this.#options;
      const call = (signal: AbortSignal) =>
        this.#call(method, url, {
          ...options,
          signal: own === undefined ? signal : AbortSignal.any([own, signal]),
        }, index);
      if (!runner) return await call(signal);
      const name = `${method} ${redactURL(url)}`;
      return await asTask(
        runner,
        // The task may be ended for itself: its signal stands for the batch's.
        (context) => call(context.signal),
        { priority, signal, key: host, name },
      );
    } catch (error) {
      // Before the place is given back: nobody is to begin with it any more.
      throw this.#options.settled ? error : this.#fail(error);
    } finally {
      if (place !== undefined) this.#places.release(place);
    }
  }

  async #call(
    method: string,
    url: string,
    options: RequestOptions,
    index: number,
  ): Promise<T> {
    const { map } = this.#options;
    if (map === undefined) {
      // Without `map`, T is Response.
      return await bufferedResponse(this.#client, method, url, options) as T;
    }
    const response = await this.#client.request(method, url, options);
    try {
      const result = await map(response, index);
      // What `map` has not read goes no further than its slot.
      if (!response.bodyUsed) discardResponse(response);
      return result;
    } catch (error) {
      // Nor what it has not read to its end, though it may still hold the reader.
      discardResponse(response);
      throw error;
    }
  }

  #parts(request: BatchRequest): {
    url: string;
    method: string;
    options: RequestOptions;
    own?: AbortSignal | undefined;
  } {
    if (typeof request === "string" || request instanceof URL) {
      return { url: String(request), method: "GET", options: this.#common };
    }
    if (
      typeof request !== "object" || request === null ||
      !(typeof request.url === "string" || request.url instanceof URL)
    ) {
      throw new TypeError(
        `requests must be addresses or { url, … }, got ${show(request)}`,
      );
    }
    const { url, method = "GET", signal: own, ...options } = request;
    return {
      url: String(url),
      method,
      options: { ...this.#common, ...options },
      own,
    };
  }
}

/** Never rejects. */
function outcome<T>(result: Promise<T>): Promise<PromiseSettledResult<T>> {
  return result.then(
    (value) => ({ status: "fulfilled", value }),
    (reason) => ({ status: "rejected", reason }),
  );
}
