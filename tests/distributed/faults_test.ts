/**
 * What goes wrong around one process: a Redis that refuses, hangs up or is away at the end, entries
 * that nobody can read, callbacks that throw.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { AsyncRunner, DisposedError } from "@specify/async-core";
import {
  ClusterRunner,
  defineTask,
  SubmitRefusedError,
  UnknownTaskError,
} from "@specify/async-distributed";
import { abortListeners } from "../support/nothing_left.ts";
import { withIntervals } from "./support/intervals.ts";
import { startWorker } from "./support/processes.ts";
import {
  RedisServer,
  testWithOwnRedis,
  testWithRedis,
  useRedis,
} from "./support/redis.ts";
import { pause, slow, square, tasks, until } from "./support/tasks.ts";

testWithOwnRedis(
  "Redis out of memory: a submit is refused with its reason, what runs and what comes later succeeds",
  async () => {
    await using redis = await RedisServer.start();
    await using cluster = new ClusterRunner({ ...redis.at, onError: () => {} });
    cluster.work(tasks);
    const running = cluster.submit(slow({ ms: 60_000 }));
    await until(() => running.state === "running");
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    const refused = cluster.submit(square(2));
    const error = await assertRejects(() => refused, SubmitRefusedError, "OOM");
    assert(error.cause instanceof Error);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    assertEquals(await cluster.submit(square(4)), 16);
    running.cancel();
    await cluster.onIdle();
    assertEquals((await cluster.stats()).own.open, 0);
  },
);

testWithOwnRedis(
  "a user who may not write is told so, and the runner ends",
  async () => {
    await using redis = await RedisServer.start();
    await redis.command(
      ...["ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*"],
      ...["+@read", "+@connection", "+time", "+info"],
    );
    await using cluster = new ClusterRunner({
      connection: { port: redis.port, username: "reader", password: "secret" },
      onError: () => {},
    });
    await assertRejects(
      () => cluster.submit(square(2)),
      SubmitRefusedError,
      "NOPERM",
    );
  },
);

testWithOwnRedis(
  "connections that Redis hangs up on come back, and nothing is lost",
  async () => {
    await using redis = await RedisServer.start();
    using _intervals = withIntervals({ storeCheck: 600_000 });
    await using cluster = new ClusterRunner(redis.at);
    await using _worker = await startWorker(redis.at, { lostAfter: 5000 });
    const handles = Array.from(
      { length: 60 },
      (_, n) => cluster.submit(slow({ ms: 20, value: n })),
    );
    await Promise.race(handles);
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    assertEquals(
      await Promise.all(handles),
      Array.from({ length: 60 }, (_, n) => n),
    );
    assertEquals(await cluster.submit(square(3)), 9);
  },
);

testWithOwnRedis(
  "shutdown ends in a bounded time while Redis is away, with tasks and workers open",
  async () => {
    await using redis = await RedisServer.start();
    const cluster = new ClusterRunner({ ...redis.at, onError: () => {} });
    const serving = new ClusterRunner({ ...redis.at, onError: () => {} });
    await serving.work(tasks).ready;
    const handle = cluster.submit(slow({ ms: 60_000 }));
    await until(() => handle.state === "running");
    await redis.stop("SIGKILL");
    const start = performance.now();
    const options = { wait: false, grace: 10 };
    const [report] = await Promise.all([
      cluster.shutdown(options),
      serving.shutdown(options),
    ]);
    assertLess(performance.now() - start, 10_000);
    assertEquals(report.unfinished.length, 1);
    assertEquals(handle.state, "cancelled");
    // Twice, and after it: the same, and a clear error.
    await cluster.shutdown();
    await assertRejects(() => cluster.stats(), DisposedError);
  },
);

testWithOwnRedis(
  "shutdown ends in a bounded time while Redis does not answer",
  async () => {
    await using redis = await RedisServer.start();
    const cluster = new ClusterRunner({ ...redis.at, onError: () => {} });
    assertEquals((await cluster.stats()).waiting, 0);
    const handle = cluster.submit(square(1));
    await until(async () => (await cluster.stats()).waiting === 1);
    redis.signal("SIGSTOP");
    const start = performance.now();
    await cluster.shutdown({ wait: false, grace: 10 });
    assertLess(performance.now() - start, 10_000);
    assertEquals(handle.state, "cancelled");
  },
);

testWithOwnRedis(
  "entries that cannot be read, in either stream of events, hold up nobody",
  async () => {
    await using redis = await RedisServer.start();
    const errors: Error[] = [];
    using _intervals = withIntervals({ storeCheck: 600_000 });
    await using cluster = new ClusterRunner({
      ...redis.at,
      onError: (error) => errors.push(error),
    });
    cluster.work(tasks);
    assertEquals(await cluster.submit(square(2)), 4);
    const stream = `${redis.at.prefix}:async-distributed`;
    await redis.command(
      ...["XADD", `${stream}:events`, "*", "event", "completed"],
      ...["jobId", "x", "returnvalue", "{bad"],
    );
    await redis.command("XADD", `${stream}:events`, "*", "event", "completed");
    await redis.command(
      ...["XADD", `${stream}-control:events`, "*", "event", "progress"],
      ...["jobId", "x", "data", "{bad"],
    );
    for (let n = 0; n < 3; n++) {
      assertEquals(await cluster.submit(square(3)), 9);
    }
    const running = cluster.submit(slow({ ms: 60_000 }));
    await until(() => running.state === "running");
    await until(() => errors.length >= 2);
    running.cancel();
    await cluster.onIdle();
  },
);

testWithRedis(
  "jobs of other programs, with whatever data, end and harm no worker",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    cluster.work([square], { unknownAfter: 10 });
    const { Queue } = await import("bullmq");
    const queue = new Queue("async-distributed", {
      connection: { url: redis.at.connection },
      prefix: redis.at.prefix,
    });
    let nested: unknown = 1;
    for (let depth = 0; depth < 3000; depth++) nested = [nested];
    const hostile: unknown[] = [
      null,
      "text",
      [1, 2],
      { input: { $: "Date", v: {} } },
      { input: { $: "RegExp", v: ["(", "zz"] } },
      { input: { $: "nothing" } },
      { input: nested },
      { input: 2, timeout: "long", weight: -5, deadline: null, key: {} },
      { input: 2, weight: 1e9, owner: 7, trace: {}, lostRuns: "many" },
      { ["__proto__"]: { polluted: true }, input: 3 },
    ];
    for (const data of hostile) await queue.add("square", data);
    await queue.add("__proto__", { input: 1 });
    await until(async () => {
      const { completed = 0, failed = 0 } = await queue.getJobCounts();
      return completed + failed === hostile.length + 1;
    });
    await queue.close();
    assertEquals(await cluster.submit(square(5)), 25);
    assertEquals(({} as { polluted?: boolean }).polluted, undefined);
  },
);

testWithRedis(
  "what is wrong with one submit of a tick is told there, and the others go through",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const keyed = defineTask("keyed", (n: number) => n, {
      key: (n) => {
        if (n === 2) throw new RangeError("no key for 2");
        return String(n);
      },
    });
    cluster.work([keyed]);
    const one = cluster.submit(keyed(1));
    assertThrows(() => cluster.submit(keyed(2)), RangeError, "no key for 2");
    const three = cluster.submit(keyed(3));
    assertEquals(await Promise.all([one, three]), [1, 3]);
    for (
      const options of [
        { signal: {} as AbortSignal },
        { name: 7 as unknown as string },
        { id: "" },
        { keep: 5 as never },
        { weight: 0 },
      ]
    ) assertThrows(() => cluster.submit(keyed(1), options), Error, "must be");
    assertEquals((await cluster.stats()).own.open, 0);
  },
);

testWithRedis(
  "observer and onError are told, and what they throw changes nothing",
  async () => {
    await using redis = await useRedis();
    const seen: string[] = [];
    await using cluster = new ClusterRunner({
      ...redis.at,
      observer: {
        queued: ({ name, state }) => seen.push(`queued ${name} ${state}`),
        started: ({ state }) => {
          seen.push(`started ${state}`);
          throw new Error("an observer throws");
        },
        settled: ({ state }, reason) =>
          seen.push(`settled ${state} ${reason instanceof Error}`),
        ended: ({ state }) => seen.push(`ended ${state}`),
      },
    });
    const print = console.error;
    let printed = 0;
    console.error = () => printed++;
    try {
      cluster.work(tasks);
      await cluster.submit(slow({ ms: 30 }), { name: "mine" });
      const cancelled = cluster.submit(slow({ ms: 60_000 }));
      await until(() => cancelled.state === "running");
      cancelled.cancel();
      await cluster.onIdle();
    } finally {
      console.error = print;
    }
    assertEquals(printed, 2);
    assertEquals(seen, [
      "queued mine queued",
      "started running",
      "settled succeeded false",
      "ended succeeded",
      "queued slow queued",
      "started running",
      "settled cancelled true",
      "ended cancelled",
    ]);
  },
);

testWithRedis("an onError that throws is no crash", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const print = console.error;
  const printed: unknown[] = [];
  console.error = (...words: unknown[]) => printed.push(words[0]);
  try {
    const cluster = new ClusterRunner({
      connection: { port },
      sendTimeout: 100,
      onError: () => {
        throw new Error("onError throws");
      },
    });
    // With a deadline far away, too: each limit counts for itself.
    await cluster.submit(square(1), { deadline: performance.now() + 60_000 })
      .then(
        () => assert(false),
        (error) => assertEquals(error.name, "ClusterUnreachableError"),
      );
    await cluster.shutdown({ wait: false, grace: 10 });
  } finally {
    console.error = print;
  }
  assertEquals(printed, ["ClusterRunner: onError threw:"]);
});

testWithRedis(
  "ten thousand handles share one signal's one listener, and it is gone when they have settled",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = () => abortListeners(signal);
    const handles = Array.from(
      { length: 10_000 },
      (_, n) => cluster.submit(square(n), { signal }),
    );
    assertEquals(listeners(), 1);
    for (const handle of handles.slice(1)) handle.cancel();
    assertEquals(listeners(), 1);
    handles[0]?.cancel();
    assertEquals(listeners(), 0);
    handles.push(cluster.submit(square(1), { signal }));
    assertEquals(listeners(), 1);
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await handles.at(-1)?.catch((error) => error), reason);
    assertEquals(listeners(), 0);
    await Promise.allSettled(handles);
    await cluster.onIdle();
    assertEquals((await cluster.stats()).waiting, 0);
  },
);

testWithOwnRedis(
  "workers and runners that have ended leave no connection behind",
  async () => {
    await using redis = await RedisServer.start();
    const clients = async () =>
      Number(
        /connected_clients:(\d+)/.exec(await redis.command("INFO", "clients"))
          ?.[1],
      );
    const before = await clients();
    {
      await using cluster = new ClusterRunner(redis.at);
      assertEquals((await cluster.stats()).waiting, 0);
      const alone = await clients();
      const workers = Array.from({ length: 12 }, () => cluster.work(tasks));
      await Promise.all(workers.map(({ ready }) => ready));
      await Promise.all(workers.map((worker) => worker.stop()));
      await until(async () => await clients() === alone);
      assertThrows(
        () => cluster.work([square, defineTask("square", () => 1)]),
        TypeError,
        "two of one name",
      );
    }
    await until(async () => await clients() === before);
  },
);

testWithRedis(
  "stop() called again with less patience ends the grace",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const worker = cluster.work(tasks, { grace: 60_000 });
    const handle = cluster.submit(slow({ ms: 300, value: 1 }));
    await until(() => handle.state === "running");
    const stopped = worker.stop();
    await pause(20);
    await worker.stop({ grace: 0 });
    await stopped;
    assertEquals(worker.stats().handedBack, 1);
    cluster.work(tasks);
    assertEquals(await handle, 1);
  },
);

testWithRedis(
  "gather and map keep to maxQueue, and a settled gather ends with its signal",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at, maxQueue: 5 });
    await using local = new AsyncRunner({ maxWorkers: 3 });
    cluster.work(tasks, { runner: local });
    let most = 0;
    function* some() {
      for (let n = 0; n < 40; n++) {
        yield square(n);
        most = Math.max(most, open);
      }
    }
    let open = 0;
    const watch = setInterval(async () => {
      open = (await cluster.stats()).own.open;
      most = Math.max(most, open);
    }, 1);
    assertEquals((await cluster.gather(some())).length, 40);
    for await (const _ of cluster.map([1, 2, 3, 4, 5, 6, 7, 8], square));
    clearInterval(watch);
    await pause(5);
    assert(most <= 5, `${most} open`);
    const controller = new AbortController();
    const reason = new Error("stop");
    let isClosed = false;
    function* endless() {
      try {
        for (;;) yield slow({ ms: 5 });
      } finally {
        isClosed = true;
      }
    }
    const gathering = cluster.gather(endless(), {
      settled: true,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(reason), 50);
    assertStrictEquals(await gathering.catch((error) => error), reason);
    assert(isClosed);
    await cluster.onIdle();
  },
);

testWithRedis(
  "errors of this package that workers throw arrive as what they are",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    cluster.work([square], { unknownAfter: 50 });
    const unknown = defineTask("unknown", (n: number) => n);
    const error = await assertRejects(
      () => cluster.submit(unknown(1)),
      UnknownTaskError,
    );
    assertEquals(error.task, "unknown");
  },
);
