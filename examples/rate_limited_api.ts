/**
 * Calls an API as its terms ask: so many calls a second, two at a time for each customer, nobody
 * waits behind a busy customer; busy answers are tried again, and what is down is left alone.
 *
 *     deno run --allow-net rate_limited_api.ts
 *
 * @module
 */
import {
  AsyncHTTPClient,
  asyncRun,
  CircuitBreaker,
  CircuitOpenError,
  RetryBudget,
  RetryPolicy,
  TaskScheduler,
} from "../mod.ts";
import { serveApi } from "./rate_limited_api/api.ts";

/** What came of the calls. */
export interface Summary {
  readonly answered: number;
  /** Refused by the circuit breaker, without a request. */
  readonly refused: number;
  readonly failed: number;
  readonly retries: number;
  /** Milliseconds. */
  readonly took: number;
}

/** Asks for `calls` things of each of `customers` and of one whose shard is down. */
export async function callApi(
  api: string,
  customers: readonly string[],
  calls: number,
  signal: AbortSignal,
): Promise<Summary> {
  let retries = 0;
  await using client = new AsyncHTTPClient({
    baseUrl: api,
    timeout: { attempt: 2_000 },
    retryPolicy: new RetryPolicy({
      maxRetries: 4,
      baseDelay: 10,
      budget: new RetryBudget({ ratio: 0.5, minimum: 10 }),
    }),
    hooks: {
      beforeRetry: () => {
        retries++;
      },
    },
    signal,
  });
  await using scheduler = new TaskScheduler({
    maxConcurrent: 20,
    maxPerKey: 2, // two at a time for each customer; customers take turns
    rateLimit: { limit: 50, interval: 500 },
    signal,
  });
  // All shards have one origin, so each gets a breaker by hand. (Origins: CircuitBreaker.perOrigin.)
  const breakers = new Map(["up", "down"].map((shard) => [
    shard,
    new CircuitBreaker({ name: shard, failureThreshold: 5 }),
  ]));
  const began = performance.now();
  const call = (shard: string, customer: string, n: number) =>
    scheduler.submit(
      ({ signal }) =>
        client.get(`${shard}/${customer}/${n}`, {
          circuitBreaker: breakers.get(shard),
          signal,
        }).json(),
      { key: customer, name: `${customer} ${n}` },
    );
  const handles = [];
  for (let n = 0; n < calls; n++) {
    for (const customer of customers) handles.push(call("up", customer, n));
    handles.push(call("down", "unlucky", n));
  }
  const outcomes = await Promise.allSettled(handles);
  signal.throwIfAborted();
  const errors = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [outcome.reason] : []
  );
  const refused = errors.filter((error) => error instanceof CircuitOpenError);
  return {
    answered: outcomes.length - errors.length,
    refused: refused.length,
    failed: errors.length - refused.length,
    retries,
    took: performance.now() - began,
  };
}

async function main(signal: AbortSignal): Promise<void> {
  await using api = serveApi();
  const summary = await callApi(api.url, ["ada", "bob", "cyd"], 25, signal);
  console.log(summary);
  console.log("The API counted, by status:", Object.fromEntries(api.answers));
}

if (import.meta.main) await asyncRun(({ signal }) => main(signal));
