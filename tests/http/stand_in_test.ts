/**
 * What stands in for fetch may give anything.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  AsyncHTTPClient,
  CircuitBreaker,
  type FetchFunction,
  InvalidRequestError,
} from "../../http/mod.ts";

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
  }
});

Deno.test("a fetch may give its Response without a promise", async () => {
  await using client = new AsyncHTTPClient({
    fetch: (() => new Response("at once")) as unknown as FetchFunction,
  });
  assertEquals(await client.get("http://h/").text(), "at once");
});

Deno.test("CircuitBreaker does not count requests that cannot be sent, and refusals of other breakers", async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  await using client = new AsyncHTTPClient({ circuitBreaker: breaker });
  for (const url of ["/relative", "http://127.0.0.1:1:1/", "ftp://h/"]) {
    await assertRejects(() => client.get(url), InvalidRequestError);
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
