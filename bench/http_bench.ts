/**
 * Requests with a small JSON body on loopback, at concurrency 1 and 64, beside raw fetch and the
 * field's clients. Ours has retry, timeout and circuit breaker on; so have the peers what they
 * have of it. The server runs in a process of its own.
 *
 * @module
 */
import axios from "axios";
import {
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
  retry,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import got from "got";
import ky from "ky";
import { ofetch } from "ofetch";
import { request } from "undici";
import { asyncBatchRequests, AsyncHTTPClient } from "../http/mod.ts";
import { startServer } from "./http_process.ts";

const base = await startServer();
const url = `${base}/small`;
const TIMEOUT = 10_000;

const client = new AsyncHTTPClient({
  retryPolicy: { maxRetries: 3 },
  timeout: TIMEOUT,
  circuitBreaker: { failureThreshold: 5 },
});
const plain = new AsyncHTTPClient({ timeout: Infinity });
const cockatiel = wrap(
  retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
  circuitBreaker(handleAll, {
    halfOpenAfter: 60_000,
    breaker: new ConsecutiveBreaker(5),
  }),
  timeout(TIMEOUT, TimeoutStrategy.Aggressive),
);
const kyClient = ky.create({ timeout: TIMEOUT, retry: 3 });
const gotClient = got.extend({
  timeout: { request: TIMEOUT },
  retry: { limit: 3 },
});
const axiosClient = axios.create({ timeout: TIMEOUT });

const clients: Record<string, () => Promise<unknown>> = {
  "fetch, raw": async () => await (await fetch(url)).json(),
  "fetch with AbortSignal.timeout": async () =>
    await (await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) })).json(),
  "AsyncHTTPClient: retry, timeout, breaker": () => client.get(url).json(),
  "AsyncHTTPClient: retry, timeout, breaker (Response)": async () =>
    await (await client.get(url)).json(),
  "AsyncHTTPClient: nothing on": () => plain.get(url).json(),
  "undici": async () => await (await request(url)).body.json(),
  "ofetch": () => ofetch(url, { timeout: TIMEOUT, retry: 3 }),
  "ky": () => kyClient.get(url).json(),
  "got": () => gotClient.get(url).json(),
  "axios": () => axiosClient.get(url),
  "fetch within cockatiel": () =>
    cockatiel.execute(async ({ signal }) =>
      await (await fetch(url, { signal })).json()
    ),
};

/** `count` requests, `concurrency` at a time. */
async function load(
  count: number,
  concurrency: number,
  send: () => Promise<unknown>,
): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await send();
    }),
  );
}

for (const [concurrency, count] of [[64, 1024], [1, 128]] as const) {
  for (const [name, send] of Object.entries(clients)) {
    Deno.bench({
      name: `${name}, ${count} requests`,
      group: `small body, concurrency ${concurrency}`,
      baseline: name === "fetch, raw",
      n: 15,
      warmup: 3,
      fn: async () => await load(count, concurrency, send),
    });
  }
}

const slow = `${base}/slow`;
Deno.bench({
  name: "one after the other",
  group: "40 requests of 50 ms",
  baseline: true,
  n: 2,
  warmup: 1,
  fn: async () => {
    for (let n = 0; n < 40; n++) await client.get(slow).json();
  },
});
Deno.bench({
  name: "asyncBatchRequests, 10 at a time",
  group: "40 requests of 50 ms",
  n: 5,
  warmup: 1,
  fn: async () => {
    await asyncBatchRequests(Array(40).fill(slow), {
      client,
      maxConcurrent: 10,
    });
  },
});
