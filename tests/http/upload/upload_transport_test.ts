/**
 * What would end the process if it were thrown out of an event of the socket's.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  asyncBatchRequests,
  AsyncHTTPClient,
  asyncUpload,
  HTTPStatusError,
  InvalidRequestError,
} from "../../../http/mod.ts";
import { serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

testWith(
  ["net"],
  "a status that no Response can be made with is handed out by calls and batches, and refused by uploads",
  async () => {
    await using server = serveRaw(async (connection) => {
      await connection.head();
      await connection.send(
        "HTTP/1.1 999 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
      );
    });
    await using client = new AsyncHTTPClient({
      retryPolicy: { maxRetries: 2, baseDelay: 1 },
    });
    const batch = await asyncBatchRequests([server.url], { client });
    for (const response of [await client.get(server.url), ...batch]) {
      assertEquals([response.status, response.ok], [999, false]);
      assertEquals(await response.text(), "hi");
    }
    const error = await assertRejects(
      () => asyncUpload(server.url, new Uint8Array(3), { client }),
      HTTPStatusError,
    );
    assertEquals([error.status, error.body], [999, "hi"]);
    assertEquals(server.connections, 3);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "asyncUpload() rejects with what onProgress throws, once, and closes its source",
  async () => {
    await using server = serve(async (request) => {
      await request.bytes().catch(() => {});
      return new Response();
    });
    await using client = new AsyncHTTPClient({
      retryPolicy: { maxRetries: 2, baseDelay: 1 },
    });
    const thrown = new Error("mine");
    let closed = 0;
    const source = async function* () {
      try {
        for (;;) yield await Promise.resolve(new Uint8Array(100_000));
      } finally {
        closed++;
      }
    };
    let told = 0;
    const onProgress = () => {
      told++;
      throw thrown;
    };
    for (const input of [source(), new Uint8Array(300_000)]) {
      assertStrictEquals(
        await assertRejects(() =>
          asyncUpload(server.url, input, { client, onProgress })
        ),
        thrown,
      );
    }
    assertEquals([told, closed], [2, 1]);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "asyncUpload() tells a method or header that cannot be sent from a failure, as calls do",
  async () => {
    await using client = new AsyncHTTPClient({
      circuitBreaker: { failureThreshold: 1 },
    });
    await using server = serve(() => new Response("ok"));
    const bytes = new Uint8Array(3);
    for (
      const options of [
        { method: "A B" },
        { headers: { "a b": "x" } },
        { headers: { a: "SECRET\r\nx" } },
      ]
    ) {
      const error = await assertRejects(
        () => asyncUpload(server.url, bytes, { client, ...options }),
        InvalidRequestError,
      );
      assertEquals(error.message.includes("SECRET"), false);
    }
    assertEquals(server.requests.length, 0);
    assertEquals((await asyncUpload(server.url, bytes, { client })).ok, true);
  },
);

Deno.test({
  name:
    "asyncUpload() without permission for the network says so, and is not retried",
  permissions: { net: false },
  fn: async () => {
    let retries = 0;
    await using client = new AsyncHTTPClient({
      retryPolicy: { baseDelay: 1 },
      hooks: { beforeRetry: () => void retries++ },
    });
    for (const host of ["127.0.0.1:8080", "localhost:8080"]) {
      await assertRejects(
        () => asyncUpload(`http://${host}/`, new Uint8Array(3), { client }),
        Deno.errors.NotCapable,
        "--allow-net",
      );
    }
    assertEquals(retries, 0);
  },
});
