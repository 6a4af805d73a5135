/** Features of the client two and three at once, at the worst moment: nothing hangs or is kept. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  asyncBatchRequests,
  asyncDownload,
  AsyncHTTPClient,
  type AsyncHTTPClientOptions,
  asyncUpload,
  type BatchRequestOptions,
  type DownloadOptions,
  HTTPStatusError,
  HTTPTimeoutError,
  type RequestOptions,
  type UploadOptions,
} from "../../../mod.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { serve } from "../../support/http_servers.ts";

const NOTHING = { calls: 0, connections: 0, waiting: 0 };

/** A body without end. */
function endless(): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => timer = setTimeout(resolve, 1));
      controller.enqueue(new Uint8Array(10));
    },
    cancel: () => clearTimeout(timer),
  });
}

/** What stands in for fetch: answers the first call late or never, listening to the signal. */
function answers(
  ...make: ((signal: AbortSignal) => Promise<Response>)[]
): AsyncHTTPClientOptions["fetch"] {
  let index = 0;
  return (_url, init) => make[index++]!(init.signal!); // as many as the test asks for
}

function never(signal: AbortSignal): Promise<Response> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

Deno.test("a hedged call gives back an answer kept in reserve when it is aborted", async () => {
  const second = Promise.withResolvers<void>();
  await using client = new AsyncHTTPClient({
    hedge: { delay: 1 },
    maxConnections: 2,
    fetch: answers(async () => {
      await second.promise;
      kept.resolve();
      return new Response(endless(), { status: 503 });
    }, (signal) => {
      second.resolve();
      return never(signal);
    }),
  });
  const kept = Promise.withResolvers<void>();
  const caller = new AbortController();
  const call = client.get("http://localhost/", { signal: caller.signal });
  await kept.promise;
  await new Promise((resolve) => setTimeout(resolve, 5));
  const reason = new Error("given up");
  caller.abort(reason);
  assertEquals(await assertRejects(() => call), reason);
  await assertNothingLeft(client);
});

Deno.test("AsyncHTTPClient.close() ends an unread response that the second hedged request won", async () => {
  const client = new AsyncHTTPClient({
    hedge: { delay: 1 },
    fetch: answers(never, () => Promise.resolve(new Response(endless()))),
  });
  assertEquals((await client.get("http://localhost/")).status, 200);
  await client.close();
  await assertNothingLeft(client);
});

Deno.test("timeout.total ends a call whose hook never settles", async () => {
  for (const hook of ["beforeRequest", "afterResponse", "beforeRetry"]) {
    await using client = new AsyncHTTPClient({
      hooks: { [hook]: () => new Promise(() => {}) },
      timeout: { total: 20 },
      retryPolicy: { baseDelay: 0 },
      fetch: () => Promise.resolve(new Response(endless(), { status: 503 })),
    });
    const error = await assertRejects(
      () => client.get("http://localhost/"),
      HTTPTimeoutError,
    );
    assertEquals(error.kind, "total", hook);
    await assertNothingLeft(client);
  }
});

Deno.test("timeout.attempt ends an attempt whose body function never settles, and closes a body made too late", async () => {
  const closed = Promise.withResolvers<void>();
  await using client = new AsyncHTTPClient({
    timeout: { attempt: 10 },
    maxConnections: 1,
    fetch: () => Promise.resolve(new Response("")),
  });
  const late = Promise.withResolvers<ReadableStream<Uint8Array<ArrayBuffer>>>();
  await assertRejects(
    () => client.put("http://localhost/", { body: () => late.promise }),
    HTTPTimeoutError,
  );
  await assertNothingLeft(client);
  late.resolve(new ReadableStream({ cancel: () => closed.resolve() }));
  await closed.promise;
});

Deno.test("hooks.beforeRequest that answers itself leaves nothing of the call behind", async () => {
  await using client = new AsyncHTTPClient({
    hooks: { beforeRequest: () => new Response("unread") },
  });
  assertEquals((await client.get("http://localhost/")).status, 200);
  assertEquals(client.stats, NOTHING);
  assertEquals(await client.get("http://localhost/").text(), "unread");
});

