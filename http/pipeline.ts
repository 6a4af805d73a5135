/**
 * What is done for a call, layer by layer. From the outside: the runner's slot, the total
 * timeout, hooks, retry, hedge; and for each attempt (exchange.ts) a connection, the circuit
 * breaker, the attempt's timeout, fetch. A layer that is not asked for is not passed through.
 *
 * @module
 */
import { onAbort } from "../_internal/abort.ts";
import { now } from "../_internal/clock.ts";
import { isThenable } from "../_internal/thenable.ts";
import { sleep } from "../_internal/sleep.ts";
import type { TaskRunner } from "../runner/types.ts";
import { requestBody } from "./body.ts";
import type { Call } from "./call.ts";
import type { CircuitBreaker } from "./circuit_breaker.ts";
import { isTransient } from "./classify.ts";
import { CircuitOpenError } from "./errors/circuit_open_error.ts";
import { HTTPStatusError } from "./errors/http_status_error.ts";
import { HTTPTimeoutError } from "./errors/http_timeout_error.ts";
import { InvalidRequestError } from "./errors/invalid_request_error.ts";
import { NetworkError } from "./errors/network_error.ts";
import { RedirectError } from "./errors/redirect_error.ts";
import { RetryError } from "./errors/retry_error.ts";
import { Exchange } from "./exchange.ts";
import { hedge } from "./hedge.ts";
import { type HTTPHooks, type HTTPRequest, RETRY } from "./hooks.ts";
import { type BodyKind, readExcerpt, readWhole } from "./read_body.ts";
import { redactURL } from "./redact.ts";
import { headerRecord } from "./request.ts";
import { decideRetry, explainNoRetry, type NoRetry } from "./retry_decision.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import { track } from "./tracked_response.ts";
import { untilAbort } from "./until_abort.ts";

/** Methods that a hedge may send twice where no retry policy says which. */
const HEDGED_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Makes the call, and tells how it ended. Not an async function itself, and passes through no
 * layer that is not asked for: each costs 0.3 us.
 */
export function perform(
  call: Call,
  resolve: (response: Response) => void,
  reject: (reason: unknown) => void,
): void {
  const { telemetry } = call.settings;
  if (telemetry === undefined) run(call, resolve, reject);
  else telemetry.within(call, () => run(call, resolve, reject));
}

function run(
  call: Call,
  resolve: (response: Response) => void,
  reject: (reason: unknown) => void,
): void {
  const { runner, hooks, auth } = call.settings;
  let work: Promise<Response>;
  try {
    call.listen();
    if (runner !== undefined) work = answerIn(runner, call);
    else if (hooks !== undefined || auth !== undefined) work = answer(call);
    else {
      call.startClock();
      work = attempts(call);
    }
  } catch (error) {
    work = Promise.reject(error);
  }
  work.then((response) => {
    call.trace?.succeeded(response);
    call.settled();
    resolve(response);
  }, (error) => {
    // An abort or the total timeout ends whatever was going on, and is the reason whatever failed.
    const failure = call.isAborted ? call.reason : error;
    call.trace?.failed(call, failure);
    if (hooks?.beforeError === undefined) {
      call.settled();
      reject(failure);
    } else fail(call, failure).then(reject, reject);
  });
}

/** What to reject with, when a hook may change it. */
async function fail(call: Call, failure: unknown): Promise<unknown> {
  try {
    // Only called with the hook.
    return await call.settings.hooks!.beforeError!({
      error: failure,
      request: requestOf(call),
    }) ?? failure;
  } finally {
    call.settled();
  }
}

/** In a slot of the runner's: the call waits there, and ends with its task. */
async function answerIn(runner: TaskRunner, call: Call): Promise<Response> {
  const { priority } = call.settings;
  // Again each time: others that waited too may have filled it since.
  while (runner.isFull) await runner.ready(call.signal);
  return await runner.submit((context) => {
    const subscription = onAbort(
      context.signal,
      (reason) => call.abort(reason),
    );
    return answer(call).finally(() => subscription.unsubscribe());
  }, {
    priority,
    signal: call.signal,
    name: `${call.method} ${redactURL(call.url)}`,
  });
}

async function answer(call: Call): Promise<Response> {
  const { hooks, auth } = call.settings;
  call.startClock();
  if (hooks?.beforeRequest !== undefined) {
    const instead = await ofHook(
      call,
      hooks.beforeRequest({ request: requestOf(call), signal: call.signal }),
    );
    if (instead instanceof Response) return await deliver(call, instead);
    takeRequest(call);
  }
  if (auth !== undefined && auth.appliesTo(call.url)) {
    const token = auth.token(call.signal);
    authorize(call, typeof token === "string" ? token : await token);
  }
  return await attempts(call);
}

