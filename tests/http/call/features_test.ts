import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import * as v from "valibot";
import { z } from "zod";
import {
  AsyncHTTPClient,
  HedgeLostError,
  RetryError,
  SchemaError,
} from "../../../http/mod.ts";
import { joinURL } from "../../../http/request/request.ts";
import { hedgeBy } from "../../../http/retry/hedge.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { closedByPeer, serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

const fast = { maxRetries: 3, baseDelay: 1, jitter: "none" } as const;
/** Answers with what was asked. */
const echo = (url: string, init: RequestInit) => {
  const request = new Request(url, init);
  return Promise.resolve(
    Response.json({
      url,
      headers: Object.fromEntries(request.headers),
      method: request.method,
    }),
  );
};

Deno.test("baseUrl is joined with one slash, absolute URLs stand for themselves, queries merge", async () => {
  for (
    const [base, path, joined] of [
      ["http://h/api", "users", "http://h/api/users"],
      ["http://h/api/", "/users", "http://h/api/users"],
      ["http://h/api/", "//users", "http://h/api/users"],
      ["http://h", "", "http://h"],
      ["http://h/api?k=1", "users", "http://h/api/users?k=1"],
      ["http://h/api?k=1#f", "users?a=2#g", "http://h/api/users?k=1&a=2#g"],
      ["http://h/api", "?a=1", "http://h/api?a=1"],
      ["http://h/api", "\\\\evil.example/x", "http://h/api/evil.example/x"],
    ] as const
  ) {
    assertEquals(joinURL(base, path), joined);
  }
  await using client = new AsyncHTTPClient({
    baseUrl: "http://h/api",
    fetch: echo,
  });
  const urlOf = async (...args: Parameters<AsyncHTTPClient["get"]>) =>
    (await client.get(...args).json<{ url: string }>()).url;
  assertEquals(await urlOf("http://other/x"), "http://other/x");
  assertEquals(await urlOf(new URL("http://other/x")), "http://other/x");
  assertEquals(
    await urlOf("x?a=1&b=2", {
      query: { b: [3, 4], c: null, d: true, e: new Date(0) },
    }),
    "http://h/api/x?a=1&b=3&b=4&d=true&e=1970-01-01T00%3A00%3A00.000Z",
  );
  assertEquals(
    await urlOf("x?a=1", { query: "a=2&a=3" }),
    "http://h/api/x?a=2&a=3",
  );
});

Deno.test("headers may be a Map, or any pairs", async () => {
  await using client = new AsyncHTTPClient({
    fetch: (_url, { headers }) => Promise.resolve(Response.json(headers)),
  });
  const sent = await client.get("http://h/", {
    headers: new Map([["X-A", "1"], ["x-a", "2"]]) as never,
  }).json();
  assertEquals(sent, { "x-a": "1, 2" });
});

Deno.test("headers of a call are laid over the client's, null takes one away", async () => {
  await using client = new AsyncHTTPClient({
    headers: { "X-One": "1", "X-Two": "2" },
    fetch: echo,
  });
  const headersOf = async (
    headers: HeadersInit | Record<string, string | null>,
  ) =>
    (await client.get("http://h/", { headers }).json<
      { headers: Record<string, string> }
    >()).headers;
  assertEquals(await headersOf({ "x-two": "3", "X-One": null }), {
    "x-two": "3",
  });
  assertEquals(await headersOf(new Headers({ "x-three": "3" })), {
    "x-one": "1",
    "x-two": "2",
    "x-three": "3",
  });
  assertEquals(await headersOf([["x-one", "a"], ["X-One", "b"]]), {
    "x-one": "a, b",
    "x-two": "2",
  });
});

testWith(["net"], "json and form set the body and its type", async () => {
  await using server = serve(async (request) =>
    new Response(
      `${request.method} ${
        request.headers.get("content-type")?.split(";")[0]
      } ${await request.text()}`,
    )
  );
  await using client = new AsyncHTTPClient();
  assertEquals(
    await client.post(server.url, { json: { a: 1 } }).text(),
    'POST application/json {"a":1}',
  );
  assertEquals(
    await client.put(server.url, {
      json: null,
      headers: { "content-type": "x/y" },
    }).text(),
    "PUT x/y null",
  );
  assertEquals(
    await client.post(server.url, { form: { a: 1, b: ["x", "y"] } }).text(),
    "POST application/x-www-form-urlencoded a=1&b=x&b=y",
  );
  const form = new FormData();
  form.set("a", "1");
  assert(
    (await client.post(server.url, { form }).text()).startsWith(
      "POST multipart/form-data",
    ),
  );
  await assertRejects(
    () => client.post(server.url, { json: 1, body: "x" }),
    TypeError,
    "exclude each other",
  );
  await assertRejects(
    () => client.get(server.url, { json: 1 }),
    TypeError,
    "has no body",
  );
});

