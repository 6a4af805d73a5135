/**
 * One attempt, or two side by side: what the layers below the retries are given.
 *
 * @module
 */
import { onAbort } from "../../_internal/abort.ts";
import type { Call } from "./call.ts";
import {
  BreakerRegistry,
  type CircuitBreaker,
} from "../breaker/circuit_breaker.ts";
import { Exchange } from "./exchange.ts";
import { hedgeBy } from "../retry/hedge.ts";

/** Methods that a hedge may send twice where no retry policy says which. */
const HEDGED_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** One request; within its span while somebody listens. */
export function send(
  exchange: Exchange,
  breaker: CircuitBreaker | undefined,
  time?: number,
): Promise<void> {
  const { telemetry } = exchange.call.settings;
  return telemetry === undefined
    ? exchange.send(breaker, time)
    : telemetry.attempt(exchange, breaker, time);
}

/**
 * One attempt, with another beside it when it is slow. When none is the answer, all of them have
 * ended before this rejects.
 */
export async function sendHedged(
  call: Call,
  attempt: number,
  breaker: CircuitBreaker | undefined,
): Promise<Exchange> {
  const sent: Promise<Exchange>[] = [];
  try {
    return await race(call, breaker, (signal) => {
      const one = sendOne(call, attempt, breaker, signal);
      sent.push(one);
      return one;
    });
  } catch (error) {
    // An abort is told of at once, while what it has aborted is still ending.
    await Promise.allSettled(sent);
    throw error;
  }
}

async function sendOne(
  call: Call,
  attempt: number,
  breaker: CircuitBreaker | undefined,
  signal: AbortSignal,
): Promise<Exchange> {
  const exchange = new Exchange(call, attempt);
  call.exchangeBegan(exchange);
  const subscription = onAbort(signal, (reason) => exchange.abort(reason));
  try {
    await send(exchange, breaker);
    return exchange;
  } finally {
    subscription.unsubscribe();
  }
}

function race(
  call: Call,
  breaker: CircuitBreaker | undefined,
  one: (signal: AbortSignal) => Promise<Exchange>,
): Promise<Exchange> {
  const { hedge: options, retry, connections } = call.settings;
  return hedgeBy<Exchange>(
    {
      accept: ({ response }) =>
        !(retry?.retryStatuses.has(response!.status) ??
          response!.status >= 500), // sent: it has one
      // The first may hold the very connection that another would wait for, until all is too late;
      // and a refusal of the breaker would stand before the failure of the first.
      allow: () =>
        (connections?.hasRoom(call.origin()) ?? true) &&
        isAdmitted(breaker) &&
        (retry?.budget?.withdraw() ?? true),
      discard: (exchange) => exchange.discard(),
    },
    ({ signal }) => one(signal),
    { ...options!, signal: call.signal }, // only called with options
  );
}

function isAdmitted(breaker: CircuitBreaker | undefined): boolean {
  try {
    breaker?.abandon(breaker.enter());
    return true;
  } catch {
    return false;
  }
}

export function mayHedge(call: Call): boolean {
  const methods = call.settings.retry?.retryMethods ?? HEDGED_METHODS;
  return call.body?.replayable !== false &&
    (methods.has(call.method) ||
      call.headers !== undefined && "idempotency-key" in call.headers);
}

export function breakerOf(call: Call): CircuitBreaker | undefined {
  const { breaker } = call.settings;
  return breaker instanceof BreakerRegistry
    ? breaker.get(call.origin())
    : breaker;
}
