/**
 * What is refused or given up is let go of before its call rejects: the response's body with its
 * socket, the connection's place, timers, and the request's own body.
 *
 * @module
 */
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  asyncBatchRequests,
  AsyncHTTPClient,
  CircuitBreaker,
  HTTPStatusError,
  HTTPTimeoutError,
  NetworkError,
  type ResponsePromise,
  ResponseTooLargeError,
  withRetry,
} from "../../../http/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { AsyncStream } from "../../../streams/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { closedByPeer, serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { pause, until } from "../../support/real_time.ts";

const URL = "http://localhost/";

/** Announces 100 bytes, sends four of them and waits until the client hangs up. */
function serveStalled(status = 200) {
  return serveRaw(async ({ head, send, socket }) => {
    await head();
    await send(`HTTP/1.1 ${status} X\r\nContent-Length: 100\r\n\r\npart`);
    await closedByPeer(socket);
  });
}

/** A stream that gives so many chunks, then nothing more, and notes its cancel. */
class Source {
  /** The reason of each cancel. */
  readonly cancelled: unknown[] = [];
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;

  constructor(chunks = 0) {
    this.stream = new ReadableStream({
      pull(controller) {
        if (chunks-- <= 0) return new Promise(() => {});
        controller.enqueue(new Uint8Array(10));
      },
      cancel: (reason) => void this.cancelled.push(reason),
    }, { highWaterMark: 0 });
  }
}

// Responses

for (
  const [what, read] of [
    ["bytes()", async (call) => (await call).bytes()],
    ["text()", async (call) => (await call).text()],
    ["json()", async (call) => (await call).json()],
    ["blob()", async (call) => (await call).blob()],
    ["arrayBuffer()", async (call) => (await call).arrayBuffer()],
    ["formData()", async (call) => (await call).formData()],
    ["the promise's bytes()", (call) => call.bytes()],
    ["the promise's bytes() once it has settled", async (call) => {
      await call;
      await call.bytes();
    }],
  ] as [string, (call: ResponsePromise) => Promise<unknown>][]
) {
  testWith(
    ["net"],
    `maxResponseBytes leaves no socket of a response that announces more, read by ${what}`,
    async () => {
      await using server = serveStalled();
      await using client = new AsyncHTTPClient({
        maxResponseBytes: 99,
        maxConnections: 1,
      });
      for (let call = 0; call < 3; call++) {
        await assertRejects(
          () => read(client.get(server.url)),
          ResponseTooLargeError,
        );
        await assertNothingLeft(client, server);
      }
    },
  );
}

testWith(
  ["net"],
  "maxResponseBytes leaves no socket of the response that the last attempt was refused with",
  async () => {
    await using server = serveStalled(503);
    await using client = new AsyncHTTPClient({
      maxResponseBytes: 99,
      maxConnections: 1,
      retryPolicy: { maxRetries: 1, baseDelay: 0 },
    });
    await assertRejects(
      async () => await asyncBatchRequests([server.url], { client }),
      ResponseTooLargeError,
    );
    await assertNothingLeft(client, server);
    await using wanting = new AsyncHTTPClient({
      maxResponseBytes: 99,
      retryPolicy: { maxRetries: 1, baseDelay: 0, retryOn: () => true },
    });
    await using fine = serveStalled();
    await assertRejects(
      () => wanting.get(fine.url).text(),
      ResponseTooLargeError,
    );
    await assertNothingLeft(wanting, fine);
  },
);

testWith(
  ["net"],
  "ResponsePromise leaves no socket of a response whose status it refuses",
  async () => {
    for (const length of [100, 0]) {
      await using server = serveRaw(async ({ head, send, socket }) => {
        await head();
        await send(
          `HTTP/1.1 503 No\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`,
        );
        if (length > 0) await closedByPeer(socket);
      });
      await using client = new AsyncHTTPClient({ maxConnections: 1 });
      const settled = client.get(server.url);
      await settled;
      await assertRejects(() => settled.text(), HTTPStatusError);
      await assertNothingLeft(client, server);
      await assertRejects(() => client.get(server.url).text(), HTTPStatusError);
      await assertNothingLeft(client, server);
      // A hook holds the reader, at an attempt that is the only one, or the last.
      for (const retryPolicy of [false, { maxRetries: 0 }] as const) {
        await assertRejects(
          () =>
            client.get(server.url, {
              retryPolicy,
              hooks: {
                afterResponse: ({ response }) =>
                  void response.body?.getReader(),
              },
            }).text(),
          HTTPStatusError,
        );
        await assertNothingLeft(client, server);
      }
    }
  },
);

Deno.test("a reader of the promise's leaves nothing of a response that a hook has read", async () => {
  const read = async () => {
    const response = new Response("read");
    await response.text();
    return response;
  };
  const retryPolicy = { maxRetries: 0, retryOn: () => true };
  for (const name of ["beforeRequest", "afterResponse"]) {
    await using client = new AsyncHTTPClient({
      fetch: () => Promise.resolve(new Response("ok")),
      hooks: { [name]: read },
      maxConnections: 1,
      retryPolicy,
    });
    await assertRejects(() => client.get(URL).text(), TypeError, "clone()");
    await assertNothingLeft(client);
  }
});

Deno.test("a response of a stand-in is cancelled when it is given up unread, and fails when it is read", async () => {
  const reason = new Error("given up");
  for (const looked of [false, true]) {
    for (const by of ["close", "total", "attempt"]) {
      const source = new Source();
      using clock = new FakeClock();
      await using client = new AsyncHTTPClient({
        fetch: () => Promise.resolve(new Response(source.stream)),
        timeout: by === "close" ? {} : { [by]: 50 },
        maxConnections: 1,
      });
      const response = await client.get(URL);
      // Whoever takes the stream has as long as he likes: no limit of the attempt's.
      if (looked && by !== "attempt") response.body;
      if (by === "close") await client.close(reason);
      else await clock.tick(50);
      await assertNothingLeft(client);
      assertEquals(source.cancelled.length, 1, by);
      const failure = await assertRejects(() => response.text(), Error);
      assertStrictEquals<unknown>(failure, source.cancelled[0]);
      await assertRejects(() => response.body!.getReader().read());
      if (by === "close") assertStrictEquals(failure, reason);
      else assertEquals((failure as HTTPTimeoutError).kind, by);
    }
  }
});

Deno.test("a response of a stand-in that does not listen is cancelled when it is given up while it is read", async () => {
  const reason = new Error("given up");
  for (
    const read of [
      (call: ResponsePromise) => call.text(),
      async (call: ResponsePromise) => await (await call).text(),
      async (call: ResponsePromise) => await (await call).blob(),
      async (call: ResponsePromise) => {
        for await (const _ of call.stream());
      },
    ]
  ) {
    const source = new Source(1);
    const caller = new AbortController();
    await using client = new AsyncHTTPClient({
      fetch: () => Promise.resolve(new Response(source.stream)),
      maxConnections: 1,
    });
    const reading = read(client.get(URL, { signal: caller.signal }));
    reading.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 2));
    caller.abort(reason);
    assertStrictEquals(await reading.catch((error) => error), reason);
    assertEquals(source.cancelled, [reason]);
    await assertNothingLeft(client);
  }
});