testWith(
  ["net"],
  "json and text resolve on 204, 205 and HEAD, json rejects on an empty 200 and on 304",
  async () => {
    await using server = serve((request) => {
      const status = Number(new URL(request.url).pathname.slice(1));
      return new Response(status === 200 ? "" : null, { status });
    });
    await using client = new AsyncHTTPClient({ baseUrl: server.url });
    assertEquals(await client.get("204").json(), undefined);
    assertEquals(await client.get("205").json(), undefined);
    assertEquals(await client.head("200").json(), undefined);
    assertEquals(await client.get("204").text(), "");
    assertEquals(await client.get("200").text(), "");
    assertEquals((await client.get("304")).status, 304);
    await assertRejects(
      () => client.get("200").json(),
      Error,
      "empty body, which is no JSON",
    );
    await assertRejects(
      () => client.get("304").json(),
      Error,
      "was answered 304",
    );
  },
);

testWith(
  ["net"],
  "secrets are not sent to another origin after a redirect, other headers are",
  async () => {
    const secret = {
      authorization: "a",
      cookie: "b",
      "x-api-key": "c",
      "x-mine": "d",
      "x-other": "e",
    };
    await using other = serve((request) =>
      Response.json(Object.fromEntries(request.headers))
    );
    await using server = serve((request) =>
      new URL(request.url).pathname === "/here"
        ? Response.json(Object.fromEntries(request.headers))
        : new Response(null, {
          status: 302,
          headers: { location: new URL(request.url).searchParams.get("to")! },
        })
    );
    await using client = new AsyncHTTPClient({
      headers: secret,
      secretHeaders: ["X-Mine"],
    });
    const sentTo = async (to: string) => {
      const headers = await client.get(`${server.url}/`, { query: { to } })
        .json<Record<string, string>>();
      return Object.keys(secret).filter((name) => name in headers);
    };
    assertEquals(await sentTo("/here"), Object.keys(secret));
    assertEquals(await sentTo(`${other.url}/there`), ["x-other"]);
    const response = await client.get(`${server.url}/`, {
      query: { to: `${other.url}/there` },
    });
    assertEquals([response.redirected, response.url], [
      true,
      `${other.url}/there`,
    ]);
    await response.body?.cancel();
  },
);

testWith(
  ["net"],
  "a redirected POST becomes a GET after 301, 302 and 303, and stays after 307 and 308",
  async () => {
    await using server = serve(async (request) => {
      const { pathname } = new URL(request.url);
      return pathname === "/end"
        ? new Response(
          `${request.method} ${
            request.headers.get("content-type")
          } ${await request.text()}`,
        )
        : new Response(null, {
          status: Number(pathname.slice(1)),
          headers: { location: "/end" },
        });
    });
    await using client = new AsyncHTTPClient({ baseUrl: server.url });
    for (const status of ["301", "302", "303"]) {
      assertEquals(await client.post(status, { json: 1 }).text(), "GET null ");
    }
    for (const status of ["307", "308"]) {
      assertEquals(
        await client.post(status, { json: 1 }).text(),
        "POST application/json 1",
      );
      assertEquals(
        await client.post(status, { body: () => new Blob(["made"]).stream() })
          .text(),
        "POST null made",
      );
    }
    assertEquals(
      await client.put("301", { json: 1 }).text(),
      "PUT application/json 1",
    );
  },
);

