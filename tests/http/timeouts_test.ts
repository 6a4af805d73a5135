import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { idleTimers, timers } from "../../_internal/timer_queue.ts";
import { AsyncHTTPClient, HTTPTimeoutError } from "../../http/mod.ts";
import { closedByPeer, serve, serveRaw } from "../support/http_servers.ts";
import { testWith } from "../support/permissions.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

/** Asserts the limit that ran out, and that nothing is left of the call. */
async function expectTimeout(
  client: AsyncHTTPClient,
  pending: Promise<unknown>,
  kind: string,
): Promise<HTTPTimeoutError> {
  const error = await assertRejects(() => pending, HTTPTimeoutError);
  assertEquals([error.kind, error.name], [kind, "TimeoutError"]);
  assertEquals(client.stats, { calls: 0, connections: 0, waiting: 0 });
  assertEquals([timers.size, idleTimers.size], [0, 0]);
  return error;
}

testWith(
  ["net"],
  "timeout.attempt ends a call whose server accepts and says nothing",
  async () => {
    await using server = serveRaw(({ socket }) => closedByPeer(socket));
    await using client = new AsyncHTTPClient({
      timeout: 20,
      maxConnections: 5,
    });
    await expectTimeout(client, client.get(server.url), "attempt");
  },
);

testWith(
  ["net"],
  "timeout.attempt covers the body, by text() of the promise and of the response",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send(HEAD + "part");
      await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({ timeout: { attempt: 250 } });
    await expectTimeout(client, client.get(server.url).text(), "attempt");
    const response = await client.get(server.url);
    await expectTimeout(client, response.text(), "attempt");
  },
);

testWith(
  ["net"],
  "timeout.attempt ends a response that nobody reads, and frees its connection",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send(HEAD + "part");
      await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({
      timeout: { attempt: 250 },
      maxConnections: 1,
    });
    await client.get(server.url);
    await client.get(server.url);
    assertEquals(server.connections, 2);
  },
);

testWith(
  ["net"],
  "timeout.attempt is tried again, timeout.total ends the call and names the failures before",
  async () => {
    await using server = serveRaw(({ socket }) => closedByPeer(socket));
    await using client = new AsyncHTTPClient({
      timeout: { attempt: 20, total: 90 },
      retryPolicy: {
        maxRetries: 100,
        baseDelay: 1,
        jitter: "none",
        backoffFactor: 1,
        budget: false,
      },
    });
    const error = await assertRejects(
      () => client.get(`${server.url}/?token=SECRET`),
      Error,
    );
    const total = error instanceof HTTPTimeoutError ? error : undefined;
    // The last delay may be refused for lack of time, before the timer fires.
    if (total !== undefined) {
      assertEquals(total.kind, "total");
      assert(total.failures.length >= 1);
    } else assertEquals(error.name, "RetryError");
    assert(server.connections >= 2);
    assert(!Deno.inspect(error).includes("SECRET"));
    assertEquals(client.stats.calls, 0);
  },
);

testWith(
  ["net"],
  "timeout.idle ends a body that stalls, and lets one go on that drips",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      const stalls = (await head()).startsWith("GET /stall");
      await send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
      for (let byte = 0; byte < (stalls ? 4 : 8); byte++) {
        await send("x");
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      if (stalls) await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({ timeout: { idle: 80 } });
    assertEquals(await client.get(`${server.url}/drip`).text(), "xxxxxxxx");
    await expectTimeout(
      client,
      client.get(`${server.url}/stall`).text(),
      "idle",
    );
    await expectTimeout(
      client,
      client.get(`${server.url}/stall`).stream().drain(),
      "idle",
    );
    const response = await client.get(`${server.url}/stall`);
    await expectTimeout(
      client,
      response.body!.pipeTo(new WritableStream()),
      "idle",
    );
  },
);