/** What became of the first attempt. */
interface FirstAttempt {
  readonly exchange: Exchange | undefined;
  readonly error: unknown;
}

/**
 * The first attempt, and most often the only one: apart from the loop, whose many variables every
 * call would pay for.
 */
async function attempts(call: Call): Promise<Response> {
  const { retry, hooks, auth, hedge } = call.settings;
  const time = now();
  if (retry?.budget !== undefined) retry.budget.deposit(time);
  if (hooks !== undefined || auth !== undefined || hedge !== undefined) {
    return await furtherAttempts(call, undefined);
  }
  const exchange = new Exchange(call, 1);
  call.exchangeBegan(exchange);
  try {
    await send(exchange, breakerOf(call), time);
    const response = exchange.response!; // set when it was sent
    if (
      response.ok && (retry === undefined ||
        retry.retryOn === undefined &&
          !retry.retryStatuses.has(response.status)) &&
      !call.isAborted
    ) {
      return call.reader === undefined
        ? track(exchange)
        : await readWhole(exchange, response, call.reader);
    }
  } catch (error) {
    exchange.discard();
    return await furtherAttempts(call, { exchange: undefined, error });
  }
  return await furtherAttempts(call, { exchange, error: undefined });
}

/** Attempt after attempt, beginning with what became of the first. */
async function furtherAttempts(
  call: Call,
  begun: FirstAttempt | undefined,
): Promise<Response> {
  const { retry, hooks, auth } = call.settings;
  let first = begun;
  let previousDelay: number | undefined;
  let renewed = false;
  for (let attempt = 1;; attempt++) {
    const breaker = breakerOf(call);
    let exchange: Exchange | undefined;
    let error: unknown;
    let asked = false;
    let wanted: boolean | undefined;
    try {
      if (first !== undefined) {
        const { exchange: sent, error } = first;
        first = undefined;
        if (sent === undefined) throw error;
        exchange = sent;
      } else if (call.settings.hedge === undefined || !mayHedge(call)) {
        exchange = new Exchange(call, attempt);
        call.exchangeBegan(exchange);
        await send(exchange, breaker);
      } else exchange = await sendHedged(call, attempt, breaker);
      let response = exchange.response!; // set when it was sent
      if (
        response.status === 401 && auth?.renews && !renewed &&
        call.token !== undefined && call.body?.replayable !== false
      ) {
        renewed = true;
        exchange.discard();
        authorize(call, await auth.renew(call.token, call.signal));
        // No failure of the network's: it takes no retry from the policy.
        attempt--;
        continue;
      }
      if (hooks?.afterResponse !== undefined) {
        asked = await afterResponse(call, hooks, exchange, attempt);
        response = exchange.response!; // as above
      }
      if (call.isAborted) throw call.reason;
      if (!asked && retry?.retryOn !== undefined) {
        wanted = retry.retryOn({ attempt, response, method: call.method });
      }
      const isRetried = asked ||
        (wanted ?? retry?.retryStatuses.has(response.status) ?? false);
      if (!isRetried) {
        const finished = finish(call, exchange, attempt);
        return finished instanceof Promise ? await finished : finished;
      }
    } catch (caught) {
      exchange?.discard();
      exchange = undefined;
      error = caught;
    }
    if (call.isAborted) {
      exchange?.discard();
      throw call.reason;
    }
    if (retry === undefined) {
      if (exchange === undefined) throw error;
      return await finish(call, exchange, attempt);
    }
    if (exchange === undefined && isFinal(error)) {
      throw withFailures(call, error, attempt);
    }
    const response = exchange?.response;
    const budgetLeft = retry.budget === undefined ||
      retry.budget.available >= 1;
    const decision = decideRetry(retry, {
      attempt,
      method: call.method,
      status: response?.status,
      retryAfter: response?.headers.get("retry-after"),
      transient: response === undefined && isPassing(error),
      asked,
      wanted: response === undefined
        ? retry.retryOn?.({ attempt, error, method: call.method })
        : wanted,
      idempotencyKey: call.headers !== undefined &&
        "idempotency-key" in call.headers,
      replayable: call.body === undefined || call.body.replayable,
      budgetLeft,
      timeLeft: call.timeLeft,
      circuitOpenFor: breaker?.retryAfter ?? 0,
      previousDelay,
      random: retry.jitter === "none" ? 0 : Math.random(),
      wallClock: Date.now(),
    });
    if (!decision.retry) {
      const reason = noteReason(call, retry, decision.because);
      if (response === undefined) {
        throw finalError(call, error, attempt, reason, decision.because);
      }
      return await finish(call, exchange!, attempt); // a response has its exchange
    }
    retry.budget?.withdraw();
    const failure = response === undefined ? error : new HTTPStatusError({
      response,
      method: call.method,
      url: call.url,
    });
    exchange?.discard();
    (call.failures ??= []).push(failure);
    const { delay } = decision;
    if (hooks?.beforeRetry !== undefined) {
      const goesOn = await ofHook(
        call,
        hooks.beforeRetry({
          request: requestOf(call),
          signal: call.signal,
          attempt,
          error: failure,
          delay,
        }),
      );
      if (goesOn === false) {
        call.failures.pop();
        throw finalError(call, failure, attempt, "a hook ended it", "outcome");
      }
      takeRequest(call);
    }
    call.trace?.retried(call, failure, response?.status, delay);
    await sleep(delay, call.signal);
    previousDelay = delay;
  }
}

