/**
 * A hedge whose first answer was not good enough: what it holds is given back on every path.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  AsyncHTTPClient,
  CircuitBreaker,
  NetworkError,
  RetryBudget,
} from "../../../http/mod.ts";
import { hedgeBy } from "../../../http/retry/hedge.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";

Deno.test("hedgeBy() discards what it held in reserve when it is aborted", async () => {
  using clock = new FakeClock();
  const controller = new AbortController();
  const discarded: string[] = [];
  const gates: PromiseWithResolvers<string>[] = [];
  const rules = {
    accept: () => false,
    allow: () => true,
    discard: (value: string) => void discarded.push(value),
  };
  const pending = hedgeBy(rules, () => {
    const gate = Promise.withResolvers<string>();
    gates.push(gate);
    return gate.promise;
  }, { delay: 10, signal: controller.signal });
  pending.catch(() => {});
  await clock.tick(10);
  gates[0]?.resolve("reserve");
  await clock.tick(1);
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await pending.catch((error) => error), reason);
  assertEquals(discarded, ["reserve"]);
  gates[1]?.resolve("late");
  await clock.tick(0);
  assertEquals(discarded, ["reserve", "late"]);
});

Deno.test("AsyncHTTPClient with hedge does not wait for the connection that its own first request holds", async () => {
  let calls = 0;
  await using client = new AsyncHTTPClient({
    hedge: { delay: 5 },
    maxConnections: 1,
    timeout: { attempt: Infinity, total: 30_000 },
    fetch: async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return new Response("busy", { status: 503 });
    },
  });
  const response = await client.get("http://h/");
  assertEquals([response.status, await response.text()], [503, "busy"]);
  assertEquals(calls, 1);
  await assertNothingLeft(client);
});

Deno.test("AsyncHTTPClient.close() ends when a hedged call was aborted with an answer in reserve", async () => {
  using clock = new FakeClock();
  let calls = 0;
  const second = Promise.withResolvers<void>();
  const client = new AsyncHTTPClient({
    hedge: { delay: 5 },
    timeout: { attempt: Infinity, total: 60 },
    fetch: async () => {
      if (++calls > 1) {
        second.resolve();
        return await new Promise<Response>(() => {});
      }
      await second.promise;
      return new Response("busy", { status: 503 });
    },
  });
  const rejected = assertRejects(
    () => client.get("http://h/").text(),
    Error,
    "total",
  );
  await clock.tick(5);
  assertEquals(calls, 2);
  await clock.tick(55);
  await rejected;
  await assertNothingLeft(client);
  await client.close();
});

Deno.test("AsyncHTTPClient with hedge tells of the failure of its probe, not that the breaker had no place for a second", async () => {
  const circuitBreaker = new CircuitBreaker({ recoveryTimeout: 0 });
  circuitBreaker.trip();
  let calls = 0;
  const budget = new RetryBudget();
  await using client = new AsyncHTTPClient({
    hedge: { delay: 5 },
    circuitBreaker,
    retryPolicy: { maxRetries: 0, budget },
    fetch: async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 30));
      throw new TypeError("fetch failed");
    },
  });
  await assertRejects(() => client.get("http://h/"), NetworkError);
  await assertNothingLeft(client);
  assertEquals(calls, 1);
  assertEquals(budget.available, 10, "what is not sent costs nothing");
});
