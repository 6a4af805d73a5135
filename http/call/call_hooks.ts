/**
 * The hooks of a call: what they see of its request, what they make of it, and that none of them
 * holds the call longer than it lasts.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { timers } from "../../_internal/timer_queue.ts";
import { requestBody } from "../request/body.ts";
import type { Call } from "./call.ts";
import type { Exchange } from "./exchange.ts";
import { type HTTPHooks, type HTTPRequest, RETRY } from "../hooks.ts";
import { dropBody, handedOver, nativeBody } from "./native_body.ts";
import { headerRecord } from "../request/request.ts";
import { untilAbort } from "../../_internal/until_abort.ts";

/** The request as hooks see it. */
export function requestOf(call: Call): HTTPRequest {
  return call.request ??= {
    method: call.method,
    url: call.url,
    headers: new Headers(call.headers),
    body: call.body?.source,
  };
}

/** What hooks have made of the request. */
export function takeRequest(call: Call): void {
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

/**
 * What a hook gives, unless the call ends first: a hook may not listen to its signal. A response
 * that comes too late is dropped.
 */
export async function ofHook<T>(
  call: Call,
  result: T | PromiseLike<T>,
): Promise<T> {
  const value = isThenable(result)
    ? await untilAbort(result, call.signal, dropIfResponse)
    : result;
  if (call.isAborted) {
    dropIfResponse(value);
    throw call.reason;
  }
  return value;
}

function dropIfResponse(value: unknown): void {
  if (value instanceof Response) dropBody(value);
}

/**
 * What `beforeError` makes of `failure`, for which it has as long as an attempt. Who has aborted, or
 * whose total time is over, does not wait for it: then only what it gives at once counts.
 */
export function lastWord(
  call: Call,
  pending: PromiseLike<unknown>,
  failure: unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const subscription = call.isAborted
      ? undefined
      : onAbort(call.signal, (reason) => end(() => resolve(reason)));
    const limit = call.isAborted ? 0 : call.settings.attemptTimeout;
    const timer = limit === Infinity ? undefined : timers.add(now() + limit, {
      timeUp: () => end(() => resolve(failure)),
    });
    const end = (settle: () => void) => {
      subscription?.unsubscribe();
      if (timer !== undefined) timers.remove(timer);
      settle();
    };
    // What comes after the end settles nothing any more.
    pending.then(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
  });
}

export async function afterResponse(
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
    // The old body may be what the new one is made of, or be read by the hook still.
    if (nativeBody(result) !== response.body) dropBody(response);
    exchange.response = handedOver(result);
    exchange.isReplaced = true;
  }
  return false;
}
