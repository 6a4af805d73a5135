/**
 * One attempt: a place among the connections, the circuit breaker's leave, fetch and its
 * redirects, and the response until its body has ended.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  idleTimers,
  type TimerEntry,
  type TimerQueue,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
import { bodyForAttempt, type RequestBody } from "../request/body.ts";
import type { Call } from "./call.ts";
import {
  type CircuitBreaker,
  saysNothing,
} from "../breaker/circuit_breaker.ts";
import { bodyError, classifyFetchError } from "./classify.ts";
import type { HostConnections } from "./connections.ts";
import { InvalidRequestError } from "../errors/invalid_request_error.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import { NetworkError } from "../errors/network_error.ts";
import { ResponseTooLargeError } from "../errors/response_too_large_error.ts";
import type { AttemptTrace } from "./telemetry.ts";
import { IdleWatch } from "./idle_watch.ts";
import { dropBody, handedOver, nativeBody } from "./native_body.ts";
import { isStreamed, OutgoingStream } from "../request/outgoing_stream.ts";
import { nextRequest } from "./redirects.ts";
import { type BodySource, originOf } from "../request/request.ts";
import { untilAbort } from "../../_internal/until_abort.ts";

/**
 * One attempt and its response.
 *
 * States: begun, then headers (`response` set), then ended. Whatever it holds (a connection's
 * place, the breaker's permit, a timer) is given back by `end`, once, on every path: a failure,
 * an abort, the body's end, its cancel. `abort` only makes fetch or the body fail, which leads
 * to `end`. The socket goes with the bodies: the response's is read to its end, cancelled or
 * aborted, and the request's is not sent on to a server that has refused it or to which nobody
 * listens.
 */
export class Exchange implements TimerTarget {
  readonly call: Call;
  readonly attempt: number;
  readonly #controller = new AbortController();
  #slot: HostConnections | undefined;
  #timer: TimerEntry | undefined;
  #queue: TimerQueue;
  #handedOut = false;
  #idle: IdleWatch | undefined;
  #reader: ReadableStreamDefaultReader | undefined;
  #outgoing: OutgoingStream | undefined;
  /** Ends the wait for a function in fetch's place. */
  #giveUp: ((reason: unknown) => void) | undefined;
  /** True when everything has been given back. */
  ended = false;
  /** True while the caller's function makes the body: what goes wrong then is not the server's. */
  #makesBody = false;
  /** True once it was made to stop; `reason` is why. */
  isAborted = false;
  /** Why it was made to stop. */
  reason: unknown;
  /** The response, once its headers have come. */
  response: Response | undefined;
  /** The address that answered, after redirects. */
  url: string;
  /** True when a hook has put another response in the place of fetch's. */
  isReplaced = false;
  /** True once a redirect has led to another origin, and the secrets have been left behind. */
  leftOrigin = false;
  /** Its span, while somebody listens. */
  trace: AttemptTrace | undefined;

  constructor(call: Call, attempt: number) {
    this.call = call;
    this.attempt = attempt;
    this.url = call.url;
    // The runtime's own fetch keeps the process alive while it is pending; another may not.
    this.#queue = call.settings.fetch === undefined
      ? call.settings.timers
      : timers;
  }

