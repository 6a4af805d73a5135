import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  asyncBatchRequests,
  AsyncHTTPClient,
  CircuitBreaker,
} from "../../../http/mod.ts";
import {
  AsyncRunner,
  TaskPriority,
  type TaskRunner,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { heapUsed } from "../../support/heap.ts";
import { serve } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { captureReports } from "../../support/captured_console.ts";

/** A client without a network: answers with the address, after as many turns as its number says. */
function fakeClient(
  answer: (url: string, signal: AbortSignal) => Response | Promise<Response> = (
    url,
  ) => new Response(url),
): AsyncHTTPClient {
  return new AsyncHTTPClient({
    fetch: async (url, init) => await answer(url, init.signal!),
  });
}

const urls = (count: number) =>
  Array.from({ length: count }, (_, index) => `http://h/${index}`);

Deno.test("asyncBatchRequests() keeps the order, whatever ends first", async () => {
  await using client = fakeClient(async (url) => {
    await new Promise((resolve) =>
      setTimeout(resolve, url.endsWith("0") ? 10 : 0)
    );
    return new Response(url);
  });
  const responses = await asyncBatchRequests(urls(30), {
    client,
    maxConcurrent: 5,
  });
  assertEquals(
    await Promise.all(responses.map((response) => response.text())),
    urls(30),
  );
  const unordered: string[] = [];
  const others = Promise.withResolvers<void>();
  await using held = fakeClient(async (url) => {
    if (url === "http://h/0") await others.promise;
    return new Response(url);
  });
  for await (
    const text of asyncBatchRequests(urls(5), {
      client: held,
      ordered: false,
      map: (response) => response.text(),
    })
  ) {
    if (unordered.push(text) === 4) others.resolve();
  }
  assertEquals(unordered.length, 5);
  assertEquals(unordered.at(-1), "http://h/0");
});

testWith(
  ["net"],
  "asyncBatchRequests() never has more than maxConcurrent under way, by real requests of all kinds",
  async () => {
    let open = 0;
    let most = 0;
    const four = Promise.withResolvers<void>();
    await using server = serve(async (request) => {
      most = Math.max(most, ++open);
      if (open === 4) four.resolve();
      const text = await request.text();
      await four.promise;
      await new Promise((resolve) => setTimeout(resolve, 1));
      open--;
      return new Response(`${request.method} ${text}`);
    });
    const requests = Array.from(
      { length: 40 },
      (_, index) =>
        index % 2
          ? server.url
          : { url: server.url, method: "POST", json: index },
    );
    const texts = await asyncBatchRequests(requests, {
      maxConcurrent: 4,
      map: (response) => response.text(),
    });
    assertEquals(texts.slice(0, 3), ["POST 0", "GET ", "POST 2"]);
    assertEquals(most, 4);
  },
);

Deno.test("asyncBatchRequests() with maxPerHost lets nine hosts go on beside a slow one", async () => {
  const gate = Promise.withResolvers<void>();
  const done: string[] = [];
  await using client = fakeClient(async (url) => {
    if (url.startsWith("http://slow/")) await gate.promise;
    else done.push(url);
    return new Response();
  });
  const requests = Array.from(
    { length: 50 },
    (_, index) =>
      Array.from(
        { length: 10 },
        (_, host) => `http://${host === 0 ? "slow" : `h${host}`}/${index}`,
      ),
  ).flat();
  const batch = asyncBatchRequests(requests, {
    client,
    maxConcurrent: 10,
    maxPerHost: 2,
    ordered: false,
  });
  const iterator = batch[Symbol.asyncIterator]();
  for (let result = 0; result < 400; result++) await iterator.next();
  assert(done.length >= 400);
  gate.resolve();
  let rest = 0;
  while (!(await iterator.next()).done) rest++;
  assertEquals(rest, 100);
});

Deno.test("asyncBatchRequests() counts relative and absolute addresses of one host together for maxPerHost", async () => {
  let active = 0;
  let most = 0;
  await using client = new AsyncHTTPClient({
    baseUrl: "http://one/api",
    fetch: async (url) => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setTimeout(resolve, 1));
      active--;
      return new Response(url);
    },
  });
  const urls = ["a", "http://one/b", "/c", "http://ONE:80/d", "?e=//x", "f//g"];
  const texts = await asyncBatchRequests(urls, {
    client,
    maxPerHost: 1,
    map: (response) => response.text(),
  });
  assertEquals(most, 1);
  assertEquals(texts[0], "http://one/api/a");
});

