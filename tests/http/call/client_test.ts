import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AsyncHTTPClient,
  CircuitBreaker,
  HTTPStatusError,
  InvalidRequestError,
  NetworkError,
  ResponseParseError,
  ResponseTooLargeError,
  RetryPolicy,
} from "../../../http/mod.ts";
import { closedByPeer, serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

const fast = { maxRetries: 3, baseDelay: 1, jitter: "none" } as const;

testWith(
  ["net"],
  "AsyncHTTPClient.get() resolves to the native response whatever its status",
  async () => {
    await using server = serve(() => new Response("gone", { status: 410 }));
    await using client = new AsyncHTTPClient();
    const response = await client.get(server.url);
    assertInstanceOf(response, Response);
    assertEquals(response.status, 410);
    assertEquals(await response.text(), "gone");
  },
);

testWith(
  ["net"],
  "ResponsePromise reads json, text, bytes, blob and a stream",
  async () => {
    await using server = serve(() => Response.json({ a: 1 }));
    await using client = new AsyncHTTPClient({ baseUrl: server.url });
    assertEquals(await client.get("/").json(), { a: 1 });
    assertEquals(await client.get("/").text(), '{"a":1}');
    assertEquals((await client.get("/").bytes()).byteLength, 7);
    const blob = await client.get("/").blob();
    assertEquals([blob.size, blob.type], [7, "application/json"]);
    let streamed = 0;
    for await (const chunk of client.get("/").stream()) {
      streamed += chunk.byteLength;
    }
    for await (const chunk of client.stream("GET", "/")) {
      streamed += chunk.byteLength;
    }
    assertEquals(streamed, 14);
    assertEquals(client.stats, { calls: 0, connections: 0, waiting: 0 });
  },
);

testWith(
  ["net"],
  "ResponsePromise.json() rejects with HTTPStatusError holding the start of the body when the status is not 2xx",
  async () => {
    await using server = serve(() =>
      new Response("x".repeat(5000), { status: 404 })
    );
    await using client = new AsyncHTTPClient();
    const error = await assertRejects(
      () => client.get(`${server.url}/a?token=SECRET`).json(),
      HTTPStatusError,
    );
    assertEquals([error.status, error.method, error.body.length], [
      404,
      "GET",
      1024,
    ]);
    assert(!Deno.inspect(error).includes("SECRET"));
    await assertNothingLeft(client);
  },
);

testWith(["net"], "AsyncHTTPClient retries a 503 and succeeds", async () => {
  await using server = serve((_, index) =>
    index < 2 ? new Response("no", { status: 503 }) : new Response("yes")
  );
  await using client = new AsyncHTTPClient({ retryPolicy: fast });
  assertEquals(await client.get(server.url).text(), "yes");
  assertEquals(server.requests.length, 3);
});

testWith(
  ["net"],
  "AsyncHTTPClient returns the last response when every attempt was refused",
  async () => {
    await using server = serve((_, index) =>
      new Response(`no ${index}`, { status: 503 })
    );
    await using client = new AsyncHTTPClient({
      retryPolicy: { ...fast, maxRetries: 2 },
    });
    const response = await client.get(server.url);
    assertEquals([response.status, await response.text()], [503, "no 2"]);
    const error = await assertRejects(
      () => client.get(server.url).text(),
      HTTPStatusError,
    );
    assertEquals([error.attempts, error.failures.length, error.body], [
      3,
      2,
      "no 5",
    ]);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient retries at once a 503 whose body never ends",
  async () => {
    await using server = serveRaw(async ({ index, head, send }) => {
      await head();
      if (index > 0) {
        return await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
      await send("HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (;;) await send("400\r\n" + "x".repeat(1024) + "\r\n");
    });
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    assertEquals(await client.get(server.url).text(), "ok");
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient retries a 200 that breaks off within its body",
  async () => {
    await using server = serveRaw(async ({ index, head, send }) => {
      await head();
      await send(
        `HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n${
          index === 0 ? "half" : "0123456789"
        }`,
      );
    });
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    assertEquals(await client.get(server.url).text(), "0123456789");
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient does not retry a stream body, and the error says why",
  async () => {
    await using server = serveRaw(async ({ head }) => void await head());
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    const error = await assertRejects(
      () =>
        client.put(server.url, {
          body: ReadableStream.from([new Uint8Array(3)]),
        }),
      NetworkError,
    );
    assertStringIncludes(error.message, "the body is a stream");
    assertEquals(server.connections, 1);
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient calls a function body for each attempt",
  async () => {
    const bodies: string[] = [];
    await using server = serve(async (request, index) => {
      bodies.push(await request.text());
      return new Response(null, { status: index < 2 ? 503 : 200 });
    });
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    const response = await client.put(server.url, {
      body: ({ attempt }) =>
        ReadableStream.from([new TextEncoder().encode(`try ${attempt}`)]),
    });
    await response.body?.cancel();
    assertEquals(bodies, ["try 1", "try 2", "try 3"]);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient retries a POST only with an Idempotency-Key or by request",
  async () => {
    await using server = serve(() => new Response(null, { status: 503 }));
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    const error = await assertRejects(
      () => client.post(server.url, { json: 1 }).text(),
      HTTPStatusError,
    );
    assertStringIncludes(error.message, "POST is not idempotent");
    assertEquals(server.requests.length, 1);
    const withKey = await client.post(server.url, {
      json: 1,
      headers: { "Idempotency-Key": "k" },
    });
    await withKey.body?.cancel();
    assertEquals(server.requests.length, 5);
    const byRequest = await client.post(server.url, {
      json: 1,
      retryPolicy: { ...fast, retryMethods: ["post"] },
    });
    await byRequest.body?.cancel();
    assertEquals(server.requests.length, 9);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient rejects with the caller's reason when aborted in flight, in backoff and before",
  async () => {
    await using server = serve((request) =>
      request.url.endsWith("/slow")
        ? new Promise<Response>((resolve) =>
          request.signal.addEventListener(
            "abort",
            () => resolve(new Response()),
            { once: true },
          )
        )
        : new Response("no", { status: 503 })
    );
    await using client = new AsyncHTTPClient({
      retryPolicy: { baseDelay: 60_000, jitter: "none", maxDelay: 60_000 },
    });
    const reason = new Error("enough");
    for (const path of ["/slow", "/busy"]) {
      const controller = new AbortController();
      const pending = client.get(server.url + path, {
        signal: controller.signal,
      });
      const caught = pending.catch((error) => error);
      while (
        server.requests.length === 0 ||
        !server.requests.at(-1)!.url.endsWith(path)
      ) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (path === "/busy") {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      controller.abort(reason);
      assertStrictEquals(await caught, reason);
      await assertNothingLeft(client);
    }
    const before = server.requests.length;
    assertStrictEquals(
      await client.get(server.url, { signal: AbortSignal.abort(reason) }).catch(
        (error) => error,
      ),
      reason,
    );
    assertEquals(server.requests.length, before);
  },
);

testWith(
  ["net"],
  "CircuitBreaker in a client counts attempts, and rejects while open without using up a retry",
  async () => {
    await using server = serve(() => new Response("no", { status: 500 }));
    const circuitBreaker = new CircuitBreaker({ failureThreshold: 3 });
    await using client = new AsyncHTTPClient({
      circuitBreaker,
      retryPolicy: { ...fast, maxRetries: 10 },
    });
    const response = await client.get(server.url);
    assertEquals([
      response.status,
      server.requests.length,
      circuitBreaker.state,
    ], [500, 3, "open"]);
    await response.body?.cancel();
    const error = await client.get(server.url).catch((error) => error);
    assertEquals([error.name, server.requests.length], ["CircuitOpenError", 3]);
    await assertNothingLeft(client);
  },
);

Deno.test("AsyncHTTPClient rejects a relative URL without baseUrl, a bad URL and an unknown scheme without retrying", async () => {
  await using client = new AsyncHTTPClient({
    retryPolicy: new RetryPolicy(fast),
  });
  for (const url of ["/users", "http://[bad", "ftp://host/x"]) {
    await assertRejects(() => client.get(url), InvalidRequestError);
    await assertNothingLeft(client);
  }
  await assertRejects(
    () => client.get("/users"),
    InvalidRequestError,
    "baseUrl",
  );
});

testWith(
  ["net"],
  "AsyncHTTPClient.close() ends calls in flight and refuses further ones",
  async () => {
    await using server = serveRaw(({ socket }) => closedByPeer(socket));
    const client = new AsyncHTTPClient();
    const pending = client.get(server.url).catch((error) => error);
    const reason = new Error("closing");
    await client.close(reason);
    assertStrictEquals(await pending, reason);
    await assertNothingLeft(client, server);
    await client.close();
    await assertRejects(
      () => client.get(server.url),
      Error,
      "after shutdown or disposal",
    );
  },
);

testWith(
  ["net"],
  "ResponsePromise.json() rejects with status, url and the start of the body when it is no JSON",
  async () => {
    await using server = serve(() => new Response("<html>oops</html>"));
    await using client = new AsyncHTTPClient();
    const error = await assertRejects(
      () => client.get(server.url).json(),
      ResponseParseError,
    );
    assertEquals([error.status, error.body], [200, "<html>oops</html>"]);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "maxResponseBytes refuses a body that announces more, and one that does not",
  async () => {
    await using server = serve((request) =>
      request.url.endsWith("/known")
        ? new Response("x".repeat(100))
        : new Response(
          ReadableStream.from([new Uint8Array(60), new Uint8Array(60)]),
        )
    );
    await using client = new AsyncHTTPClient({ maxResponseBytes: 99 });
    for (const path of ["/known", "/unknown"]) {
      await assertRejects(
        () => client.get(server.url + path).bytes(),
        ResponseTooLargeError,
      );
      const response = await client.get(server.url + path);
      await assertRejects(() => response.bytes(), ResponseTooLargeError);
    }
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient fails now, without sleeping, when Retry-After is longer than the time left",
  async () => {
    await using server = serve(() =>
      new Response("later", { status: 503, headers: { "retry-after": "3600" } })
    );
    await using client = new AsyncHTTPClient({
      retryPolicy: fast,
      timeout: { total: 60_000 },
    });
    const error = await assertRejects(
      () => client.get(server.url).text(),
      HTTPStatusError,
    );
    assertStringIncludes(error.message, "longer than the time left");
    assertEquals([error.status, server.requests.length], [503, 1]);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "AsyncHTTPClient's signal ends every call of the client, and its open bodies",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      if ((await head()).startsWith("GET /body")) {
        await send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
      }
      await closedByPeer(socket);
    });
    const controller = new AbortController();
    await using client = new AsyncHTTPClient({ signal: controller.signal });
    const pending = client.get(`${server.url}/silent`).catch((error) => error);
    const response = await client.get(`${server.url}/body`);
    const text = response.text().catch((error) => error);
    const reason = new Error("all of them");
    controller.abort(reason);
    assertEquals(await Promise.all([pending, text]), [reason, reason]);
    await assertNothingLeft(client, server);
    assertStrictEquals(
      await client.get(server.url).catch((error) => error),
      reason,
    );
  },
);

testWith(
  ["env"],
  "AsyncHTTPClient refuses environment variables that are no numbers, naming them",
  () => {
    for (
      const name of ["SPECIFY_ASYNC_TIMEOUT", "SPECIFY_ASYNC_POOL_SIZE"]
    ) {
      try {
        Deno.env.set(name, "soon");
        assertThrows(() => new AsyncHTTPClient(), RangeError, name);
      } finally {
        Deno.env.delete(name);
      }
    }
  },
);