  /** The signal that fetch is given. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Makes it fail with `reason`, wherever it is. */
  abort(reason: unknown): void {
    if (this.isAborted || this.ended) return;
    this.isAborted = true;
    this.reason = reason;
    this.#controller.abort(reason);
    this.#giveUp?.(reason);
    this.#outgoing?.stop(reason);
    // The cancel ends a body that does not listen to the signal, and the read of it.
    if (this.#reader !== undefined) this.#reader.cancel(reason).catch(() => {});
    else if (this.response !== undefined && this.isForeign) {
      nativeBody(this.response)?.cancel(reason).catch(() => {});
    }
    // Of a response that was handed out and that nobody reads, nobody would see the failure.
    if (this.#handedOut) this.end();
  }

  /** Whoever reads the body by `reader` is woken by an abort, and looks at `isAborted`. */
  readBy(reader: ReadableStreamDefaultReader): void {
    this.#reader = reader;
    if (this.isAborted) reader.cancel(this.reason).catch(() => {});
  }

  /** True when the response may be of anybody's making: of a function in fetch's place, of a hook. */
  get isForeign(): boolean {
    return this.isReplaced || this.call.settings.fetch !== undefined;
  }

  /** The attempt's time limit has come. */
  timeUp(): void {
    this.#timer = undefined;
    const { method, url, settings } = this.call;
    this.abort(
      new HTTPTimeoutError(
        method,
        url,
        "attempt",
        settings.attemptTimeout,
        this.response !== undefined
          ? "within the response body"
          : "before the response",
      ),
    );
  }

  /** Gives everything back. Harmless when repeated. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.stopAttemptTimer();
    this.#idle?.stop();
    if (!this.response?.ok) this.#outgoing?.stop(OVER);
    if (this.#slot !== undefined) {
      // Ended is set: nothing reaches the slot any more, so it is given back once.
      this.call.settings.connections?.release(this.#slot);
      this.#slot = undefined;
    }
    this.trace?.end(this);
    this.call.exchangeEnded(this);
  }

  /**
   * Sends the request; resolves once `response` has its headers. `time` is the present. One async function, not one for
   * each layer: every one costs 0.3 us of a request that takes 36.
   */
  async send(
    breaker: CircuitBreaker | undefined,
    time: number = now(),
  ): Promise<void> {
    const { call } = this;
    const { connections, attemptTimeout } = call.settings;
    let permit = 0;
    let entered = false;
    let startedAt = time;
    try {
      if (this.isAborted) throw this.reason;
      if (connections !== undefined) {
        const origin = call.origin();
        this.#slot = connections.tryAcquire(origin);
        if (this.#slot === undefined) {
          // Asked before the wait too: an open circuit is no reason to queue.
          if (breaker !== undefined) breaker.abandon(breaker.enter());
          await this.#waitForSlot(origin);
          startedAt = now();
        }
      }
      if (breaker !== undefined) {
        permit = breaker.enter();
        entered = true;
      }
      if (attemptTimeout !== Infinity) {
        this.#timer = this.#queue.add(startedAt + attemptTimeout, this);
      }
      const init = this.#init();
      if (call.body !== undefined) {
        const made = this.#body(call.body);
        this.#setBody(init, made instanceof Promise ? await made : made);
      }
      this.response = await this.#fetch(call.url, init);
      if (call.followsRedirects && isRedirect(this.response.status)) {
        await this.#follow(this.response, init);
      }
    } catch (error) {
      const failure = this.failureOf(error);
      this.trace?.failed(failure);
      if (entered) {
        // Somebody has given up, or nothing was sent: no failure of the server's.
        const isNone = (this.isAborted &&
          !(this.reason instanceof HTTPTimeoutError)) ||
          this.#makesBody || saysNothing(failure);
        if (isNone) breaker!.abandon(permit); // entered: there is one
        else this.#report(breaker!, permit, failure); // as above
      }
      this.end();
      throw failure;
    }
    // The body is not waited for: the server has answered.
    if (entered) this.#report(breaker!, permit, this.response); // entered: there is one
  }

  /** Tells the breaker how it went: the response, or what it failed with. */
  #report(breaker: CircuitBreaker, permit: number, outcome: unknown): void {
    let failed: boolean;
    try {
      failed = breaker.isFailure(outcome);
    } catch (error) {
      breaker.abandon(permit);
      this.discard();
      throw error;
    }
    if (failed) breaker.fail(permit);
    else if (outcome instanceof Response) breaker.succeed(permit);
    else breaker.abandon(permit);
  }

  /** What to show for an error of fetch: the reason of our own abort stands above all. */
  failureOf(error: unknown): unknown {
    if (this.isAborted) return this.reason;
    return classifyFetchError(error, this.call.method, this.url);
  }

  /** What to show for an error while the body was read. */
  bodyFailureOf(error: unknown): unknown {
    // Dropped because of this very error, it keeps that.
    if (this.isAborted && this.reason !== DISCARDED) return this.reason;
    // Told once, by whoever reads the chunks.
    const failure = error instanceof ResponseTooLargeError ||
        error instanceof NetworkError && error.failure === "body"
      ? error
      : bodyError(error, this.call.method, this.url);
    this.trace?.failed(failure);
    return failure;
  }

  /** Drops the response's body without waiting for it, and gives everything back. */
  discard(): void {
    const body = this.response === undefined ? null : nativeBody(this.response);
    // Cut off by its cancel, however long it is; one that is being read, by the abort.
    if (body?.locked) this.abort(DISCARDED);
    else body?.cancel().catch(() => {});
    this.#outgoing?.stop(DISCARDED);
    this.end();
  }

  /** The response is handed out: whether its body is read is the caller's affair now. */
  handOut(): void {
    this.#handedOut = true;
    if (this.#timer === undefined || this.#queue !== timers) return;
    // Moved to the timers that let the process end: nobody may be waiting any more.
    const { time } = this.#timer;
    this.stopAttemptTimer();
    this.#queue = idleTimers;
    this.#timer = idleTimers.add(time, this);
  }

  /** The attempt's limit ends here: the body is taken as a stream. */
  stopAttemptTimer(): void {
    if (this.#timer === undefined) return;
    this.#queue.remove(this.#timer);
    this.#timer = undefined;
  }

  /** Watches the silence within the body, if there is a limit. */
  watchIdle(): IdleWatch | undefined {
    const { idleTimeout } = this.call.settings;
    if (idleTimeout === Infinity || this.ended) return undefined;
    return this.#idle ??= new IdleWatch(this, idleTimeout);
  }

  async #waitForSlot(origin: string): Promise<void> {
    const { connections } = this.call.settings;
    const slot = await connections!.acquire(origin, this.signal); // only called with a limit
    // Granted and aborted in the same turn: the place goes on to the next.
    if (this.ended) connections!.release(slot);
    else this.#slot = slot;
    this.signal.throwIfAborted();
  }

  #init(): FetchInit {
    const { call } = this;
    const init: FetchInit = {
      method: call.method,
      redirect: call.redirect,
      signal: this.#controller.signal,
    };
    if (call.headers !== undefined) init.headers = call.headers;
    if (call.dispatcher !== undefined) init.client = call.dispatcher;
    return call.init === undefined ? init : { ...call.init, ...init };
  }

  /** The body for this attempt; one that is made too late is closed. */
  #body(body: RequestBody): BodySource | Promise<BodySource> {
    this.#makesBody = true;
    const made = bodyForAttempt(body, this.attempt);
    return made instanceof Promise
      ? untilAbort(made, this.signal, (late) => {
        if (isStreamed(late)) new OutgoingStream(late, true).stop(this.reason);
      })
      : made;
  }

