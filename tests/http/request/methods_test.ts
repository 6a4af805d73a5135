/**
 * Each method's short name sends that method.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AsyncHTTPClient } from "../../../http/mod.ts";

Deno.test("AsyncHTTPClient's get, head, post, put, patch, delete and options send what they are called", async () => {
  const sent: string[] = [];
  await using client = new AsyncHTTPClient({
    fetch: (_, { method }) => {
      sent.push(String(method));
      return Promise.resolve(new Response(null));
    },
  });
  const url = "http://h/";
  await client.get(url);
  await client.head(url);
  await client.post(url);
  await client.put(url);
  await client.patch(url);
  await client.delete(url);
  await client.options(url);
  await client.request("report", url);
  assertEquals(
    sent.join(" "),
    "GET HEAD POST PUT PATCH DELETE OPTIONS REPORT",
  );
});

Deno.test("AsyncHTTPClient refuses options and methods of the wrong type", async () => {
  assertThrows(
    () => new AsyncHTTPClient(7 as never),
    TypeError,
    "options must be an object",
  );
  await using client = new AsyncHTTPClient();
  assertThrows(
    () => client.request("", "http://h/"),
    TypeError,
    "method must be a method's name",
  );
});

Deno.test("A request's body may be an async iterable of text and bytes", async () => {
  let sent = "";
  await using client = new AsyncHTTPClient({
    fetch: async (_, { body }) => {
      sent = await new Response(body).text();
      return new Response("ok");
    },
  });
  await client.post("http://h/", {
    body: async function* () {
      yield "text ";
      yield await Promise.resolve(new TextEncoder().encode("and bytes"));
    },
  } as never).text();
  assertEquals(sent, "text and bytes");
});

Deno.test("A body that fetch would send as [object Object], or not at all, is refused, a function's too", async () => {
  let sent = 0;
  await using client = new AsyncHTTPClient({
    circuitBreaker: { failureThreshold: 1 },
    retryPolicy: { baseDelay: 1 },
    fetch: () => {
      sent++;
      return Promise.resolve(new Response("ok"));
    },
  });
  const wrong: unknown[] = [{ a: 1 }, [1], new Map(), new Date(0), 5, null];
  for (const value of [...wrong, undefined]) {
    await assertRejects(
      () => client.post("http://h/", { body: (() => value) as never }),
      TypeError,
      "what the function given as body makes must be text, bytes",
    );
    if (value === null || value === undefined) continue; // no body
    await assertRejects(
      () => client.post("http://h/", { body: value as never }),
      TypeError,
      "body must be text, bytes",
    );
  }
  assertEquals(sent, 0);
  // The server was asked nothing: none of that was its failure.
  assertEquals(await client.get("http://h/").text(), "ok");
});