testWith(
  ["net"],
  "hooks.afterResponse may answer without a body, or have read it: no connection is kept",
  async () => {
    await using server = serve((request) =>
      new Response("text", { status: request.url.endsWith("/500") ? 500 : 200 })
    );
    await using replacing = new AsyncHTTPClient({
      maxConnections: 1,
      hooks: { afterResponse: () => new Response(null) },
    });
    await replacing.get(server.url);
    assertEquals(replacing.stats, NOTHING);
    await using reading = new AsyncHTTPClient({
      maxConnections: 1,
      retryPolicy: { baseDelay: 0 },
      hooks: {
        afterResponse: async ({ response }) => void await response.text(),
      },
    });
    assertEquals((await reading.get(server.url)).bodyUsed, true);
    assertEquals(reading.stats, NOTHING);
    const before = server.requests.length;
    await assertRejects(
      () => reading.get(server.url).json(),
      TypeError,
      "clone()",
    );
    assertEquals(
      server.requests.length,
      before + 1,
      "no failure of the network",
    );
    await assertRejects(
      () => reading.get(`${server.url}/500`).json(),
      HTTPStatusError,
    );
    await assertNothingLeft(reading);
  },
);

Deno.test("credentials are sent with each attempt, whichever hooks there are", async () => {
  const sent: (string | null)[] = [];
  await using client = new AsyncHTTPClient({
    auth: { token: () => "one" },
    retryPolicy: { baseDelay: 0 },
    hooks: { beforeRequest() {}, beforeRetry() {} },
    fetch: (_url, { headers }) => {
      sent.push(new Headers(headers).get("authorization"));
      return Promise.resolve(
        new Response("", { status: sent.length < 3 ? 503 : 200 }),
      );
    },
  });
  await client.get("http://localhost/").text();
  assertEquals(sent, ["Bearer one", "Bearer one", "Bearer one"]);
});

testWith(
  ["net"],
  "no error shows a secret of an address, in its message, stack or cause",
  async () => {
    await using server = serve(() =>
      new Response(null, {
        status: 302,
        headers: { location: "http://[bad?token=SECRET" },
      })
    );
    await using client = new AsyncHTTPClient();
    const calls = [
      () =>
        client.get(
          "http://user:SECRET@127.0.0.1:1/@scope/name?a=SECRET#SECRET",
        ),
      () => client.get("/relative?token=SECRET", { query: { page: 1 } }),
      () => client.get("http://user:SECRET@[bad/?token=SECRET"),
      () =>
        client.get("http://user:SECRET@[bad/?token=SECRET", { query: "a=1" }),
      () => client.get(`${server.url}/?token=SECRET`),
      () => client.get(`${server.url}?SECRET`),
      () =>
        client.get(server.url, {
          headers: { authorization: "SECRET\nSECRET" },
        }),
    ];
    for (const call of calls) {
      const error = await assertRejects(() => call().text(), Error);
      await assertNothingLeft(client);
      const { cause } = error;
      const shown = Deno.inspect(error, { depth: 9 }) + error.stack +
        (cause instanceof Error ? cause.message + cause.stack : "");
      assert(!shown.includes("SECRET"), shown);
    }
  },
);

/** Options that are wrong on purpose, whatever the types say. */
const wrongOnes: [Record<string, unknown>, string][] = [
  [{ signal: 5 }, "signal must be an AbortSignal, got 5"],
  [{ priority: "high" }, "priority must be a TaskPriority (0 CRITICAL to 4"],
  [{ priority: 9 }, "priority must be a TaskPriority (0 CRITICAL to 4"],
  [{ runner: {} }, "runner must have a submit method"],
];