Deno.test("asyncBatchRequests() takes 100,000 addresses from a generator in bounded memory", async () => {
  await using client = fakeClient();
  let made = 0;
  let taken = 0;
  let ahead = 0;
  async function* generate() {
    for (; made < 100_000;) {
      yield `http://h/${made++}`;
      if (made % 1000 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }
  const before = heapUsed();
  let peak = 0;
  for await (
    const status of asyncBatchRequests(generate(), {
      client,
      maxConcurrent: 16,
      map: ({ status }) => status,
    })
  ) {
    assertEquals(status, 200);
    ahead = Math.max(ahead, made - ++taken);
    if (taken % 20_000 === 0) {
      peak = Math.max(peak, heapUsed() - before);
    }
  }
  assertEquals(taken, 100_000);
  assert(ahead <= 130, `${ahead} ahead`);
  assert(peak < 120e6, `${peak} bytes more`);
});

Deno.test("asyncBatchRequests() with settled makes a bad request one result among the others", async () => {
  const failure = new Error("bad");
  await using client = fakeClient((url) =>
    url.endsWith("/1") ? Promise.reject(failure) : new Response(url)
  );
  const results = await asyncBatchRequests([
    "http://h/0",
    "http://h/1",
    5 as never,
    "http://h/3",
  ], { client, settled: true, map: (response) => response.text() });
  assertEquals(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "rejected",
    "fulfilled",
  ]);
  assertStrictEquals((results[1] as PromiseRejectedResult).reason, failure);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() without settled cancels and awaits the others at the first failure", async () => {
  const failure = new Error("bad");
  let underWay = 0;
  let started = 0;
  await using client = fakeClient((url, signal) => {
    started++;
    if (url.endsWith("/3")) return Promise.reject(failure);
    underWay++;
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => {
        underWay--;
        reject(signal.reason);
      }, { once: true })
    );
  });
  let closed = false;
  function* generate() {
    try {
      for (const url of urls(1000)) yield url;
    } finally {
      closed = true;
    }
  }
  const error = await assertRejects(async () =>
    await asyncBatchRequests(generate(), { client, maxConcurrent: 5 })
  );
  assertStrictEquals(error, failure);
  assert(started <= 5, `${started} were sent`);
  assertEquals([underWay, closed], [0, true]);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() stops in the middle on abort and on break, closing the source", async () => {
  await using client = fakeClient();
  for (const how of ["abort", "break"] as const) {
    const controller = new AbortController();
    const reason = new Error("enough");
    let closed = 0;
    const generate = async function* () {
      try {
        for (const url of urls(1000)) yield url;
      } finally {
        closed++;
      }
    };
    let taken = 0;
    const consume = async () => {
      for await (
        const _ of asyncBatchRequests(generate(), {
          client,
          signal: controller.signal,
        })
      ) {
        if (++taken === 10) {
          if (how === "break") break;
          controller.abort(reason);
        }
      }
    };
    if (how === "break") await consume();
    else assertStrictEquals(await consume().catch((error) => error), reason);
    assertEquals([taken, closed], [10, 1]);
    await assertNothingLeft(client);
  }
});

