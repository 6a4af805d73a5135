/**
 * What stands in for fetch may give anything.
 *
 * @module
 */
import { assertEquals, assertRejects, fail } from "@std/assert";
import {
  asyncBatchRequests,
  AsyncHTTPClient,
  CircuitBreaker,
  type FetchFunction,
  HTTPTimeoutError,
  InvalidRequestError,
  NetworkError,
  RetryError,
} from "../../../http/mod.ts";
import { DisposedError } from "../../../_internal/errors.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";

Deno.test("a fetch that gives no Response is named, with what it gave, and not tried again", async () => {
  for (
    const [given, shown] of [
      [undefined, "undefined"],
      [Promise.resolve(undefined), "undefined"],
      [Promise.resolve("connection"), '"connection"'],
      [Promise.resolve({ status: 200 }), "an object (Object)"],
      [5, "5"],
    ]
  ) {
    let calls = 0;
    const breaker = new CircuitBreaker({ failureThreshold: 1 });
    await using client = new AsyncHTTPClient({
      retryPolicy: { baseDelay: 0 },
      circuitBreaker: breaker,
      fetch: (() => {
        calls++;
        return given;
      }) as unknown as FetchFunction,
    });
    const error = await assertRejects(
      () => client.get("http://socket/?token=SECRET").json(),
      InvalidRequestError,
    );
    assertEquals(
      error.message,
      `GET http://socket/?token=*** cannot be requested: the function given as fetch must return a promise of a Response, got ${shown}.`,
    );
    assertEquals([calls, breaker.state], [1, "closed"]);
    await assertNothingLeft(client);
  }
});

Deno.test("a fetch may give its Response without a promise", async () => {
  await using client = new AsyncHTTPClient({
    fetch: (() => new Response("at once")) as unknown as FetchFunction,
  });
  assertEquals(await client.get("http://h/").text(), "at once");
});

Deno.test("a fetch whose Response was read, or is being read, fails as a body that cannot be read", async () => {
  const readOnce = async () => {
    const response = new Response("read already");
    await response.text();
    return response;
  };
  const heldByOthers = () => {
    const response = new Response("held");
    response.body?.getReader();
    return Promise.resolve(response);
  };
  for (const fetch of [readOnce, heldByOthers]) {
    let calls = 0;
    await using client = new AsyncHTTPClient({
      fetch: () => {
        calls++;
        return fetch();
      },
    });
    for (const kind of ["text", "json", "bytes"] as const) {
      await assertRejects(() => client.get("http://h/")[kind](), NetworkError);
    }
    const batch = asyncBatchRequests(["http://h/"], { client });
    await assertRejects(async () => await batch, NetworkError);
    const policy = { retryPolicy: { maxRetries: 1, baseDelay: 0 } };
    calls = 0;
    await assertRejects(
      () => client.get("http://h/", policy).text(),
      RetryError,
    );
    assertEquals(calls, 2);
    await assertNothingLeft(client);
  }
});

/** A body that never comes, and does not listen to any signal. */
const silent = () => new Response(new ReadableStream({}));

Deno.test("timeouts, aborts and close() end the reading of a body that a stand-in or a hook made, and that never comes", async () => {
  // Nothing else keeps the process alive here, as a connection would.
  const alive = setInterval(() => {}, 1000);
  for (
    const options of [
      { fetch: () => Promise.resolve(silent()) },
      {
        fetch: () => Promise.resolve(new Response("replaced")),
        hooks: { afterResponse: silent },
      },
    ]
  ) {
    const client = new AsyncHTTPClient(options);
    const url = "http://h/";
    const timeout = { attempt: 5 };
    for (
      const read of [
        () => client.get(url, { timeout }).json(),
        () => client.get(url, { timeout }).bytes(),
        async () => await (await client.get(url, { timeout })).text(),
        async () => await asyncBatchRequests([url], { client, timeout }),
        () => client.get(url, { timeout: { total: 5 } }).stream().collect(),
        () => client.get(url, { timeout: { idle: 5 } }).text(),
      ]
    ) {
      await assertRejects<Error>(read, HTTPTimeoutError);
      await assertNothingLeft(client);
    }
    const caller = new AbortController();
    const reason = new Error("enough");
    const aborted = client.get(url, { signal: caller.signal }).text();
    setTimeout(() => caller.abort(reason), 5);
    assertEquals(await assertRejects(() => aborted), reason);
    await assertNothingLeft(client);
    const closed = assertRejects(() => client.get(url).text(), DisposedError);
    const response = await client.get(url);
    const read = assertRejects(() => response.text(), DisposedError);
    await client.close();
    await Promise.all([closed, read]);
    await assertNothingLeft(client);
  }
  clearInterval(alive);
});

Deno.test("CircuitBreaker does not count requests that cannot be sent, and refusals of other breakers", async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  await using client = new AsyncHTTPClient({ circuitBreaker: breaker });
  for (const url of ["/relative", "http://127.0.0.1:1:1/", "ftp://h/"]) {
    await assertRejects(() => client.get(url), InvalidRequestError);
    await assertNothingLeft(client);
  }
  const inner = new CircuitBreaker();
  inner.trip();
  await assertRejects(() => breaker.call(() => inner.call(() => 1)));
  assertEquals(breaker.state, "closed");
  const probed = new CircuitBreaker({
    recoveryTimeout: 0,
    successThreshold: 1,
  });
  probed.trip();
  await assertRejects(() => probed.call(() => inner.call(() => 1)));
  assertEquals(probed.state, "half-open", "it is no success either");
});

Deno.test("CircuitBreaker of a client counts an aborted call as nothing, and a rejection with undefined as a failure", async () => {
  const circuitBreaker = new CircuitBreaker({
    failureThreshold: 2,
    successThreshold: 1,
    recoveryTimeout: 0,
  });
  let answer: (signal: AbortSignal) => Promise<Response> = () =>
    Promise.reject(new TypeError("fetch failed"));
  await using client = new AsyncHTTPClient({
    circuitBreaker,
    fetch: (_, { signal }) => answer(signal!), // the client gives one
  });
  const url = "http://h/";
  const never = (signal: AbortSignal) =>
    new Promise<Response>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  const abortOne = async () => {
    answer = never;
    const caller = new AbortController();
    const reason = new Error("enough");
    const call = client.get(url, { signal: caller.signal });
    caller.abort(reason);
    assertEquals(await assertRejects(() => call), reason);
    await assertNothingLeft(client);
  };
  const failOne = async (error: unknown) => {
    answer = () => Promise.reject(error);
    await client.get(url).then(() => fail("it must fail"), () => {});
  };
  await failOne(new TypeError("fetch failed"));
  await abortOne();
  assertEquals(circuitBreaker.state, "closed");
  await failOne(undefined);
  assertEquals(circuitBreaker.state, "half-open", "two failures in a row");
  await abortOne();
  assertEquals(circuitBreaker.state, "half-open", "it is no success");
  answer = () => Promise.resolve(new Response("ok"));
  await client.get(url);
  assertEquals(circuitBreaker.state, "closed");
});