/** One request; within its span while somebody listens. */
function send(
  exchange: Exchange,
  breaker: CircuitBreaker | undefined,
  time?: number,
): Promise<void> {
  const { telemetry } = exchange.call.settings;
  return telemetry === undefined
    ? exchange.send(breaker, time)
    : telemetry.attempt(exchange, breaker, time);
}

/** One attempt, with another beside it when it is slow. */
function sendHedged(
  call: Call,
  attempt: number,
  breaker: CircuitBreaker | undefined,
): Promise<Exchange> {
  const { hedge: options, retry, connections } = call.settings;
  return hedge<Exchange>(async ({ signal }) => {
    const exchange = new Exchange(call, attempt);
    call.exchangeBegan(exchange);
    const subscription = onAbort(signal, (reason) => exchange.abort(reason));
    try {
      await send(exchange, breaker);
      return exchange;
    } finally {
      subscription.unsubscribe();
    }
  }, {
    ...options!, // only called with options
    signal: call.signal,
    accept: ({ response }) =>
      !(retry?.retryStatuses.has(response!.status) ?? response!.status >= 500), // sent: it has one
    // The first may hold the very connection that another would wait for, until all is too late.
    allow: () =>
      (connections?.hasRoom(call.origin()) ?? true) &&
      (retry?.budget?.withdraw() ?? true),
    discard: (exchange) => exchange.discard(),
  });
}

function mayHedge(call: Call): boolean {
  const methods = call.settings.retry?.retryMethods ?? HEDGED_METHODS;
  return call.body?.replayable !== false &&
    (methods.has(call.method) ||
      call.headers !== undefined && "idempotency-key" in call.headers);
}

function breakerOf(call: Call): CircuitBreaker | undefined {
  const { breaker, breakers } = call.settings;
  return breakers === undefined ? breaker : breakers.get(call.origin());
}

/** A failure that no policy can wish to try again. */
function isFinal(error: unknown): boolean {
  return error instanceof CircuitOpenError ||
    error instanceof InvalidRequestError || error instanceof RedirectError ||
    error instanceof HTTPStatusError;
}

/** A failure that may pass by itself. */
function isPassing(error: unknown): boolean {
  return error instanceof NetworkError
    ? isTransient(error)
    : error instanceof HTTPTimeoutError && error.kind !== "total";
}

/** The response is the answer (only called with one): its body is read here, or handed out with it. */
function finish(
  call: Call,
  exchange: Exchange,
  attempt: number,
): Response | Promise<Response> {
  const { bodyUsed, ok } = exchange.response!; // as above
  if (bodyUsed) {
    // A hook has read it: there is no end of the body left to wait for.
    if (call.reader === undefined) exchange.end();
    else if (ok) {
      throw new TypeError(
        `The body of ${call.method} ${
          redactURL(call.url)
        } has been read already, by afterResponse or by what stands in for fetch; it should read response.clone()`,
      );
    }
  }
  return call.reader === undefined
    ? track(exchange)
    : read(call, exchange, call.reader, attempt);
}

function read(
  call: Call,
  exchange: Exchange,
  reader: BodyKind,
  attempt: number,
): Promise<Response> {
  const response = exchange.response!; // only called with one
  return response.ok || reader === "buffer"
    ? readWhole(exchange, response, reader)
    : refuse(call, exchange, response, attempt);
}