Deno.test("asyncBatchRequests() goes on for the other hosts while one host's circuit is open", async () => {
  const circuitBreaker = CircuitBreaker.perOrigin({ failureThreshold: 1 });
  circuitBreaker.get("http://dead").trip();
  await using client = fakeClient();
  const results = await asyncBatchRequests([
    "http://a/",
    "http://dead/",
    "http://b/",
  ], { client, circuitBreaker, settled: true });
  assertEquals(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  assertEquals(
    (results[1] as PromiseRejectedResult).reason.name,
    "CircuitOpenError",
  );
});

Deno.test("asyncBatchRequests() rejects with the source's own failure", async () => {
  await using client = fakeClient();
  const failure = new Error("source");
  async function* generate() {
    yield "http://h/1";
    await Promise.resolve();
    throw failure;
  }
  assertStrictEquals(
    await asyncBatchRequests(generate(), { client }).then(
      () => undefined,
      (error) => error,
    ),
    failure,
  );
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() ends what is in flight when its source fails, and awaits it", async () => {
  const failure = new Error("source");
  let underWay = 0;
  await using client = fakeClient((_, signal) => {
    underWay++;
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => {
        underWay--;
        reject(signal.reason);
      }, { once: true })
    );
  });
  const flying = Promise.withResolvers<void>();
  async function* generate() {
    yield* urls(3);
    flying.resolve();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(underWay, 3);
    throw failure;
  }
  for (const settled of [false, true]) {
    const batch = asyncBatchRequests(
      generate(),
      { client, settled } as { client: typeof client },
    );
    assertStrictEquals(await assertRejects(async () => await batch), failure);
    assertEquals(underWay, 0);
  }
  await flying.promise;
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() waits for no source that hangs, and closes it when it wakes", async () => {
  const waking = Promise.withResolvers<IteratorResult<string>>();
  const reads = ["http://h/1", "http://h/2"];
  let closed = 0;
  const source: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = reads.shift();
        return value === undefined
          ? waking.promise
          : Promise.resolve({ done: false, value });
      },
      return: () => {
        closed++;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const failure = new Error("bad");
  await using client = fakeClient((url) =>
    url.endsWith("/2") ? Promise.reject(failure) : new Response(url)
  );
  const batch = asyncBatchRequests(source, { client });
  assertStrictEquals(await assertRejects(async () => await batch), failure);
  assertEquals(closed, 0);
  waking.resolve({ done: false, value: "http://h/3" });
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(closed, 1);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() rejects with the first failure, whatever fails after it, and tells the rest on the console", async () => {
  const failure = new Error("first");
  await using client = fakeClient();
  using reports = captureReports();
  for (const ordered of [true, false]) {
    let given = 0;
    let closed = 0;
    const source = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: `http://h/${given++}` }),
        return: () => {
          closed++;
          throw new Error("of the source");
        },
      }),
    };
    const batch = asyncBatchRequests(source, {
      client,
      ordered,
      map: async (_, index) => {
        if (index === 1) throw failure;
        await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Error("of a later one");
      },
    });
    assertStrictEquals(await assertRejects(async () => await batch), failure);
    assertEquals(closed, 1);
  }
  assertEquals(
    new Set(reports.lines),
    new Set([
      "A request failed after its batch had ended: Error: of a later one",
      "A stream's source failed to close: Error: of the source",
    ]),
  );
});

Deno.test("a CRITICAL request goes before 10,000 queued BACKGROUND ones of the same runner", async () => {
  const order: string[] = [];
  await using client = fakeClient((url) => {
    order.push(url);
    return new Response();
  });
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const background = Array.from(
    { length: 10_000 },
    (_, index) =>
      client.get(`http://h/${index}`, {
        runner,
        priority: TaskPriority.BACKGROUND,
      }).text(),
  );
  const critical = client.get("http://h/critical", {
    runner,
    priority: TaskPriority.CRITICAL,
  }).text();
  await critical;
  assert(
    order.indexOf("http://h/critical") <= 4,
    String(order.indexOf("http://h/critical")),
  );
  await Promise.all(background);
});

