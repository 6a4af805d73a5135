/**
 * One run through a batch: reads requests ahead as far as it may, sends them, hands out results.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { show } from "../../_internal/validate.ts";
import { Ring } from "../../_internal/ring.ts";
import type { TaskContext } from "../../runner/types.ts";
import { asTask } from "../call/as_task.ts";
import type { BatchRequest, BatchRequestOptions } from "./options.ts";
import {
  addressOf,
  type AsyncHTTPClient,
  bufferedResponse,
} from "../client.ts";
import { Connections } from "../call/connections.ts";
import type { RequestOptions } from "../options.ts";
import { redactURL } from "../redact.ts";
import { originOf } from "../request/request.ts";
import { discardResponse } from "../call/tracked_response.ts";

/** How far beyond `maxConcurrent` requests are read, so that fairness has something to choose from. */
const AHEAD_FACTOR = 8;
const LEAST_AHEAD = 64;

/** Reason of the internal abort: the run is over. */
const OVER = new DOMException("The batch has ended.", "AbortError");

/** One run. */
export class BatchRun<T> {
  // Invariant: #outstanding is the number of requests that were read from the source and whose
  // result has not been handed out; it never exceeds #window. Each of them is in #inOrder (a
  // promise that never rejects) or, unordered, in flight or in #done. After #stop nothing is read
  // or sent any more, and `results` ends only when everything in flight has ended.
  readonly #source: AsyncIterator<BatchRequest> | Iterator<BatchRequest>;
  readonly #options: BatchRequestOptions<T>;
  readonly #client: AsyncHTTPClient;
  readonly #places: Connections;
  readonly #window: number;
  readonly #ordered: boolean;
  readonly #inOrder = new Ring<Promise<PromiseSettledResult<T>>>();
  readonly #done = new Ring<PromiseSettledResult<T>>();
  readonly #flying = new Set<Promise<PromiseSettledResult<T>>>();
  readonly #controller = new AbortController();
  #outstanding = 0;
  #index = 0;
  #ended = false;
  #isReading = false;
  #failure: { error: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeConsumer: (() => void) | undefined;

  constructor(
    requests: Iterable<BatchRequest> | AsyncIterable<BatchRequest>,
    options: BatchRequestOptions<T>,
    client: AsyncHTTPClient,
    maxConcurrent: number,
    maxPerHost: number,
  ) {
    this.#source = Symbol.asyncIterator in requests
      ? requests[Symbol.asyncIterator]()
      : requests[Symbol.iterator]();
    this.#options = options;
    this.#client = client;
    this.#places = new Connections(maxConcurrent, maxPerHost);
    this.#window = maxConcurrent === Infinity
      ? LEAST_AHEAD * AHEAD_FACTOR
      : Math.max(LEAST_AHEAD, maxConcurrent * AHEAD_FACTOR);
    this.#ordered = options.ordered ?? true;
  }

