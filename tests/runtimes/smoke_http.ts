/**
 * The HTTP client's part of the smoke suite, against the server of smoke_server.ts.
 *
 * @module
 */
import {
  asyncBatchRequests,
  asyncDownload,
  AsyncHTTPClient,
  asyncUpload,
  CircuitBreaker,
  CircuitOpenError,
  CircuitState,
  HTTPStatusError,
  HTTPTimeoutError,
  NetworkError,
  RetryPolicy,
} from "../../http/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { holds, pause, rejection, same } from "./check.ts";
import type { SmokeCase } from "./smoke.ts";

/** Different in each run, so that the server's counts begin at 0. */
const run = `${Date.now()}-${Math.random()}`;

/** What holds of the client. */
export const httpCases: readonly SmokeCase[] = [
  {
    name: "http: bodies in and out",
    async run(origin) {
      const client = new AsyncHTTPClient({ baseUrl: origin });
      const sent = await client.post("echo", {
        json: { a: 1 },
        query: { q: "x y" },
        headers: { "x-test": "yes" },
      }).json<{ method: string; body: string; url: string; test: string }>();
      same([sent.method, sent.body, sent.test], ["POST", '{"a":1}', "yes"]);
      holds(/q=x(\+|%20)y/.test(sent.url), sent.url);
      same((await client.get("bytes/10").bytes()).byteLength, 10);
      same(await client.get("bytes/3").text(), "aaa");
      same((await client.get("bytes/5").blob()).size, 5);
      const response = await client.get("bytes/7");
      holds(response instanceof Response && response.ok, "a native Response");
      same((await response.arrayBuffer()).byteLength, 7);
      let streamed = 0;
      for await (const chunk of client.stream("GET", "bytes/200000")) {
        streamed += chunk.byteLength;
      }
      same(streamed, 200_000);
      const posted = await client.post("echo", { form: { name: "value" } })
        .json<{ body: string }>();
      same(posted.body, "name=value");
      await client.close();
      same(client.stats.calls, 0);
    },
  },
  {
    name: "http: limits of size and time are kept while a body is read",
    async run(origin) {
      const client = new AsyncHTTPClient({ baseUrl: origin });
      const large = client.get("bytes/100000", { maxResponseBytes: 1000 });
      same((await rejection(large.bytes())).name, "ResponseTooLargeError");
      const idle = client.get("stall", { timeout: { idle: 50 } }).text();
      holds(await rejection(idle) instanceof HTTPTimeoutError, "idle timeout");
      const attempt = await rejection(client.get("never", { timeout: 50 }));
      holds(attempt instanceof HTTPTimeoutError, "attempt timeout");
      const buffered = await client.get("bytes/20", {
        maxResponseBytes: 1000,
        timeout: { idle: 5_000 },
      }).bytes();
      same(buffered.byteLength, 20);
      await client.close();
    },
  },
  {
    name: "http: retries what may be retried, by Retry-After and backoff",
    async run(origin) {
      const client = new AsyncHTTPClient({
        baseUrl: origin,
        retryPolicy: new RetryPolicy({ maxRetries: 3, baseDelay: 1 }),
      });
      const answer = await client.get(`flaky/2/${run}`).json<
        { attempt: number }
      >();
      same(answer.attempt, 3);
      const refused = await rejection(client.get("status/404").json());
      holds(refused instanceof HTTPStatusError, `got ${refused}`);
      same((refused as HTTPStatusError).status, 404);
      await client.close();
    },
  },
  {
    name: "http: redirects are followed, and the address is the last one",
    async run(origin) {
      const client = new AsyncHTTPClient({ baseUrl: origin });
      const response = await client.get("redirect/3");
      same(new URL(response.url).pathname, "/bytes/3");
      same(response.redirected, true);
      same(await response.text(), "aaa");
      await client.close();
    },
  },
  {
    name: "http: an abort ends a call with its own reason",
    async run(origin) {
      const client = new AsyncHTTPClient({ baseUrl: origin });
      const controller = new AbortController();
      const pending = client.get("never", { signal: controller.signal });
      await pause(20);
      const reason = new Error("no longer wanted");
      controller.abort(reason);
      holds(await rejection(pending) === reason, "the same reason");
      const closing = rejection(client.get("never"));
      await pause(20);
      await client.close(reason);
      holds(await closing === reason, "the same reason");
    },
  },
  {
    name: "http: a refused connection is a NetworkError, and opens the breaker",
    async run() {
      const circuitBreaker = new CircuitBreaker({ failureThreshold: 1 });
      // Nobody listens there, and it is none of the ports that browsers refuse by themselves.
      const client = new AsyncHTTPClient({ circuitBreaker });
      const url = "http://127.0.0.1:47/";
      const error = await rejection(client.get(url));
      holds(error instanceof NetworkError, `a NetworkError, got ${error}`);
      same(circuitBreaker.state, CircuitState.OPEN);
      const second = await rejection(client.get(url));
      holds(second instanceof CircuitOpenError, `an open circuit: ${second}`);
      await client.close();
    },
  },
  {
    name: "http: connections and a runner bound the calls",
    async run(origin) {
      const runner = new AsyncRunner({ maxWorkers: 2 });
      const client = new AsyncHTTPClient({
        baseUrl: origin,
        maxConnections: 2,
        runner,
      });
      const before = await client.get(`concurrent/${run}`).json<
        { most: number }
      >();
      same(before.most, 1);
      const all = await Promise.all(
        Array.from(
          { length: 8 },
          () => client.get(`concurrent/${run}`).json<{ most: number }>(),
        ),
      );
      holds(Math.max(...all.map(({ most }) => most)) <= 2, "at most two");
      await client.close();
      await runner.shutdown();
    },
  },
  {
    name:
      "http: the body of an async iterable arrives, or the reason why not is told",
    async run(origin) {
      const client = new AsyncHTTPClient({ baseUrl: origin });
      const body = async function* () {
        yield "one ";
        yield await Promise.resolve("two");
      };
      const sent = client.post("echo", { body: () => body() })
        .json<{ body: string }>();
      try {
        same((await sent).body, "one two");
      } catch (error) {
        // Browsers stream a request's body over HTTP/2 only.
        holds(
          !("process" in globalThis) && error instanceof NetworkError,
          `got ${error}`,
        );
      }
      await client.close();
    },
  },
  {
    name: "http: bytes and Blobs are uploaded whole; a batch keeps its order",
    async run(origin) {
      const client = new AsyncHTTPClient();
      const bytes = new Uint8Array(300_000).fill(97);
      for (const source of [bytes, new Blob([bytes])]) {
        const response = await asyncUpload(`${origin}/echo`, source, {
          client,
        });
        const { method, body } = await response.json();
        same([method, body.length], ["PUT", 300_000]);
      }
      const texts = await asyncBatchRequests(
        [1, 2, 3].map((n) => `${origin}/bytes/${n}`),
        { client, map: (response) => response.text() },
      );
      same(texts, ["a", "aa", "aaa"]);
      await client.close();
    },
  },
  {
    name: "http: asyncDownload() says which runtime it needs",
    async run(origin) {
      if ("Deno" in globalThis) return;
      const error = await rejection(
        asyncDownload(`${origin}/bytes/3`, "/nowhere/file"),
      );
      same(error.name, "UnsupportedRuntimeError");
      holds(/asyncDownload.*Deno/.test(error.message), error.message);
    },
  },
];