Deno.test("asyncBatchRequests() shares the runner's limit with everything else that it runs", async () => {
  let open = 0;
  let most = 0;
  await using client = fakeClient(async () => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 1));
    open--;
    return new Response();
  });
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  const batches = [
    asyncBatchRequests(urls(20), { client, runner }),
    asyncBatchRequests(urls(20), { client, runner }),
  ];
  const call = client.get("http://h/", { runner });
  await Promise.all([...batches, call]);
  assertEquals(most, 3);
  // A call that is cancelled in the queue never starts.
  const controller = new AbortController();
  const before = most;
  const busy = Array.from(
    { length: 10 },
    () => client.get("http://h/", { runner }),
  );
  const cancelled = client.get("http://h/", {
    runner,
    signal: controller.signal,
  }).catch((error) => error);
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await cancelled, reason);
  await Promise.all(busy);
  assertEquals(most, before);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() names the option that is wrong", async () => {
  assertThrows(
    () => asyncBatchRequests(5 as never),
    TypeError,
    "requests must be an iterable",
  );
  assertThrows(
    () => asyncBatchRequests([], { maxConcurrent: 0 }),
    RangeError,
    "maxConcurrent must be a positive integer or Infinity, got 0",
  );
  assertThrows(
    () => asyncBatchRequests([], { maxPerHost: 0 }),
    RangeError,
    "maxPerHost",
  );
  assertThrows(
    () => asyncBatchRequests([], { map: 1 as never }),
    TypeError,
    "map must be a function",
  );
  assertThrows(
    () => asyncBatchRequests([], { concurrency: 5 } as never),
    TypeError,
    'asyncBatchRequests() has no option "concurrency"; it takes ',
  );
  assertEquals(await asyncBatchRequests([]), []);
});

Deno.test("asyncBatchRequests() shares its retry budget and its breaker among the requests", async () => {
  let attempts = 0;
  await using client = fakeClient(() => {
    attempts++;
    return new Response("", { status: 503 });
  });
  const options = { client, settled: true, maxConcurrent: 5 } as const;
  await asyncBatchRequests(urls(200), {
    ...options,
    // However long they take here, they are within one window.
    retryPolicy: { baseDelay: 0, budget: { window: 600_000 } },
  });
  assert(attempts <= 240, `${attempts} attempts`);
  attempts = 0;
  await asyncBatchRequests(urls(200), {
    ...options,
    circuitBreaker: { failureThreshold: 3 },
  });
  assert(attempts <= 8, `${attempts} attempts`);
});

Deno.test("asyncBatchRequests() closes its source when it ends while the runner is full", async () => {
  await using client = fakeClient();
  await using runner = new TaskScheduler({ maxConcurrent: 1, maxQueue: 1 });
  const release = Promise.withResolvers<void>();
  let isClosed = false;
  const source = {
    next: () => Promise.resolve({ done: false, value: "http://h/" } as const),
    return() {
      isClosed = true;
      return Promise.resolve({ done: true, value: undefined } as const);
    },
    [Symbol.asyncIterator]: () => source,
  };
  const held = [
    runner.submit(() => release.promise),
    runner.submit(() => release.promise),
  ];
  const controller = new AbortController();
  const batch = asyncBatchRequests(source, {
    client,
    runner,
    signal: controller.signal,
  });
  const rejected = assertRejects(() => Promise.resolve(batch), Error, "over");
  await Promise.resolve();
  controller.abort(new Error("over"));
  await rejected;
  assert(isClosed);
  await assertNothingLeft(client);
  release.resolve();
  await Promise.all(held);
});

Deno.test("batches that share a runner with a short queue wait for it, and none is turned away", async () => {
  await using client = fakeClient(async (url) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return new Response(url);
  });
  await using runner = new TaskScheduler({ maxConcurrent: 1, maxQueue: 1 });
  const results = await Promise.all(
    [1, 2, 3].map(() =>
      Promise.resolve(
        asyncBatchRequests(urls(20), { client, runner, maxConcurrent: 5 }),
      )
    ),
  );
  assertEquals(results.map(({ length }) => length), [20, 20, 20]);
});