async function refuse(
  call: Call,
  exchange: Exchange,
  response: Response,
  attempt: number,
): Promise<never> {
  const body = await readExcerpt(exchange, response);
  if (call.isAborted) throw call.reason;
  throw new HTTPStatusError({
    response,
    method: call.method,
    url: call.url,
    body,
    attempts: attempt,
    failures: call.failures ?? [],
    notRetried: call.notRetried,
  });
}

/** What a hook gives, unless the call ends first: a hook may not listen to its signal. */
async function ofHook<T>(call: Call, result: T | PromiseLike<T>): Promise<T> {
  const value = isThenable(result)
    ? await untilAbort(result, call.signal)
    : result;
  if (call.isAborted) throw call.reason;
  return value;
}

/** A response that did not come from the network: handed out, it holds nothing of the call's. */
async function deliver(call: Call, response: Response): Promise<Response> {
  if (call.reader === undefined) return response;
  const exchange = new Exchange(call, 1);
  call.exchangeBegan(exchange);
  exchange.response = response;
  return await finish(call, exchange, 1);
}

async function afterResponse(
  call: Call,
  hooks: HTTPHooks,
  exchange: Exchange,
  attempt: number,
): Promise<boolean> {
  const response = exchange.response!; // only called with one
  const result = await ofHook(
    call,
    hooks.afterResponse!({ // only called with the hook
      request: requestOf(call),
      response,
      signal: call.signal,
      attempt,
      retry: RETRY,
    }),
  );
  if (result === RETRY) return true;
  if (result instanceof Response && result !== response) {
    // The old body may be what the new one is made of, so it is left to its reader.
    if (!response.bodyUsed && !response.body?.locked) {
      response.body?.cancel().catch(() => {});
    }
    exchange.response = result;
  }
  return false;
}

function authorize(call: Call, token: string): void {
  call.token = token;
  const authorization = call.settings.auth!.header(token); // only called with it
  call.headers = { ...call.headers, authorization };
  // What hooks see is what they leave to be sent.
  call.request?.headers.set("authorization", authorization);
}

/** The request as hooks see it. */
function requestOf(call: Call): HTTPRequest {
  return call.request ??= {
    method: call.method,
    url: call.url,
    headers: new Headers(call.headers),
    body: call.body?.source,
  };
}

/** What hooks have made of the request. */
function takeRequest(call: Call): void {
  const { request } = call;
  if (request === undefined) return;
  call.method = request.method.toUpperCase();
  if (request.url !== call.url) {
    call.url = String(request.url);
    call.forgetOrigin();
  }
  call.headers = headerRecord(request.headers);
  if (request.body !== call.body?.source) {
    call.body = request.body === undefined
      ? undefined
      : requestBody(request.body);
  }
}

/** The reason for an outcome that looks worth a retry and gets none. */
function noteReason(
  call: Call,
  retry: RetryPolicy,
  because: NoRetry,
): string {
  const reason = explainNoRetry(because, retry, call.method);
  if (because !== "outcome" && because !== "attempts") call.notRetried = reason;
  return reason;
}

function finalError(
  call: Call,
  error: unknown,
  attempt: number,
  reason: string,
  because: NoRetry,
): unknown {
  if (call.failures !== undefined) {
    return new RetryError(
      `${call.method} ${redactURL(call.url)}`,
      [...call.failures, error],
      reason,
    );
  }
  if (because === "outcome" || because === "attempts" || attempt > 1) {
    return error;
  }
  return amended(error, `Not retried: ${reason}.`);
}

/** Says more in the message of an error that this client made. */
function amended(error: unknown, text: string): unknown {
  if (error instanceof NetworkError || error instanceof HTTPTimeoutError) {
    const { message } = error;
    error.message = `${message} ${text}`;
    // The stack was written with the old message.
    if (error.stack !== undefined) {
      error.stack = error.stack.replace(message, () => error.message);
    }
  }
  return error;
}

function withFailures(call: Call, error: unknown, attempt: number): unknown {
  if (call.failures === undefined || attempt === 1) return error;
  if (error instanceof CircuitOpenError || error instanceof HTTPStatusError) {
    error.cause ??= call.failures.at(-1);
    return error;
  }
  return new RetryError(
    `${call.method} ${redactURL(call.url)}`,
    [...call.failures, error],
    "a failure of this kind is not retried",
  );
}
