import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AsyncHTTPClient,
  InvalidRequestError,
  NetworkError,
  RedirectError,
  RetryError,
} from "../../../http/mod.ts";
import { heapUsed } from "../../support/heap.ts";
import { type RawServer, serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

const fast = { maxRetries: 2, baseDelay: 1, jitter: "none" } as const;

/** Makes the call, and says how often the server was asked and what came of it. */
async function outcome(url: string, server?: RawServer): Promise<Error> {
  await using client = new AsyncHTTPClient({
    retryPolicy: fast,
    maxConnections: 1,
  });
  const error = await assertRejects(
    () => client.get(`${url}/?token=SECRET`).text(),
    Error,
  );
  assert(!Deno.inspect(error).includes("SECRET"), Deno.inspect(error));
  await assertNothingLeft(client, server);
  return error;
}

function attemptsOf(error: Error): [number, string | undefined] {
  const last = error instanceof RetryError ? error.errors.at(-1) : error;
  return [
    error instanceof RetryError ? error.attempts : 1,
    last instanceof NetworkError ? last.failure : last.name,
  ];
}

testWith(["net"], "a refused connection is retried", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const error = await outcome(`http://127.0.0.1:${port}`);
  assertEquals(attemptsOf(error), [3, "connect"]);
  assert(error instanceof RetryError && error.errors.length === 3);
});

testWith(["net"], "a host name that is not found is retried", async () => {
  assertEquals(attemptsOf(await outcome("http://no-such-host.invalid")), [
    3,
    "dns",
  ]);
});

for (
  const [what, answer, failure] of [
    ["a connection closed before the response", "", "reset"],
    ["a response that is no HTTP", "garbage\r\n\r\n", "reset"],
    [
      "half a body with Content-Length",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
      "body",
    ],
    [
      "half a chunked body",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
      "body",
    ],
    [
      "half a compressed body",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f",
      "body",
    ],
  ] as const
) {
  testWith(["net"], `${what} is retried`, async () => {
    await using server = serveRaw(async ({ head, send }) => {
      await head();
      await send(answer);
    });
    assertEquals(attemptsOf(await outcome(server.url, server)), [3, failure]);
    assertEquals(server.connections, 3);
  });
}

testWith(["net"], "a failure of TLS is not retried", async () => {
  await using server = serveRaw(async ({ socket, send }) => {
    await socket.read(new Uint8Array(1024));
    await send("HTTP/1.1 400 This is no TLS\r\n\r\n");
  });
  const error = await outcome(`https://127.0.0.1:${server.port}`, server);
  assertEquals(attemptsOf(error), [1, "tls"]);
});

testWith(
  ["net"],
  "a kept connection that turns out dead is retried",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      // The next request on this connection is read and not answered.
      await socket.read(new Uint8Array(10));
    });
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    for (let call = 0; call < 5; call++) {
      assertEquals(
        await client.get(server.url).text(),
        "ok",
      );
    }
  },
);

testWith(
  ["net"],
  "a blocked port, a bad header and a bad URL are not retried",
  async () => {
    let attempts = 0;
    await using client = new AsyncHTTPClient({
      retryPolicy: fast,
      fetch: (url, init) => {
        attempts++;
        return fetch(url, init);
      },
    });
    for (
      const call of [
        () => client.get("http://127.0.0.1:25/?token=SECRET"),
        () =>
          client.get("http://127.0.0.1/", { headers: { "bad header": "x" } }),
        () => client.get("http://[bad/?token=SECRET"),
      ]
    ) {
      attempts = 0;
      const error = await assertRejects(call, InvalidRequestError);
      assertEquals(attempts, 1);
      assert(!Deno.inspect(error).includes("SECRET"));
      await assertNothingLeft(client);
    }
  },
);

testWith(
  ["net"],
  "too many redirects and a redirected stream body are not retried",
  async () => {
    await using server = serve((request) =>
      new Response(null, { status: 307, headers: { location: request.url } })
    );
    await using client = new AsyncHTTPClient({
      retryPolicy: fast,
      maxRedirects: 4,
    });
    const loop = await assertRejects(
      () => client.get(server.url),
      RedirectError,
    );
    assertStringIncludes(loop.message, "maxRedirects");
    assertEquals(server.requests.length, 5);
    await assertNothingLeft(client);
    const stream = await assertRejects(
      () =>
        client.put(server.url, {
          body: ReadableStream.from([new Uint8Array(1)]),
        }),
      RedirectError,
    );
    assertStringIncludes(stream.message, "a stream cannot be sent twice");
    assertEquals(server.requests.length, 6);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "10,000 failed attempts leave neither connections nor memory",
  async () => {
    await using server = serve(() =>
      new Response("x".repeat(20_000), { status: 503 })
    );
    await using client = new AsyncHTTPClient({
      retryPolicy: { maxRetries: 99, baseDelay: 0, budget: false },
      maxConnections: 10,
    });
    const burst = (calls: number) =>
      Promise.all(
        Array.from({ length: calls }, async () =>
          void await (await client.get(server.url)).text()),
      );
    await burst(2);
    server.requests.length = 0;
    const before = heapUsed();
    await burst(20);
    assert(server.requests.length === 2000);
    for (let round = 0; round < 4; round++) {
      server.requests.length = 0;
      await burst(20);
    }
    server.requests.length = 0;
    const more = heapUsed() - before;
    assert(more < 60e6, `${more} bytes more`);
    await assertNothingLeft(client);
  },
);