Deno.test("calls that share a runner with a short queue wait for it, and none is turned away", async () => {
  await using runner = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 1,
    overflow: "reject",
  });
  await using client = new AsyncHTTPClient({
    runner,
    fetch: (url) => Promise.resolve(new Response(url)),
  });
  const urls = Array.from({ length: 10 }, (_, index) => `http://h/${index}`);
  assertEquals(
    await Promise.all(urls.map((url) => client.get(url).text())),
    urls,
  );
});

Deno.test("asyncBatchRequests() in a runner awaits what map is at when another request fails", async () => {
  const failure = new Error("bad");
  const begun = Promise.withResolvers<void>();
  await using client = fakeClient(async (url) => {
    if (!url.endsWith("/1")) return new Response(url);
    await begun.promise;
    throw failure;
  });
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  let mapping = 0;
  const batch = asyncBatchRequests(urls(2), {
    client,
    runner,
    map: async () => {
      mapping++;
      begun.resolve();
      await new Promise((resolve) => setTimeout(resolve, 10));
      mapping--;
    },
  });
  assertStrictEquals(await assertRejects(async () => await batch), failure);
  assertEquals(mapping, 0);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() in a runner ends the request of a task that is ended for itself, and only that", async () => {
  let aborted = 0;
  const all = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  await using client = fakeClient(async (url, signal) => {
    signal.addEventListener("abort", () => aborted++, { once: true });
    if (++asked === 3) all.resolve();
    await gate.promise;
    return new Response(url);
  });
  await using scheduler = new TaskScheduler({ maxConcurrent: 3 });
  const handles: { cancel(reason: unknown): void }[] = [];
  const runner: TaskRunner = {
    isFull: false,
    ready: () => Promise.resolve(),
    submit: (task, options) => {
      const handle = scheduler.submit(task, options);
      handles.push(handle);
      return handle;
    },
  };
  const own = new AbortController();
  const results = asyncBatchRequests(
    [...urls(2), { url: "http://h/own", signal: own.signal }],
    {
      ...{ client, runner, settled: true, ordered: false },
      map: (response) => response.text(),
    },
  )[Symbol.asyncIterator]();
  const next = async () => (await results.next()).value;
  const first = next();
  await all.promise;
  const reason = new Error("this one only");
  handles[1]!.cancel(reason);
  assertEquals(await first, { status: "rejected", reason });
  assertEquals(aborted, 1);
  own.abort(reason);
  assertEquals(await next(), { status: "rejected", reason });
  assertEquals(aborted, 2);
  gate.resolve();
  assertEquals(await next(), { status: "fulfilled", value: "http://h/0" });
  assertEquals(await next(), undefined);
  assertEquals(aborted, 2);
  await assertNothingLeft(client);
});

Deno.test("asyncBatchRequests() with a runner tells its observer of later failures, or the console", async () => {
  await using client = fakeClient();
  for (const isObserved of [true, false]) {
    using reports = captureReports();
    const observed: unknown[] = [];
    await using runner = new AsyncRunner({
      observer: isObserved
        ? { settled: (_, reason) => void observed.push(String(reason)) }
        : undefined,
    });
    const fails: (() => void)[] = [];
    const batch = asyncBatchRequests(urls(2), {
      client,
      runner,
      map: async (_, index) => {
        await new Promise<void>((resolve) => fails.push(resolve));
        throw new Error(`${index}`);
      },
    });
    const failed = assertRejects(async () => await batch, Error, "0");
    while (fails.length < 2) await new Promise((done) => setTimeout(done));
    for (const fail of fails) fail();
    await failed;
    assertEquals(observed, isObserved ? ["Error: 0", "Error: 1"] : []);
    assertEquals(
      reports.lines,
      isObserved
        ? []
        : ["A request failed after its batch had ended: Error: 1"],
    );
  }
});