  /** The results. */
  async *results(): AsyncGenerator<
    T | PromiseSettledResult<T>,
    void,
    void
  > {
    const { signal, settled = false } = this.#options;
    if (signal?.aborted) {
      await this.#closeSource();
      throw signal.reason;
    }
    const subscription = signal && onAbort(signal, (reason) => {
      this.#fail(reason);
    });
    const reading = this.#read();
    try {
      for (;;) {
        this.#throwFailure();
        const result = await this.#next();
        this.#throwFailure();
        if (result === undefined) return;
        this.#outstanding--;
        this.#wakeReader?.();
        if (settled) yield result;
        else if (result.status === "fulfilled") yield result.value;
        else throw result.reason;
      }
    } finally {
      subscription?.unsubscribe();
      this.#stop();
      await Promise.all(this.#flying);
      // A source whose next() is pending is closed when it wakes; it is not waited for.
      if (this.#isReading) reading.catch(() => {});
      else await reading;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #next(): Promise<PromiseSettledResult<T> | undefined> {
    for (;;) {
      if (this.#ordered) {
        if (this.#inOrder.size > 0) return await this.#inOrder.shift();
      } else if (this.#done.size > 0) return this.#done.shift();
      if (this.#failure !== undefined) return undefined;
      if (this.#ended && this.#flying.size === 0) return undefined;
      await new Promise<void>((resolve) => this.#wakeConsumer = resolve);
    }
  }

  /** Reads the source as far ahead as it may, until it ends or the run stops. */
  async #read(): Promise<void> {
    const { signal } = this.#controller;
    try {
      while (!signal.aborted) {
        if (this.#outstanding >= this.#window) {
          await new Promise<void>((resolve) => this.#wakeReader = resolve);
          continue;
        }
        const { runner } = this.#options;
        if (runner && runner.isFull) await runner.ready(signal);
        this.#isReading = true;
        const { done, value } = await this.#source.next();
        this.#isReading = false;
        if (done) {
          this.#ended = true;
          this.#wakeConsumer?.();
          return;
        }
        if (!signal.aborted) this.#begin(value);
      }
      await this.#closeSource();
    } catch (error) {
      if (this.#isReading) {
        // The source has failed, which ends it.
        this.#isReading = false;
        this.#ended = true;
      }
      if (!signal.aborted) this.#fail(error);
      // Where the wait for the runner was cut short, the source is still open.
      await this.#closeSource().catch(() => {});
    }
  }

  #begin(request: BatchRequest): void {
    const index = this.#index++;
    this.#outstanding++;
    const result = this.#settle(request, index);
    this.#flying.add(result);
    if (this.#ordered) this.#inOrder.push(result);
    result.then((result) => this.#finished(result));
    result.finally(() => this.#flying.delete(result));
    this.#wakeConsumer?.();
  }

  #finished(result: PromiseSettledResult<T>): void {
    if (!this.#ordered) this.#done.push(result);
    if (result.status === "rejected" && !(this.#options.settled ?? false)) {
      this.#fail(result.reason);
    }
    // After `flying` has forgotten it, which the consumer looks at.
    queueMicrotask(() => this.#wakeConsumer?.());
  }

  /** Never rejects. */
  async #settle(
    request: BatchRequest,
    index: number,
  ): Promise<PromiseSettledResult<T>> {
    try {
      return { status: "fulfilled", value: await this.#send(request, index) };
    } catch (reason) {
      return { status: "rejected", reason };
    }
  }

  async #send(request: BatchRequest, index: number): Promise<T> {
    const { url, method, options, own } = this.#parts(request);
    const { signal } = this.#controller;
    const host = originOf(addressOf(this.#client, url));
    const place = this.#places.tryAcquire(host) ??
      await this.#places.acquire(host, signal);
    try {
      const { runner, priority } = this.#options;
      // Again each time: others may have filled it since, or while this one waited for its place.
      while (runner && runner.isFull) await runner.ready(signal);
      const call = (signal: AbortSignal) =>
        this.#call(method, url, {
          ...options,
          signal: own === undefined ? signal : AbortSignal.any([own, signal]),
        }, index);
      if (!runner) return await call(signal);
      const name = `${method} ${redactURL(url)}`;
      return await asTask(
        (work) => runner.submit(work, { priority, signal, key: host, name }),
        // The task may be ended for itself: its signal stands for the batch's.
        (context: TaskContext) => call(context.signal),
      );
    } catch (error) {
      // Before the place is given back: nobody is to begin with it any more.
      if (!(this.#options.settled ?? false)) this.#fail(error);
      throw error;
    } finally {
      this.#places.release(place);
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
    own: AbortSignal | undefined;
  } {
    const {
      client: _client,
      maxConcurrent: _maxConcurrent,
      maxPerHost: _maxPerHost,
      settled: _settled,
      ordered: _ordered,
      map: _map,
      runner,
      ...shared
    } = this.#options;
    // The batch itself queues in its runner: its calls do not once more.
    const common = {
      ...shared,
      ...(runner ? { runner: false as const } : undefined),
    };
    if (typeof request === "string" || request instanceof URL) {
      return {
        url: String(request),
        method: "GET",
        options: common,
        own: undefined,
      };
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
      options: { ...common, ...options },
      own,
    };
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#controller.abort(error);
    this.#wakeReader?.();
    this.#wakeConsumer?.();
  }

  #stop(): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(OVER);
    this.#wakeReader?.();
  }

  async #closeSource(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#source.return?.();
    }
  }
}