testWith(
  ["net"],
  "maxResponseBytes counts what a compressed body becomes",
  async () => {
    const bomb = new Blob([new Uint8Array(10_000_000)]).stream().pipeThrough(
      new CompressionStream("gzip"),
    );
    const bytes = await new Response(bomb).bytes();
    await using server = serve(() =>
      new Response(bytes, { headers: { "content-encoding": "gzip" } })
    );
    await using client = new AsyncHTTPClient({ maxResponseBytes: 100_000 });
    await assertRejects(
      () => client.get(server.url).bytes(),
      Error,
      "larger than maxResponseBytes",
    );
    assertEquals(
      (await client.get(server.url, { maxResponseBytes: 10_000_000 }).bytes())
        .length,
      10_000_000,
    );
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "hooks change the request, short-circuit, ask for a retry, replace the response and the error",
  async () => {
    await using server = serve((request, index) =>
      Response.json({
        index,
        path: new URL(request.url).pathname,
        x: request.headers.get("x"),
      })
    );
    const seen: string[] = [];
    await using client = new AsyncHTTPClient({
      retryPolicy: fast,
      hooks: {
        beforeRequest({ request }) {
          seen.push("beforeRequest");
          if (request.url.endsWith("/cached")) return Response.json("cached");
          request.headers.set("x", "hooked");
          request.url = request.url.replace("/old", "/new");
        },
        beforeRetry({ attempt, request }) {
          seen.push(`beforeRetry ${attempt}`);
          request.headers.set("x", "again");
        },
        async afterResponse({ response, retry, attempt }) {
          seen.push("afterResponse");
          const { path } = await response.clone().json();
          if (path === "/again" && attempt === 1) return retry;
          if (path === "/other") return Response.json("other");
        },
        beforeError: ({ error }) => new Error("wrapped", { cause: error }),
      },
    });
    assertEquals(await client.get(`${server.url}/old`).json(), {
      index: 0,
      path: "/new",
      x: "hooked",
    });
    assertEquals(await client.get(`${server.url}/cached`).json(), "cached");
    assertEquals(server.requests.length, 1);
    assertEquals(await client.get(`${server.url}/other`).json(), "other");
    seen.length = 0;
    assertEquals(await client.post(`${server.url}/again`).json(), {
      index: 3,
      path: "/again",
      x: "again",
    });
    assertEquals(seen, [
      "beforeRequest",
      "afterResponse",
      "beforeRetry 1",
      "afterResponse",
    ]);
    const error = await assertRejects(
      () => client.get("http://127.0.0.1:1/"),
      Error,
      "wrapped",
    );
    assertInstanceOf(error.cause, TypeError);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "a hook may end the retries, and its failure is the call's",
  async () => {
    await using server = serve(() => new Response("busy", { status: 503 }));
    await using client = new AsyncHTTPClient({ retryPolicy: fast });
    await assertRejects(
      () => client.get(server.url, { hooks: { beforeRetry: () => false } }),
      Error,
      "503",
    );
    assertEquals(server.requests.length, 1);
    const reason = new Error("hook");
    for (
      const hooks of [
        { beforeRequest: () => Promise.reject(reason) },
        { afterResponse: () => Promise.reject(reason) },
      ]
    ) {
      assertStrictEquals(
        await client.get(server.url, { hooks }).catch((error) => error),
        reason,
      );
      await assertNothingLeft(client);
    }
  },
);

testWith(
  ["net"],
  "auth is renewed once on 401 for many concurrent calls",
  async () => {
    let valid = "token-2";
    await using server = serve((request) =>
      request.headers.get("authorization") === `Bearer ${valid}`
        ? new Response("in")
        : new Response("out", { status: 401 })
    );
    const asked: (string | undefined)[] = [];
    await using client = new AsyncHTTPClient({
      baseUrl: server.url,
      auth: {
        async token({ expired }) {
          asked.push(expired);
          await new Promise((resolve) => setTimeout(resolve, 5));
          return `token-${asked.length}`;
        },
      },
    });
    const calls = () =>
      Promise.all(Array.from({ length: 20 }, () => client.get("/").text()));
    assertEquals(new Set(await calls()), new Set(["in"]));
    assertEquals(asked, [undefined, "token-1"]);
    valid = "token-3";
    await calls();
    assertEquals(asked, [undefined, "token-1", "token-2"]);
    // A second 401 is the answer.
    valid = "none";
    assertEquals((await client.get("/").catch((error) => error)).status, 401);
    assertEquals(asked.length, 4);
  },
);

testWith(
  ["net"],
  "auth stays with the origin of baseUrl, and an abort ends one caller's wait only",
  async () => {
    await using other = serve((request) =>
      new Response(request.headers.get("authorization"))
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    await using client = new AsyncHTTPClient({
      baseUrl: "http://h",
      auth: { token: () => promise },
      fetch: echo,
    });
    const controller = new AbortController();
    const reason = new Error("mine");
    const first = client.get("/", { signal: controller.signal }).json().catch((
      error,
    ) => error);
    const second = client.get("/").json<{ headers: Record<string, string> }>();
    controller.abort(reason);
    assertStrictEquals(await first, reason);
    resolve("t");
    assertEquals((await second).headers["authorization"], "Bearer t");
    await using basic = new AsyncHTTPClient({
      auth: { username: "ü", password: "p" },
    });
    assertEquals(await basic.get(other.url).text(), "Basic w7w6cA==");
    await using own = new AsyncHTTPClient({
      baseUrl: "http://h",
      auth: "secret",
    });
    assertEquals(await own.get(other.url).text(), "");
  },
);

testWith(
  ["net"],
  "hedge sends a second request when the first is slow, and cancels the loser",
  async () => {
    let lost = 0;
    await using server = serveRaw(async ({ index, head, send, socket }) => {
      await head();
      if (index === 0) {
        await closedByPeer(socket);
        lost++;
      } else {await send(
          "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond",
        );}
    });
    await using client = new AsyncHTTPClient({
      hedge: { delay: 20 },
      maxConnections: 5,
    });
    assertEquals(await client.get(server.url).text(), "second");
    while (lost === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await assertNothingLeft(client, server);
    // A POST is not sent twice.
    const before = server.connections;
    assertEquals(await client.post(server.url, { body: "x" }).text(), "second");
    assertEquals(server.connections, before + 1);
  },
);

Deno.test("hedgeBy() waits for the others when one fails, keeps what was not accepted in reserve, and discards the rest", async () => {
  using clock = new FakeClock();
  const gates: PromiseWithResolvers<string>[] = [];
  const signals: AbortSignal[] = [];
  const discarded: string[] = [];
  const rules = {
    accept: (value: string) => value !== "bad",
    allow: () => true,
    discard: (value: string) => void discarded.push(value),
  };
  const start = () =>
    hedgeBy(rules, ({ signal }) => {
      const gate = Promise.withResolvers<string>();
      gates.push(gate);
      signals.push(signal);
      return gate.promise;
    }, { delay: 10, max: 2 });
  const pending = start();
  await clock.tick(10);
  gates[0]!.reject(new Error("first"));
  await clock.tick(9);
  assertEquals(gates.length, 2);
  gates[1]!.resolve("bad");
  await clock.tick(1);
  assertEquals(
    gates.length,
    2,
    "a race whose competitors have all ended starts no more",
  );
  assertEquals(await pending, "bad");
  const failing = start().catch((error) => error);
  await clock.tick(20);
  for (const gate of gates.slice(2)) gate.reject(new Error("all"));
  assertEquals((await failing).message, "all");
  const winning = start();
  await clock.tick(10);
  gates.at(-1)!.resolve("won");
  assertEquals(await winning, "won");
  assertInstanceOf(signals.at(-2)!.reason, HedgeLostError);
  gates.at(-2)!.resolve("late");
  await clock.settle();
  assertEquals(discarded, ["late"]);
});

testWith(
  ["net"],
  "json(schema) returns a Standard Schema's output and names what does not fit",
  async () => {
    await using client = new AsyncHTTPClient({
      fetch: () => Promise.resolve(Response.json({ user: { age: "42" } })),
    });
    const zod = z.object({ user: z.object({ age: z.coerce.number() }) });
    const parsed: { user: { age: number } } = await client.get("http://h/")
      .json(zod);
    assertEquals(parsed, { user: { age: 42 } });
    const error = await assertRejects(
      () =>
        client.get("http://h/?key=SECRET").json(
          v.object({ user: v.object({ age: v.number() }) }),
        ),
      SchemaError,
    );
    await assertNothingLeft(client);
    assert(
      error.message.includes("user.age: ") &&
        !Deno.inspect(error).includes("SECRET"),
      error.message,
    );
    await assertRejects(
      () => client.get("http://h/").json({} as never),
      TypeError,
      "must be a Standard Schema",
    );
  },
);

testWith(
  ["net"],
  "maxPerHost and maxConnections bound the connections in use, fair between hosts",
  async () => {
    let open = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    await using slow = serve(async () => {
      most = Math.max(most, ++open);
      await gate.promise;
      open--;
      return new Response("slow");
    });
    await using quick = serve(() => new Response("quick"));
    await using client = new AsyncHTTPClient({
      maxConnections: 4,
      maxPerHost: 3,
    });
    const waiting = Array.from(
      { length: 30 },
      () => client.get(slow.url).text(),
    );
    for (let call = 0; call < 10; call++) {
      assertEquals(await client.get(quick.url).text(), "quick");
    }
    assertEquals(client.stats, { calls: 30, connections: 3, waiting: 27 });
    gate.resolve();
    await Promise.all(waiting);
    assertEquals(most, 3);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "a call that waits for a connection leaves the line when aborted",
  async () => {
    await using server = serveRaw(({ socket }) => closedByPeer(socket));
    await using client = new AsyncHTTPClient({ maxConnections: 1 });
    const controller = new AbortController();
    const first = client.get(server.url, { signal: controller.signal }).catch((
      error,
    ) => error);
    const second = client.get(server.url, { signal: controller.signal }).catch((
      error,
    ) => error);
    const reason = new Error("all of them");
    controller.abort(reason);
    assertEquals(await Promise.all([first, second]), [reason, reason]);
    await assertNothingLeft(client, server);
  },
);

testWith(["net"], "sendOnce uses a connection of its own", async () => {
  const remotes = new Set<string>();
  await using server = serveRaw(async ({ head, send, index, socket }) => {
    remotes.add(String(index));
    while ((await head()) !== "") {
      await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    await closedByPeer(socket);
  });
  await using client = new AsyncHTTPClient();
  for (let call = 0; call < 3; call++) {
    await client.post(server.url, { body: "x" }).text();
  }
  assertEquals(server.connections, 1);
  for (let call = 0; call < 3; call++) {
    await client.post(server.url, { body: "x", sendOnce: true }).text();
  }
  assertEquals(server.connections, 4);
});

Deno.test("RetryError of a client holds every attempt's failure", async () => {
  let attempt = 0;
  await using client = new AsyncHTTPClient({
    retryPolicy: fast,
    fetch: () =>
      ++attempt % 2
        ? Promise.resolve(new Response("no", { status: 503 }))
        : Promise.reject(new TypeError("fetch failed")),
  });
  const error = await assertRejects(
    () => client.get("http://h/?token=SECRET"),
    RetryError,
  );
  assertEquals(error.errors.map((each) => each.name), [
    "HTTPStatusError",
    "NetworkError",
    "HTTPStatusError",
    "NetworkError",
  ]);
  assert(!Deno.inspect(error).includes("SECRET"));
  await assertNothingLeft(client);
});

Deno.test("AsyncHTTPClient names the option that is wrong", () => {
  const wrong = (options: Record<string, unknown>, message: string) => {
    try {
      new AsyncHTTPClient(options);
    } catch (error) {
      assert(
        (error as Error).message.startsWith(message),
        (error as Error).message,
      );
      return;
    }
    throw new Error(`accepted ${Deno.inspect(options)}`);
  };
  wrong({ baseUrl: "/relative" }, "baseUrl must be an absolute address");
  wrong(
    { maxConnections: 0 },
    "maxConnections must be a positive integer or Infinity, got 0",
  );
  wrong({ maxPerHost: -1 }, "maxPerHost must be");
  wrong({ maxResponseBytes: 1.5 }, "maxResponseBytes must be");
  wrong({ maxRedirects: -1 }, "maxRedirects must be");
  wrong({ retryPolicy: 3 }, "retryPolicy must be");
  wrong({ circuitBreaker: 3 }, "circuitBreaker must be");
  wrong({ hedge: { delay: -1 } }, "hedge.delay must be");
  wrong({ auth: 3 }, "auth must be");
  wrong(
    { hooks: { beforeRequest: 1 } },
    "hooks.beforeRequest must be a function",
  );
  wrong({ runner: {} }, "runner must have a submit method");
  wrong({ fetch: 1 }, "fetch must be a function");
});