Deno.test("a stand-in's body of anything but bytes fails its call", async () => {
  await using client = new AsyncHTTPClient({
    fetch: () =>
      Promise.resolve(new Response(ReadableStream.from(["text"]) as never)),
    maxConnections: 1,
  });
  for (
    const read of [
      () => client.get(URL).text(),
      async () => await (await client.get(URL)).text(),
    ]
  ) {
    const error = await assertRejects(read, NetworkError);
    assertStringIncludes(String(error.cause), 'and gave "text"');
    await assertNothingLeft(client);
  }
});

Deno.test("an abort in the moment of the response leaves nothing of it", async () => {
  for (let turns = 0; turns < 30; turns++) {
    const source = new Source();
    const caller = new AbortController();
    const reason = new Error("enough");
    await using client = new AsyncHTTPClient({
      maxConnections: 1,
      hooks: turns % 2 === 0 ? {} : { afterResponse() {} },
      fetch: () => {
        let turn = Promise.resolve();
        for (let count = 0; count < turns; count++) turn = turn.then(() => {});
        turn.then(() => caller.abort(reason));
        return Promise.resolve(new Response(source.stream));
      },
    });
    const failure = await client.get(URL, { signal: caller.signal })
      .then((response) => response.text()).catch((error) => error);
    assertStrictEquals(failure, reason);
    assertEquals(source.cancelled.length, 1, `${turns} turns`);
    await assertNothingLeft(client);
  }
});

