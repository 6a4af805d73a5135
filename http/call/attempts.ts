/**
 * Attempt after attempt, until one is the answer or the retry policy gives up.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { sleep } from "../../_internal/sleep.ts";
import { authorize, keepToOrigin, refusesToken } from "./authorize.ts";
import type { Call } from "./call.ts";
import {
  finalError,
  isFinal,
  isPassing,
  noteReason,
  withFailures,
} from "./call_failure.ts";
import { afterResponse, ofHook, requestOf, takeRequest } from "./call_hooks.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import { Exchange } from "./exchange.ts";
import { readExcerpt, readWhole } from "./read_body.ts";
import { redactURL } from "../redact.ts";
import { decideRetry } from "../retry/retry_decision.ts";
import { breakerOf, mayHedge, send, sendHedged } from "./send.ts";
import { track } from "./tracked_response.ts";

/** What became of the first attempt. */
interface FirstAttempt {
  readonly exchange: Exchange | undefined;
  readonly error: unknown;
}

/**
 * The first attempt, and most often the only one: apart from the loop, whose many variables every
 * call would pay for.
 */
export async function firstAttempt(call: Call): Promise<Response> {
  const { retry, hooks, auth, hedge } = call.settings;
  const time = now();
  if (retry?.budget !== undefined) retry.budget.deposit(time);
  if (hooks !== undefined || auth !== undefined || hedge !== undefined) {
    return await attempts(call, undefined);
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
    return await attempts(call, { exchange: undefined, error });
  }
  return await attempts(call, { exchange, error: undefined });
}

/** Attempt after attempt, beginning with what became of the first. */
async function attempts(
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
      if (!renewed && refusesToken(exchange)) {
        renewed = true;
        exchange.discard();
        // refusesToken: there are both.
        authorize(call, await auth!.renew(call.token!, call.signal));
        // No failure of the network's: it takes no retry from the policy.
        attempt--;
        continue;
      }
      if (hooks?.afterResponse !== undefined) {
        asked = await afterResponse(call, hooks, exchange, attempt);
        response = exchange.response!; // as above
      }
      if (call.isAborted) throw call.reason;
      // Its time is up, while a hook took its own.
      if (exchange.isAborted) throw exchange.reason;
      if (!asked && retry?.retryOn !== undefined) {
        wanted = retry.retryOn({ attempt, response, method: call.method });
      }
      const isRetried = asked ||
        (wanted ?? retry?.retryStatuses.has(response.status) ?? false);
      if (!isRetried) {
        const finished = conclude(call, exchange, attempt);
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
      return await conclude(call, exchange, attempt);
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
      return await conclude(call, exchange!, attempt); // a response has its exchange
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
      keepToOrigin(call);
    }
    call.trace?.retried(call, failure, response?.status, delay);
    await sleep(delay, call.signal);
    previousDelay = delay;
  }
}

/** The response is the answer (only called with one): its body is read here, or handed out with it. */
export function conclude(
  call: Call,
  exchange: Exchange,
  attempt: number,
): Response | Promise<Response> {
  const { reader } = call;
  const response = exchange.response!; // as above
  const { bodyUsed, ok } = response;
  if (bodyUsed) {
    // A hook has read it: there is no end of the body left to wait for.
    if (reader === undefined) exchange.end();
    else if (ok) {
      exchange.discard();
      throw new TypeError(
        `The body of ${call.method} ${
          redactURL(call.url)
        } has been read already, by afterResponse or by what stands in for fetch; it should read response.clone()`,
      );
    }
  }
  if (reader === undefined) return track(exchange);
  return ok || reader === "buffer"
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
  // A hook's reader may still hold it.
  exchange.discard();
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
