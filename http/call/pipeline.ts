/**
 * What is done for a call, layer by layer. From the outside: the runner's slot, the total
 * timeout, hooks, retry, hedge; and for each attempt (exchange.ts) a connection, the circuit
 * breaker, the attempt's timeout, fetch. A layer that is not asked for is not passed through.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { asTask } from "../../runner/as_task.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { attempts } from "./attempts.ts";
import { authorize } from "./authorize.ts";
import type { Call } from "./call.ts";
import { lastWord, ofHook, requestOf, takeRequest } from "./call_hooks.ts";
import { Exchange } from "./exchange.ts";
import { finish } from "./finish.ts";
import type { HTTPHooks } from "../hooks.ts";
import { handedOver } from "./native_body.ts";
import { redactURL } from "../redact.ts";

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
function answerIn(runner: TaskRunner, call: Call): Promise<Response> {
  const { priority } = call.settings;
  const name = `${call.method} ${redactURL(call.url)}`;
  return asTask(runner, (context) => {
    const subscription = onAbort(
      context.signal,
      (reason) => call.abort(reason),
    );
    return answer(call).finally(() => subscription.unsubscribe());
  }, { priority, signal: call.signal, name });
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

/** A response that did not come from the network: handed out, it holds nothing of the call's. */
async function deliver(call: Call, response: Response): Promise<Response> {
  if (call.reader === undefined) return response;
  const exchange = new Exchange(call, 1);
  call.exchangeBegan(exchange);
  exchange.response = handedOver(response);
  exchange.isReplaced = true;
  return await finish(call, exchange, 1);
}