Deno.test("an abort in the moment of the response to which nobody looks any more ends the call", async () => {
  for (let turns = 0; turns < 30; turns++) {
    const source = new Source();
    const caller = new AbortController();
    await using client = new AsyncHTTPClient({
      maxConnections: 1,
      fetch: () => {
        let turn = Promise.resolve();
        for (let count = 0; count < turns; count++) turn = turn.then(() => {});
        turn.then(() => caller.abort());
        return Promise.resolve(new Response(source.stream));
      },
    });
    await client.get(URL, { signal: caller.signal }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(source.cancelled.length, 1, `${turns} turns`);
    await assertNothingLeft(client);
  }
});

testWith(
  ["net"],
  "an aborted call has given everything back when it rejects, also in a runner, hedged or retried",
  async () => {
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    for (
      const options of [
        {},
        { runner },
        { hedge: { delay: 1 } },
        { hedge: { delay: 1, max: 3 }, runner },
        { retryPolicy: { baseDelay: 60_000 } },
        { timeout: 60_000, retryPolicy: {}, hooks: { afterResponse() {} } },
      ]
    ) {
      for (const status of [200, 503]) {
        await using server = serveRaw(async ({ index, head, send, socket }) => {
          await head();
          // The first stays silent, as a hedge needs it.
          if (index > 0 || !("hedge" in options)) {
            await send(`HTTP/1.1 ${status} X\r\nContent-Length: 100\r\n\r\n`);
          }
          await closedByPeer(socket);
        });
        await using client = new AsyncHTTPClient({
          maxConnections: 4,
          ...options,
        });
        const caller = new AbortController();
        const reason = new Error("enough");
        const call = client.get(server.url, { signal: caller.signal }).text();
        call.catch(() => {});
        await until(() => server.connections > ("hedge" in options ? 1 : 0));
        await pause(3);
        caller.abort(reason);
        assertStrictEquals(await call.catch((error) => error), reason);
        await assertNothingLeft(client, server);
      }
    }
  },
);

Deno.test("a response that a hook gives too late is cancelled", async () => {
  for (const name of ["beforeRequest", "afterResponse"]) {
    const source = new Source();
    const hook = Promise.withResolvers<Response>();
    const caller = new AbortController();
    await using client = new AsyncHTTPClient({
      fetch: () => Promise.resolve(new Response("ok")),
      hooks: { [name]: () => hook.promise },
    });
    const call = client.get(URL, { signal: caller.signal });
    call.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 0));
    caller.abort();
    await assertRejects(() => call);
    await assertNothingLeft(client);
    hook.resolve(new Response(source.stream));
    await until(() => source.cancelled.length === 1);
    const own = new Source();
    const aborting = new AbortController();
    await assertRejects(() =>
      client.get(URL, {
        signal: aborting.signal,
        hooks: {
          [name]: () => {
            aborting.abort();
            return new Response(own.stream);
          },
        },
      })
    );
    assertEquals(own.cancelled.length, 1);
    await assertNothingLeft(client);
  }
});