Deno.test("each wrong option is named with its value, by the client, downloads, uploads and batches", async () => {
  const named = async (
    fn: () => unknown,
    message: string,
  ) => {
    const error = await assertRejects(async () => await fn(), Error);
    assert(error instanceof TypeError || error instanceof RangeError);
    assert(error.message.includes(message), `${error.message}, not ${message}`);
  };
  await using client = new AsyncHTTPClient({
    fetch: () => Promise.resolve(new Response("")),
  });
  for (
    const [options, message] of [
      ...wrongOnes,
      [{ secretHeaders: "x-key" }, "secretHeaders must be an array"],
      [{ headers: 5 }, "headers must be an object, got 5"],
      [{ transport: 5 }, "transport must be an object, got 5"],
      [{ transport: { caCerts: "PEM" } }, "transport.caCerts must be an array"],
      [{ transport: { key: 5 } }, "transport.key must be a string"],
      [{ transport: { http2: 1 } }, "transport.http2 must be true or false"],
      [
        { transport: { proxy: { url: "proxy" } } },
        'transport.proxy.url must be an absolute address, got "proxy"',
      ],
      [
        { transport: { proxy: { url: new URL("http://proxy") } } },
        "transport.proxy.url must be an absolute address, got an object (URL)",
      ],
      [{ baseUrl: 5 }, "baseUrl must be an absolute address, got 5"],
      [{ baseUrl: "/a?key=SECRET" }, 'got "/a?key=***"'],
      [{ retryPolicy: 0 }, "retryPolicy must be a RetryPolicy or its options"],
      [{ retryPolicy: null }, "retryPolicy must be a RetryPolicy or its"],
      [{ retryPolicy: { budget: 5 } }, "budget must be an object, got 5"],
      [
        { retryPolicy: { retryMethods: "GET" } },
        'retryMethods must be an array or another iterable, got "GET"',
      ],
      [
        { retryPolicy: { retryStatuses: 503 } },
        "retryStatuses must be an array or another iterable, got 503",
      ],
      [
        { retryPolicy: { respectRetryAfter: "no" } },
        'respectRetryAfter must be true or false, got "no"',
      ],
      [{ circuitBreaker: null }, "circuitBreaker must be a CircuitBreaker"],
      [{ circuitBreaker: { name: 5 } }, "name must be a string, got 5"],
      [{ hedge: 5 }, "hedge must be an object, got 5"],
      [{ auth: "", runner: 0 }, "runner must have a submit method"],
      [
        { auth: { token: () => "t", scheme: 5 } },
        "auth.scheme must be a string, got 5",
      ],
      [{ hooks: 5 }, "hooks must be an object, got 5"],
      [{ auth: { username: "a" } }, "auth.password must be a string"],
    ] as const
  ) {
    await named(
      () => new AsyncHTTPClient(options as AsyncHTTPClientOptions),
      message,
    );
  }
  for (
    const [options, message] of [
      ...wrongOnes,
      [{ headers: 5 }, "headers must be an object, got 5"],
      [{ query: 5 }, "query must be text or an object, got 5"],
      [{ form: 5 }, "form must be text or an object, got 5"],
      [{ body: 5 }, "body must be text, bytes"],
      [{ body: {} }, "an object goes into json"],
      [{ init: 5 }, "init must be an object, got 5"],
      [{ init: { signal: null } }, "init.signal must not be set"],
      [{ init: { headers: {} } }, "init.headers must not be set"],
      [{ headers: { a: {} } }, "headers.a must be text, got an object"],
      [{ headers: ["ab"] }, "headers must hold pairs of a name and a value"],
      [
        { query: new Map([["a", "b"]]) },
        "query must be text, URLSearchParams or a plain object, got an object",
      ],
      [{ query: { a: { b: 1 } } }, "query.a must be text, a number"],
      [{ query: { a: new Date(NaN) } }, "got an invalid Date"],
      [{ form: { a: [() => 1] } }, "form.a must be text, a number"],
      [{ sendOnce: 1 }, "sendOnce must be true or false, got 1"],
      [
        { json: () => {} },
        "json must be a value that JSON knows, got function",
      ],
      [{ json: 5n }, "json cannot be written as JSON: "],
      [{ retryPolicy: "" }, "retryPolicy must be a RetryPolicy or its"],
      [5, "options must be an object, got 5"],
    ] as const
  ) {
    await named(
      () => client.post("http://localhost/", options as RequestOptions),
      message,
    );
  }
  for (
    const [options, message] of [
      ...wrongOnes.filter(([options]) => !("priority" in options)),
      [{ client: {} }, "client must be an AsyncHTTPClient"],
      [{ overwrite: "no" }, 'overwrite must be true or false, got "no"'],
      [{ resume: 1 }, "resume must be true or false, got 1"],
      [null, "options must be an object, got null"],
    ] as const
  ) {
    await named(
      () => asyncDownload("http://localhost/", "f", options as DownloadOptions),
      message,
    );
  }
  const five = 5 as never;
  await named(() => asyncDownload(five, "f"), "url must be a string or a URL");
  await named(
    () => asyncUpload(five, new Uint8Array(1)),
    "url must be a string or a URL, got 5",
  );
  await named(
    async () => await asyncBatchRequests([{ url: five }], { client }),
    "requests must be addresses or { url, … }",
  );
  await named(
    async () =>
      await asyncBatchRequests([{ url: "http://h/", method: five }], {
        client,
      }),
    "method must be a method's name, got 5",
  );
  await named(
    () => asyncDownload("http://h/", "f", { headers: { Range: "bytes=0-9" } }),
    "headers must not set range",
  );
  await named(
    () => client.request("GE T", "http://h/", { fetch }),
    "GE T http://h/ cannot be requested",
  );
  for (
    const [options, message] of [
      [{ signal: 5 }, "signal must be an AbortSignal, got 5"],
      [{ client: {} }, "client must be an AsyncHTTPClient"],
      [{ field: 5 }, "field must be a string, got 5"],
      [{ field: "a", fields: { b: 5 } }, "fields.b must be a string, got 5"],
      [{ fields: { b: "5" } }, "give field"],
      [{ contentType: "a\r\nX: y" }, "contentType must be a string without"],
    ] as const
  ) {
    await named(
      () =>
        asyncUpload(
          "http://localhost/",
          new Uint8Array(1),
          options as unknown as UploadOptions,
        ),
      message,
    );
  }
  for (
    const [options, message] of [
      ...wrongOnes.filter(([options]) => !("priority" in options)),
      [{ client: {} }, "client must be an AsyncHTTPClient"],
      [{ settled: "yes" }, 'settled must be true or false, got "yes"'],
      [{ ordered: 1 }, "ordered must be true or false, got 1"],
    ] as const
  ) {
    await named(
      () =>
        asyncBatchRequests(
          ["http://localhost/"],
          options as BatchRequestOptions,
        ),
      message,
    );
  }
});

