/**
 * A call from `client.get()` to the end of its body. A layer that is not asked for is not passed
 * through.
 *
 * 1. `AsyncHTTPClient` prepares a `Call` of the checked options (client.ts, `#prepare`) and returns
 *    its promise (response_promise.ts, `promiseOf`). The `Call` (call.ts) lives until all is over. It
 *    owns the listeners on signals, the total timeout and its entry among the client's open calls.
 * 2. `perform` (here) opens the call's span, listens, and alone settles the promise.
 *    Before the request is sent, `inSlot` waits for a slot of the runner, which is held until there
 *    is a response, and `beginRequest` starts the total timeout, shows the request to the hook and
 *    puts the credentials in. A hook that has an answer itself leads to `answerInstead`.
 * 3. `firstAttempt`, and `attempts` after it (attempts.ts), own what the attempts have in common:
 *    what failed so far, whether to try again, and when. An attempt is one `Exchange`, or several
 *    side by side of which one is chosen (send.ts, `sendHedged`).
 * 4. `send` (send.ts) opens the attempt's span, and `Exchange.send` (exchange.ts) takes a
 *    connection's place, asks the circuit breaker, starts the attempt's timeout, makes the body,
 *    fetches and follows redirects. It owns all of these, and whatever becomes of it, its `end` or
 *    `discard` gives them back.
 * 5. `conclude` (attempts.ts) has the response that is the answer. Where a reader of the promise was
 *    called, it reads the body within the attempt (`readWhole` in read_body.ts), or `refuse`s a
 *    status that is not 2xx: the exchange has ended before the promise settles. Else `track`
 *    (tracked_response.ts) hands the response out: the exchange ends with its body, however that is
 *    read, cancelled or aborted.
 * 6. Each exchange that ends tells its call. With the promise settled and the last of them ended,
 *    the call is over: it takes its listeners and its timer away and leaves the client.
 *
 * An abort goes the other way: signal, timeout and `close()` abort the call, the call aborts its
 * exchanges, and each of them makes fetch or the body fail, which leads to its end.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { asTask } from "../../runner/as_task.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { conclude, firstAttempt } from "./attempts.ts";
import { authorize } from "./authorize.ts";
import type { Call } from "./call.ts";
import { lastWord, ofHook, requestOf, takeRequest } from "./call_hooks.ts";
import { Exchange } from "./exchange.ts";
import type { HTTPHooks } from "../hooks.ts";
import { handedOver } from "./native_body.ts";
import { redactURL } from "../redact.ts";

/**
 * Performs the call, and settles its promise. Not an async function itself, and passes through no
 * layer that is not asked for: each costs 0.3 us.
 */
export function perform(
  call: Call,
  resolve: (response: Response) => void,
  reject: (reason: unknown) => void,
): void {
  const { telemetry, runner, hooks, auth } = call.settings;
  if (telemetry !== undefined && call.trace === undefined) {
    // Once more, within the call's span.
    telemetry.within(call, () => perform(call, resolve, reject));
    return;
  }
  let work: Promise<Response>;
  try {
    call.listen();
    if (runner !== undefined) work = inSlot(runner, call);
    else if (hooks !== undefined || auth !== undefined) {
      work = beginRequest(call);
    } else {
      call.startClock();
      work = firstAttempt(call);
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
    } else amend(call, hooks.beforeError, failure).then(reject, reject);
  });
}

/** What to reject with, when a hook may change it. */
async function amend(
  call: Call,
  beforeError: NonNullable<HTTPHooks["beforeError"]>,
  failure: unknown,
): Promise<unknown> {
  try {
    const result = beforeError({ error: failure, request: requestOf(call) });
    return (isThenable(result)
      ? await lastWord(call, result, failure)
      : result) ?? failure;
  } finally {
    call.settled();
  }
}

/** In a slot of the runner's: the call waits there, and ends with its task. */
function inSlot(runner: TaskRunner, call: Call): Promise<Response> {
  const { priority } = call.settings;
  const name = `${call.method} ${redactURL(call.url)}`;
  return asTask(runner, (context) => {
    const subscription = onAbort(
      context.signal,
      (reason) => call.abort(reason),
    );
    return beginRequest(call).finally(() => subscription.unsubscribe());
  }, { priority, signal: call.signal, name });
}

/** Its clock begins, a hook sees the request, the credentials are put in; then it is sent. */
async function beginRequest(call: Call): Promise<Response> {
  const { hooks, auth } = call.settings;
  call.startClock();
  if (hooks?.beforeRequest !== undefined) {
    const instead = await ofHook(
      call,
      hooks.beforeRequest({ request: requestOf(call), signal: call.signal }),
    );
    if (instead instanceof Response) return await answerInstead(call, instead);
    takeRequest(call);
  }
  if (auth !== undefined && auth.appliesTo(call.url)) {
    const token = auth.token(call.signal);
    authorize(call, typeof token === "string" ? token : await token);
  }
  return await firstAttempt(call);
}

/** A response that did not come from the network: handed out, it holds nothing of the call's. */
async function answerInstead(
  call: Call,
  response: Response,
): Promise<Response> {
  if (call.reader === undefined) return response;
  const exchange = new Exchange(call, 1);
  call.exchangeBegan(exchange);
  exchange.response = handedOver(response);
  exchange.isReplaced = true;
  return await conclude(call, exchange, 1);
}