Deno.test("timeout.attempt that runs out within afterResponse ends the attempt", async () => {
  using clock = new FakeClock();
  const source = new Source();
  const hook = Promise.withResolvers<void>();
  await using client = new AsyncHTTPClient({
    timeout: { attempt: 50 },
    maxConnections: 1,
    fetch: () => Promise.resolve(new Response(source.stream)),
    hooks: { afterResponse: () => hook.promise },
  });
  const call = client.get(URL);
  call.catch(() => {});
  await clock.tick(50);
  hook.resolve();
  const error = await assertRejects(() => call, HTTPTimeoutError);
  assertEquals(error.kind, "attempt");
  assertEquals(source.cancelled.length, 1);
  await assertNothingLeft(client);
});

testWith(
  ["net"],
  "afterResponse may answer with a response around the same body",
  async () => {
    await using server = serve(() => new Response("the same"));
    await using client = new AsyncHTTPClient({
      hooks: {
        afterResponse: ({ response }) =>
          new Response(response.body, { status: 201 }),
      },
    });
    const response = await client.get(server.url);
    assertEquals([response.status, await response.text()], [201, "the same"]);
    assertEquals(await client.get(server.url).text(), "the same");
    await assertNothingLeft(client);
  },
);

Deno.test("a client in another one's fetch, or in a hook, hears of the end of what it has handed out", async () => {
  const sources: Source[] = [];
  await using inner = new AsyncHTTPClient({
    maxConnections: 1,
    fetch: (url) => {
      sources.push(new Source());
      return Promise.resolve(
        url.endsWith("busy")
          ? new Response(sources.at(-1)!.stream, { status: 503 })
          : new Response("inner"),
      );
    },
  });
  await using through = new AsyncHTTPClient({
    maxConnections: 1,
    retryPolicy: { maxRetries: 1, baseDelay: 0 },
    fetch: (url, init) => inner.request(String(init.method), url),
  });
  await using hooked = new AsyncHTTPClient({
    maxConnections: 1,
    fetch: () => Promise.resolve(new Response("outer")),
    hooks: { afterResponse: () => inner.get(URL) },
  });
  for (const outer of [through, hooked]) {
    assertEquals(await outer.get(URL).text(), "inner");
    assertEquals(await (await outer.get(URL)).text(), "inner");
    await assertNothingLeft(outer);
    await assertNothingLeft(inner);
    const response = await outer.get(URL);
    await outer.close();
    await assertRejects(() => response.text());
    await assertNothingLeft(inner);
  }
  await using retrying = new AsyncHTTPClient({
    retryPolicy: { maxRetries: 1, baseDelay: 0 },
    fetch: (url, init) => inner.request(String(init.method), url),
  });
  await assertRejects(() => retrying.get(`${URL}busy`).text(), HTTPStatusError);
  await assertNothingLeft(retrying);
  await assertNothingLeft(inner);
  assertEquals(
    sources.slice(-2).map(({ cancelled }) => cancelled.length),
    [1, 1],
  );
});

Deno.test("a client whose fetch hands on another one's response rejects when its body is held by somebody else", async () => {
  await using inner = new AsyncHTTPClient({
    fetch: () => Promise.resolve(new Response("inner")),
  });
  await using outer = new AsyncHTTPClient({
    maxConnections: 1,
    fetch: async (url) => {
      const response = await inner.get(String(url));
      response.body!.getReader();
      return response;
    },
  });
  await assertRejects(() => outer.get(URL).text(), TypeError);
  await assertNothingLeft(outer);
});

Deno.test("withRetry() cancels the response that retryOn throws at", async () => {
  const source = new Source();
  const thrown = new Error("mine");
  const failure = await withRetry(() => new Response(source.stream), {
    retryOn: () => {
      throw thrown;
    },
  }).catch((error) => error);
  assertStrictEquals(failure, thrown);
  assertEquals(source.cancelled.length, 1);
});

