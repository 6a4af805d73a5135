import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { idleTimers, timers } from "../../../_internal/timer_queue.ts";
import { AsyncHTTPClient, HTTPTimeoutError } from "../../../http/mod.ts";
import { AsyncQueue } from "../../../streams/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { heapUsed } from "../../support/heap.ts";
import {
  closedByPeer,
  type RawServer,
  serve,
  serveRaw,
} from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

/** Asserts the limit that ran out, and that nothing is left of the call. */
async function expectTimeout(
  client: AsyncHTTPClient,
  pending: Promise<unknown>,
  kind: string,
  server?: RawServer,
): Promise<HTTPTimeoutError> {
  const error = await assertRejects(() => pending, HTTPTimeoutError);
  assertEquals([error.kind, error.name], [kind, "TimeoutError"]);
  await assertNothingLeft(client, server);
  return error;
}

/** The response; again when the machine stood still so long that even its headers came too late. */
async function inTime(call: () => PromiseLike<Response>): Promise<Response> {
  for (let tries = 1;; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof HTTPTimeoutError) || tries === 20) throw error;
    }
  }
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
    await expectTimeout(client, client.get(server.url), "attempt", server);
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
    const first = client.get(server.url).text();
    await expectTimeout(client, first, "attempt", server);
    const response = await inTime(() => client.get(server.url));
    await expectTimeout(client, response.text(), "attempt", server);
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
    await inTime(() => client.get(server.url));
    await inTime(() => client.get(server.url));
    assert(server.connections >= 2);
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
    using clock = new FakeClock();
    const pending = client.get(`${server.url}/?token=SECRET`);
    const rejected = assertRejects(() => pending, HTTPTimeoutError);
    // Four attempts of 20 and the delays between them, and 6 of the fifth.
    for (let attempt = 1; attempt <= 4; attempt++) {
      await until(() => server.connections === attempt);
      await clock.tick(20);
      await clock.tick(1);
    }
    await until(() => server.connections === 5);
    await clock.tick(6);
    const error = await rejected;
    assertEquals([error.kind, error.failures.length], ["total", 4]);
    assert(!Deno.inspect(error).includes("SECRET"));
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "timeout.idle ends a body that stalls, and lets one go on that drips",
  async () => {
    const drips = new AsyncQueue<string>();
    await using server = serveRaw(async ({ head, send, socket }) => {
      const stalls = (await head()).startsWith("GET /stall");
      await send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
      for (let byte = 0; byte < (stalls ? 4 : 8); byte++) {
        await send(stalls ? "x" : await drips.get());
      }
      if (stalls) await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({ timeout: { idle: 80 } });
    {
      using clock = new FakeClock();
      const response = await client.get(`${server.url}/drip`);
      let text = "";
      drips.tryPut("x");
      for await (
        const part of response.body!.pipeThrough(new TextDecoderStream())
      ) {
        text += part;
        // Eight times as long as the limit in all.
        await clock.tick(79);
        drips.tryPut("x");
      }
      assertEquals(text, "xxxxxxxx");
    }
    await expectTimeout(
      client,
      client.get(`${server.url}/stall`).text(),
      "idle",
      server,
    );
    await expectTimeout(
      client,
      client.get(`${server.url}/stall`).stream().drain(),
      "idle",
      server,
    );
    const response = await client.get(`${server.url}/stall`);
    await expectTimeout(
      client,
      response.body!.pipeTo(new WritableStream()),
      "idle",
      server,
    );
  },
);

testWith(
  ["net"],
  "timeout.idle leaves no timer when its call is aborted between two chunks",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send(HEAD + "part");
      await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({ timeout: { idle: 60_000 } });
    const reason = new Error("enough");
    const controller = new AbortController();
    const seen = client.get(server.url, { signal: controller.signal }).stream()
      .forEach(() => controller.abort(reason));
    assertStrictEquals(await seen.catch((error) => error), reason);
    await assertNothingLeft(client, server);
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
  const first = client.get(server.url).text();
  await expectTimeout(client, first, "total", server);
  const response = await inTime(() => client.get(server.url));
  await expectTimeout(
    client,
    response.body!.pipeTo(new WritableStream()),
    "total",
    server,
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
      server,
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
  const before = heapUsed();
  await burst(160_000);
  // 160,000 AbortSignal.timeout() would hold 138 MB.
  const more = heapUsed() - before;
  assert(more < 40e6, `${more} bytes more`);
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
  let timer: ReturnType<typeof setTimeout> | undefined;
  const body = new ReadableStream({
    async pull(queue) {
      await new Promise((resolve) => timer = setTimeout(resolve, 1));
      queue.enqueue(new Uint8Array(1024));
      if (++chunks === 5) controller.abort(reason);
    },
    cancel: (reason) => {
      clearTimeout(timer);
      cancelled.resolve(reason);
    },
  });
  const pending = client.post(server.url, { body, signal: controller.signal });
  assertStrictEquals(await pending.catch((error) => error), reason);
  assertStrictEquals(await cancelled.promise, reason);
  await assertNothingLeft(client, server);
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
    await assertNothingLeft(client);
  },
);
