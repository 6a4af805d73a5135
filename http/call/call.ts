/**
 * One call of a client: its state from the first moment until its response's body has ended; and
 * the calls of a client that are open. What is done meanwhile is told in pipeline.ts.
 *
 * @module
 */
import {
  type AbortSubscription,
  type AbortTarget,
  subscribeAbort,
} from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import {
  idleTimers,
  type TimerEntry,
  type TimerQueue,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
import type { RequestBody } from "../request/body.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import type { HTTPRequest } from "../hooks.ts";
import type { CallTrace } from "./telemetry.ts";
import type { Settings } from "./settings.ts";
import { type HeaderRecord, originOf } from "../request/request.ts";

/** What a body can be read as. */
export type BodyKind = "json" | "text" | "bytes" | "blob" | "buffer";

/** What a call is made of. */
export interface CallParts {
  readonly method: string;
  readonly url: string;
  readonly settings: Settings;
  readonly headers: HeaderRecord | undefined;
  readonly body: RequestBody | undefined;
  readonly init: RequestInit | undefined;
  readonly dispatcher: Deno.HttpClient | undefined;
  readonly signal: AbortSignal | undefined;
}

/** An attempt that is under way, as its call sees it. */
export interface OpenExchange {
  /** Makes fetch or the body fail, which ends it. */
  abort(reason: unknown): void;
}

/** False in browsers, which let nobody see a redirect and have no node:http. */
export const IS_SERVER: boolean = typeof Deno !== "undefined" ||
  (globalThis as { process?: { versions?: { node?: string } } }).process
      ?.versions?.node !== undefined;

/**
 * One call.
 *
 * States: begun, settled (the promise has its value or error), over (settled, and no exchange is
 * open). The total timer and the listeners on signals last until it is over, so that they cover
 * the body; `#finish` takes them away, once. `abort` is possible until then and reaches whatever
 * is going on: a wait (through `signal`) and every open exchange.
 */
export class Call implements AbortTarget, TimerTarget {
  method: string;
  url: string;
  headers: HeaderRecord | undefined;
  body: RequestBody | undefined;
  readonly settings: Settings;
  readonly init: RequestInit | undefined;
  readonly dispatcher: Deno.HttpClient | undefined;
  /** How fetch is told to treat redirects. */
  readonly redirect: RequestRedirect;
  /** True when they are followed here, by the rules of redirects.ts. */
  readonly followsRedirects: boolean;
  /** Set by whoever asks for the body before the response is there: it is read in the attempt. */
  reader: BodyKind | undefined;
  /** What `reader` has read. */
  value: unknown;
  /** True once it was made to stop. */
  isAborted = false;
  /** Why it was made to stop. */
  reason: unknown;
  /** What went wrong in the attempts so far. */
  failures: unknown[] | undefined;
  /** Why a response that looks worth a retry was not retried. */
  notRetried: string | undefined;
  /** As hooks see the request. */
  request: HTTPRequest | undefined;
  /** The token that the present attempt is sent with. */
  token: string | undefined;
  /** Its span, while somebody listens. */
  trace: CallTrace | undefined;
  readonly #calls: OpenCalls;
  readonly #ownSignal: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #subscription: AbortSubscription | undefined;
  #clientSubscription: AbortSubscription | undefined;
  #timer: TimerEntry | undefined;
  #timerQueue: TimerQueue = timers;
  #deadline = Infinity;
  #exchange: OpenExchange | undefined;
  #others: Set<OpenExchange> | undefined;
  /** True once the promise has its value or its error. */
  isSettled = false;
  #over = false;
  #origin: string | undefined;

  constructor(parts: CallParts, calls: OpenCalls) {
    this.method = parts.method;
    this.url = parts.url;
    this.settings = parts.settings;
    this.headers = parts.headers;
    this.body = parts.body;
    this.init = parts.init;
    this.dispatcher = parts.dispatcher;
    const redirect = parts.init?.redirect;
    this.followsRedirects = IS_SERVER &&
      (redirect === undefined || redirect === "follow");
    this.redirect = this.followsRedirects ? "manual" : redirect ?? "follow";
    this.#ownSignal = parts.signal;
    this.#calls = calls;
  }

  /** Aborts with the call; made when somebody needs it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.isAborted) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  /** Milliseconds until the total timeout. */
  get timeLeft(): number {
    return this.#deadline === Infinity ? Infinity : this.#deadline - now();
  }

  /** The origin that is asked first. */
  origin(): string {
    return this.#origin ??= originOf(this.url);
  }

  /** The address has changed. */
  forgetOrigin(): void {
    this.#origin = undefined;
  }

  /** Listens to the signals; throws the reason of one that has aborted already. */
  listen(): void {
    const own = this.#ownSignal;
    const client = this.settings.signal;
    if (own?.aborted) throw own.reason;
    if (client?.aborted) throw client.reason;
    if (own !== undefined) this.#subscription = subscribeAbort(own, this);
    if (client !== undefined) {
      this.#clientSubscription = subscribeAbort(client, this);
    }
    this.#calls.add(this);
  }

  /** The total timeout begins to run. */
  startClock(): void {
    const { totalTimeout } = this.settings;
    if (totalTimeout === Infinity) return;
    this.#deadline = now() + totalTimeout;
    this.#timer = timers.add(this.#deadline, this);
  }

  /** Ends the call with `reason`, wherever it is. */
  abort(reason: unknown): void {
    if (this.isAborted || this.#over) return;
    this.isAborted = true;
    this.reason = reason;
    this.#controller?.abort(reason);
    // A copy: what ends leaves the set.
    const exchanges = [this.#exchange, ...(this.#others ?? [])];
    for (const exchange of exchanges) exchange?.abort(reason);
  }

  /** A signal has aborted. */
  aborted(reason: unknown): void {
    this.abort(reason);
  }

  /** The total timeout has come. */
  timeUp(): void {
    this.#timer = undefined;
    const failures = this.failures ?? [];
    const error = new HTTPTimeoutError(
      this.method,
      this.url,
      "total",
      this.settings.totalTimeout,
      this.isSettled
        ? "within the response body"
        : failures.length === 0
        ? "in the first attempt"
        : `after ${failures.length} failed attempts`,
      failures.length === 0 ? undefined : { cause: failures.at(-1) },
    );
    error.failures = failures;
    this.abort(error);
  }

  /** An exchange begins; after an abort, in the moment before anybody looked, only to end. */
  exchangeBegan(exchange: OpenExchange): void {
    if (this.isAborted) exchange.abort(this.reason);
    if (this.#exchange === undefined) this.#exchange = exchange;
    else (this.#others ??= new Set()).add(exchange);
  }

  /** An exchange has given back what it held. */
  exchangeEnded(exchange: OpenExchange): void {
    if (this.#exchange === exchange) this.#exchange = undefined;
    else this.#others?.delete(exchange);
    if (this.isSettled) this.#finishIfOver();
  }

  /** The promise has its value or its error. */
  settled(): void {
    this.isSettled = true;
    if (this.#timer !== undefined && this.#exchange !== undefined) {
      // Whether the body is read is the caller's affair now: no reason to keep the process alive.
      const { time } = this.#timer;
      timers.remove(this.#timer);
      this.#timerQueue = idleTimers;
      this.#timer = idleTimers.add(time, this);
    }
    this.#finishIfOver();
  }

  #finishIfOver(): void {
    if (this.#exchange !== undefined || (this.#others?.size ?? 0) > 0) return;
    this.#over = true;
    if (this.#timer !== undefined) this.#timerQueue.remove(this.#timer);
    this.#timer = undefined;
    this.#subscription?.unsubscribe();
    this.#clientSubscription?.unsubscribe();
    this.#calls.delete(this);
    this.trace?.end();
  }
}

/** The calls of a client that have not ended, and word of the end of the last. */
export class OpenCalls extends Set<Call> {
  // Invariant: #empty is there exactly while somebody waits and there are calls.
  #empty: PromiseWithResolvers<void> | undefined;

  /** One has ended. */
  override delete(call: Call): boolean {
    const isOne = super.delete(call);
    if (this.size === 0) {
      this.#empty?.resolve();
      this.#empty = undefined;
    }
    return isOne;
  }

  /** Resolves when there is none. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return (this.#empty ??= withResolvers()).promise;
  }
}