Deno.test("asyncBatchRequests() cancels a response that map has begun to read when map throws", async () => {
  const sources: Source[] = [];
  const thrown = new Error("mine");
  await using client = new AsyncHTTPClient({
    // The second one waits for the place of the first.
    maxConnections: 1,
    fetch: () => {
      sources.push(new Source(1));
      return Promise.resolve(new Response(sources.at(-1)!.stream));
    },
  });
  const results = await asyncBatchRequests([URL, URL], {
    client,
    settled: true,
    map: async (response) => {
      await response.body!.getReader().read();
      throw thrown;
    },
  });
  const rejected = { status: "rejected" as const, reason: thrown };
  assertEquals(results, [rejected, rejected]);
  assertEquals(sources.map(({ cancelled }) => cancelled.length), [1, 1]);
  await assertNothingLeft(client);
});

Deno.test("AsyncHTTPClient.close() resolves with the end of the last call, and polls nothing", async () => {
  using clock = new FakeClock();
  const source = new Source();
  const silent = Promise.withResolvers<Response>();
  const client = new AsyncHTTPClient({
    fetch: (url) =>
      url.endsWith("silent")
        ? silent.promise
        : Promise.resolve(new Response(source.stream)),
  });
  const pending = client.get(`${URL}silent`);
  pending.catch(() => {});
  await client.get(URL);
  let isClosed = false;
  const closing = Promise.all([client.close(), client.close()])
    .then(() => isClosed = true);
  // No timer fires in here.
  await clock.settle();
  assertEquals(isClosed, true);
  await closing;
  await assertNothingLeft(client);
  await assertRejects(() => pending);
});

testWith(
  ["net"],
  "AsyncHTTPClient.close() waits for every call, each of which ends in its own time",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      const isBusy = (await head()).startsWith("GET /busy");
      if (isBusy) await send("HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno");
      await closedByPeer(socket);
    });
    const client = new AsyncHTTPClient({
      maxConnections: 2,
      retryPolicy: { baseDelay: 60_000 },
    });
    const calls = ["/silent", "/busy", "/waiting"].map((path) => {
      const call = client.get(server.url + path);
      call.catch(() => {});
      return call;
    });
    // In flight, in backoff, and in flight in its place.
    await until(() => client.stats.waiting === 1);
    await until(() => client.stats.waiting === 0);
    assertEquals(client.stats, { calls: 3, connections: 2, waiting: 0 });
    await client.close();
    await assertNothingLeft(client, server);
    for (const call of calls) await assertRejects(() => call);
  },
);

// Requests

testWith(
  ["net"],
  "a stream that was to be sent is closed when its request cannot be made or its connection fails",
  async () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    await using client = new AsyncHTTPClient({ maxConnections: 1 });
    for (
      const [url, headers, expected] of [
        [`http://127.0.0.1:${port}/`, {}, "NetworkError"],
        ["http://[bad", {}, "InvalidRequestError"],
        [`http://127.0.0.1:${port}/`, { "a b": "c" }, "InvalidRequestError"],
      ] as const
    ) {
      for (
        const body of [
          ({ stream }: Source) => stream,
          ({ stream }: Source) => () => stream,
          ({ stream }: Source) => AsyncStream.from(stream),
          ({ stream }: Source) => () => Promise.resolve(stream),
        ]
      ) {
        const source = new Source();
        const error = await assertRejects(
          () => client.put(url, { headers, body: body(source) }),
          Error,
        );
        assertEquals(error.name, expected);
        await until(() => source.cancelled.length === 1);
        await assertNothingLeft(client);
      }
    }
  },
);