Deno.test("asyncUpload() goes through the fetch of its client, if it has one of its own", async () => {
  let received: string | undefined;
  await using client = new AsyncHTTPClient({
    fetch: async (_url, { body }) => {
      received = await new Response(body).text();
      return new Response("", { status: received === "contents" ? 201 : 500 });
    },
  });
  const sent: number[] = [];
  const response = await asyncUpload(
    "http://localhost/",
    new TextEncoder().encode("contents"),
    { client, onProgress: (progress) => sent.push(progress.sent) },
  );
  assertEquals(response.status, 201);
  assertEquals(sent, [8]);
});

Deno.test("an abort in the moment between a new token and its request sends nothing", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const caller = new AbortController();
    const reason = new Error("enough");
    let sent = 0;
    await using client = new AsyncHTTPClient({
      timeout: Infinity,
      auth: {
        token: () => {
          let turn = Promise.resolve();
          for (let count = 0; count < turns; count++) {
            turn = turn.then(() => {});
          }
          turn.then(() => caller.abort(reason));
          return Promise.resolve("token");
        },
      },
      // Would never end: an abort that came before is not told again.
      fetch: (_, { signal }) => {
        if (signal?.aborted) sent++;
        return new Promise(() => {});
      },
    });
    assertEquals(
      await client.get("http://h/", { signal: caller.signal }).catch((error) =>
        error
      ),
      reason,
    );
    assertEquals(sent, 0);
    await assertNothingLeft(client);
  }
});