testWith(["net"], "timeout.total ends a body that drips for ever", async () => {
  await using server = serveRaw(async ({ head, send }) => {
    await head();
    await send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (;;) {
      await send("1\r\nx\r\n");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  await using client = new AsyncHTTPClient({
    timeout: { total: 60, idle: 1000 },
  });
  await expectTimeout(client, client.get(server.url).text(), "total");
  const response = await client.get(server.url);
  await expectTimeout(
    client,
    response.body!.pipeTo(new WritableStream()),
    "total",
  );
});

testWith(
  ["net"],
  "timeout.attempt ends a TLS handshake that is never answered",
  async () => {
    await using server = serveRaw(({ socket }) => closedByPeer(socket));
    await using client = new AsyncHTTPClient({ timeout: 30 });
    await expectTimeout(
      client,
      client.get(`https://127.0.0.1:${server.port}/`),
      "attempt",
    );
  },
);

testWith(["net"], "timeouts hold no memory of finished calls", async () => {
  await using client = new AsyncHTTPClient({
    timeout: { attempt: 60_000, total: 60_000 },
    retryPolicy: {},
    fetch: () => Promise.resolve(new Response("x")),
  });
  const controller = new AbortController();
  const burst = async (count: number) => {
    for (let call = 0; call < count; call++) {
      await client.get("http://h/", { signal: controller.signal }).text();
    }
  };
  await burst(2000);
  const before = Deno.memoryUsage().heapUsed;
  await burst(160_000);
  // 160,000 AbortSignal.timeout() would hold 138 MB.
  assert(
    Deno.memoryUsage().heapUsed - before < 40e6,
    `${Deno.memoryUsage().heapUsed - before} bytes more`,
  );
  assertEquals([timers.size, idleTimers.size, client.stats.calls], [0, 0, 0]);
});

testWith(["net"], "an abort during an upload closes the source", async () => {
  await using server = serveRaw(async ({ socket }) => {
    const buffer = new Uint8Array(1024);
    await socket.read(buffer);
    await closedByPeer(socket);
  });
  await using client = new AsyncHTTPClient();
  const cancelled = Promise.withResolvers<unknown>();
  const controller = new AbortController();
  const reason = new Error("enough");
  let chunks = 0;
  const body = new ReadableStream({
    async pull(queue) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      queue.enqueue(new Uint8Array(1024));
      if (++chunks === 5) controller.abort(reason);
    },
    cancel: (reason) => cancelled.resolve(reason),
  });
  const pending = client.post(server.url, { body, signal: controller.signal });
  assertStrictEquals(await pending.catch((error) => error), reason);
  await cancelled.promise;
});

Deno.test("AsyncHTTPClient refuses a timeout that is none", () => {
  for (
    const timeout of [
      -1,
      NaN,
      { attempt: -1 },
      { idle: "1" as never },
      "5" as never,
    ]
  ) {
    try {
      new AsyncHTTPClient({ timeout });
      throw new Error("accepted");
    } catch (error) {
      assertInstanceOf(error, typeof timeout === "number" ? RangeError : Error);
      assert(
        (error as Error).message.startsWith("timeout"),
        (error as Error).message,
      );
    }
  }
});

testWith(
  ["net"],
  "a response whose body was read leaves neither timer nor listener",
  async () => {
    await using server = serve(() => new Response("body"));
    await using client = new AsyncHTTPClient({
      timeout: { attempt: 60_000, total: 60_000, idle: 60_000 },
      maxConnections: 3,
    });
    const controller = new AbortController();
    for (
      const read of [
        "text",
        "json",
        "bytes",
        "blob",
        "arrayBuffer",
        "formData",
      ] as const
    ) {
      const response = await client.get(server.url, {
        signal: controller.signal,
      });
      await response[read]().catch(() => {});
      assertEquals(
        client.stats,
        { calls: 0, connections: 0, waiting: 0 },
        read,
      );
    }
    const response = await client.get(server.url);
    await response.body!.cancel();
    assertEquals(client.stats.calls, 0);
    assertEquals([timers.size, idleTimers.size], [0, 0]);
  },
);