Deno.test("a stream that no attempt has taken stays whole", async () => {
  const circuitBreaker = new CircuitBreaker({ failureThreshold: 1 });
  circuitBreaker.trip();
  const source = new Source();
  await using client = new AsyncHTTPClient({ circuitBreaker });
  await assertRejects(() => client.put(URL, { body: source.stream }));
  await assertRejects(() =>
    client.put(URL, { body: source.stream, signal: AbortSignal.abort() })
  );
  assertEquals([source.cancelled.length, source.stream.locked], [0, false]);
});

testWith(
  ["net"],
  "a stream that is being sent is closed when the server refuses it early, with its socket",
  async () => {
    // Neither reads on nor hangs up.
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch");
      await closedByPeer(socket);
    });
    for (const chunks of [1, Infinity]) {
      for (
        const read of [
          (call: ResponsePromise) => call.text(),
          async (call: ResponsePromise) => {
            const response = await call;
            assertEquals(await response.text(), "much");
            throw new HTTPStatusError({ response, method: "PUT", url: URL });
          },
        ]
      ) {
        await using client = new AsyncHTTPClient({ maxConnections: 1 });
        const source = new Source(chunks);
        const error = await assertRejects(
          () => read(client.put(server.url, { body: source.stream })),
          HTTPStatusError,
        );
        assertEquals(error.status, 413);
        await until(() => source.cancelled.length === 1);
        await assertNothingLeft(client, server);
      }
    }
  },
);

testWith(
  ["net"],
  "a stream that is being sent is closed when nobody wants the answer that came early, with its socket",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      await closedByPeer(socket);
    });
    const reason = new Error("enough");
    for (const by of ["signal", "close", "map"]) {
      const client = new AsyncHTTPClient({ maxConnections: 1 });
      const source = new Source(1);
      const caller = new AbortController();
      const options = { body: source.stream, signal: caller.signal };
      if (by === "map") {
        const request = { url: server.url, method: "PUT", ...options };
        await asyncBatchRequests([request], { client, map: () => {} });
      } else {
        await client.put(server.url, options);
        // All of the answer is there, only it is not read.
        await pause(10);
        if (by === "signal") caller.abort(reason);
        else await client.close(reason);
      }
      await until(() => source.cancelled.length === 1);
      await assertNothingLeft(client, server);
      await client.close();
    }
  },
);

testWith(
  ["net"],
  "a body that is made for each attempt is closed when the attempt is refused or redirected early",
  async () => {
    let busy = 0;
    await using server = serveRaw(async ({ head, send, socket }) => {
      const text = await head();
      if (text.startsWith("PUT /moved")) {
        await send(
          "HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: /busy\r\n\r\n",
        );
      } else if (text.startsWith("PUT /busy") && busy++ < 2) {
        await send("HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno");
      } else await send("HTTP/1.1 400 X\r\nContent-Length: 2\r\n\r\nno");
      await closedByPeer(socket);
    });
    await using client = new AsyncHTTPClient({
      maxConnections: 1,
      retryPolicy: { maxRetries: 5, baseDelay: 0 },
    });
    const sources: Source[] = [];
    const response = await client.put(`${server.url}/moved`, {
      body: () => {
        const source = new Source(1);
        sources.push(source);
        return source.stream;
      },
    });
    assertEquals([response.status, await response.text()], [400, "no"]);
    // Each of the three attempts was redirected.
    assertEquals(sources.length, 6);
    await until(() => sources.every(({ cancelled }) => cancelled.length === 1));
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "a stream that has been sent whole is not closed again, whatever comes of it",
  async () => {
    await using server = serve(async (request) => {
      await request.bytes();
      return new Response("no", { status: 400 });
    });
    await using client = new AsyncHTTPClient();
    let closed = 0;
    const chunks = async function* () {
      try {
        yield await Promise.resolve(new Uint8Array(10));
      } finally {
        closed++;
      }
    };
    await assertRejects(
      () => client.put(server.url, { body: chunks() }).text(),
      HTTPStatusError,
    );
    assertEquals(closed, 1);
    await assertNothingLeft(client);
  },
);