  #setBody(init: FetchInit, body: BodySource): void {
    this.#makesBody = false;
    if (!isStreamed(body)) {
      init.body = body;
      return;
    }
    const isOwn = this.call.settings.fetch !== undefined;
    this.#outgoing = new OutgoingStream(body, isOwn);
    init.body = this.#outgoing.readable;
    // Node demands it of a stream; Deno's type does not know it.
    (init as { duplex?: string }).duplex = "half";
  }

  async #follow(first: Response, init: FetchInit): Promise<void> {
    const { call } = this;
    let response = first;
    for (let count = 0; isRedirect(response.status); count++) {
      const location = response.headers.get("location");
      if (location === null) return;
      dropBody(response);
      this.#outgoing?.stop(OVER);
      this.#outgoing = undefined;
      const next = nextRequest(call, this.url, init, {
        status: response.status,
        location,
        count,
      });
      if (originOf(this.url) !== originOf(next.url)) {
        this.leftOrigin = true;
        await this.#changeHost(next.url);
      }
      if (next.resend && call.body !== undefined) {
        const made = this.#body(call.body);
        this.#setBody(init, made instanceof Promise ? await made : made);
      }
      this.url = next.url;
      this.response = response = await this.#fetch(next.url, init);
      Object.defineProperty(response, "redirected", { value: true });
    }
  }

  async #changeHost(to: string): Promise<void> {
    const { connections } = this.call.settings;
    if (connections === undefined || this.#slot === undefined) return;
    connections.release(this.#slot);
    this.#slot = undefined;
    await this.#waitForSlot(originOf(to));
  }

  /**
   * A function in fetch's place may not listen to the signal (its result is dropped then), and may
   * give anything. This wait hears of an abort directly: a listener on the signal costs 1 us of the
   * 12 that such a call takes.
   */
  #fetch(url: string, init: FetchInit): Promise<Response> {
    const { fetch: own } = this.call.settings;
    if (own === undefined) return fetch(url, init);
    const pending: unknown = own(url, init);
    return new Promise((resolve, reject) => {
      if (this.isAborted) reject(this.reason);
      this.#giveUp = reject;
      const take = (response: unknown) => {
        this.#giveUp = undefined;
        if (this.isAborted && response instanceof Response) {
          dropBody(response);
          return;
        }
        try {
          if (!(response instanceof Response)) {
            throw new InvalidRequestError(
              init.method ?? "GET",
              url,
              `the function given as fetch must return a promise of a Response, got ${
                show(response)
              }`,
            );
          }
          resolve(handedOver(response));
        } catch (error) {
          reject(error);
        }
      };
      if (isThenable(pending)) pending.then(take, reject);
      else take(pending);
    });
  }
}

type FetchInit = RequestInit & { client?: Deno.HttpClient };

/** The reason that the source of a body is closed with, of which no more is wanted. */
const OVER = new DOMException("The request is over.", "AbortError");

/** Never seen outside: the exchange's response has been dropped. */
const DISCARDED = new DOMException("The response was dropped.", "AbortError");

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 ||
    status === 307 || status === 308;
}
