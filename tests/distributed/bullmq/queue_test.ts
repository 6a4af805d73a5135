/**
 * What the queue promises: ids, priorities, limits of time, unknown names, progress, counts.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AsyncRunner, TaskPriority } from "@specify/async-core";
import {
  ClusterRunner,
  ClusterUnreachableError,
  defineTask,
  InputTooLargeError,
  NotSerializableError,
  TaskNotFoundError,
  UnknownTaskError,
} from "@specify/async-distributed";
import { withIntervals } from "../support/intervals.ts";
import {
  RedisServer,
  testWithOwnRedis,
  testWithRedis,
  useRedis,
} from "../support/redis.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { echo, pause, slow, square, tasks, until } from "../support/tasks.ts";

testWithRedis(
  "ClusterRunner.submit() with an id twice runs once, and both handles have the result",
  async () => {
    await using redis = await useRedis();
    await using one = new ClusterRunner({ ...redis.at });
    await using two = new ClusterRunner({ ...redis.at });
    let runs = 0;
    const counted = defineTask("counted", async (n: number) => {
      runs++;
      await pause(50);
      return n;
    });
    one.work([counted]);
    // Ids that BullMQ itself refuses are no different.
    for (const id of ["invoice-7", "12", "a:b", "100%", "%i12"]) {
      runs = 0;
      const handles = [
        one.submit(counted(5), { id }),
        one.submit(counted(6), { id }),
        two.submit(counted(7), { id }),
      ];
      assertEquals(new Set(await Promise.all(handles)).size, 1);
      assertEquals(handles[0]?.id, id);
      // Long after its end too.
      assertEquals(await two.submit(counted(8), { id }), await handles[0]);
      assertEquals(await two.attach(id), await handles[0]);
      assertEquals(runs, 1);
    }
    const error = await assertRejects(
      () => two.attach("nobody"),
      TaskNotFoundError,
    );
    assertEquals(error.taskId, "nobody");
  },
);

testWithRedis(
  "priorities keep their order over several submitters, and setPriority moves a waiting task",
  async () => {
    await using redis = await useRedis();
    await using one = new ClusterRunner({ ...redis.at });
    await using two = new ClusterRunner({ ...redis.at });
    const order: string[] = [];
    const note = defineTask("note", (text: string) => {
      order.push(text);
    });
    const levels = [3, 0, 4, 1, 2] as const;
    const handles = [];
    for (const cluster of [one, two]) {
      for (const level of levels) {
        handles.push(cluster.submit(note(`${level}`), { priority: level }));
      }
    }
    const moved = one.submit(note("moved"), {
      priority: TaskPriority.BACKGROUND,
    });
    // Before it was sent, and after.
    const early = one.submit(note("early"), {
      priority: TaskPriority.BACKGROUND,
    });
    early.setPriority(TaskPriority.CRITICAL);
    await until(async () => (await one.stats()).waiting === 12);
    assertEquals((await one.stats()).byPriority, [3, 2, 2, 2, 3]);
    moved.setPriority(TaskPriority.CRITICAL);
    await until(async () => (await one.stats()).byPriority[0] === 4);
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    one.work([note], { runner });
    await Promise.all([...handles, moved, early]);
    assertEquals(
      order.map((text) => /\d/.test(text) ? text : "0").join(""),
      "000011223344",
    );
    assertEquals(order[3], "moved");
  },
);

testWithRedis(
  "aging raises what has waited, so that a stream of urgent tasks starves nobody",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    const low = cluster.submit(square(2), {
      priority: TaskPriority.BACKGROUND,
    });
    await until(async () => (await cluster.stats()).waiting === 1);
    cluster.work(tasks, { runner, aging: 100 });
    let isDone = false;
    const urgent = (async () => {
      while (!isDone) {
        // Two at a time, so that one always waits.
        await Promise.all(
          [1, 2].map(() =>
            cluster.submit(slow({ ms: 20 }), { priority: TaskPriority.HIGH })
          ),
        );
      }
    })();
    assertEquals(await low, 4);
    isDone = true;
    await urgent;
  },
);

testWithRedis(
  "timeout counts running, deadline counts queueing too, and a task that expired in the queue never starts",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    const late = cluster.submit(square(1), {
      deadline: performance.now() + 50,
    });
    const error = await assertRejects(() => late, DOMException);
    assertEquals([error.name, late.state], ["TimeoutError", "failed"]);
    const worker = cluster.work(tasks, { runner });
    const timedOut = cluster.submit(slow({ ms: 60_000 }), { timeout: 50 });
    assertEquals(
      (await assertRejects(() => timedOut, DOMException)).name,
      "TimeoutError",
    );
    const byDeadline = cluster.submit(slow({ ms: 60_000 }), {
      deadline: performance.now() + 100,
    });
    assertEquals(
      (await assertRejects(() => byDeadline, DOMException)).name,
      "TimeoutError",
    );
    // The slot is free again.
    assertEquals(await cluster.submit(square(3)), 9);
    assertEquals(worker.stats().succeeded, 1);
    const limited = defineTask("limited", async (_: null, { signal }) => {
      await pause(60_000, signal);
    }, { timeout: 30 });
    cluster.work([limited], { runner });
    assertEquals(
      (await assertRejects(() => cluster.submit(limited(null)), DOMException))
        .name,
      "TimeoutError",
    );
  },
);

testWithRedis(
  "values that cannot travel are refused at submit with their path; a result that cannot fails its task",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({
      ...redis.at,
      maxInputBytes: 1000,
    });
    const odd = defineTask(
      "odd",
      (_: null): unknown => ({ rows: [{ run: () => 1 }] }),
    );
    cluster.work([echo, odd]);
    const value = {
      at: new Date(5),
      bytes: new Uint8Array([1, 2]),
      big: 7n,
      none: undefined,
      map: new Map([[1, 2]]),
    };
    assertEquals(await cluster.submit(echo(value)), value);
    const error = assertThrows(
      () => cluster.submit(echo({ a: [() => 1] })),
      NotSerializableError,
    );
    assertEquals(error.path, "$.a[0]");
    const large = assertThrows(
      () => cluster.submit(echo({ text: "x".repeat(2000) })),
      InputTooLargeError,
    );
    assertEquals(large.path, "$.text");
    const result = await assertRejects(() => cluster.submit(odd(null)), Error);
    assertEquals(result.name, "NotSerializableError");
    assertEquals(
      (result as NotSerializableError).path,
      "$.rows[0].run",
    );
  },
);

testWithRedis(
  "retries of a definition happen on the cluster as they do here",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using local = new AsyncRunner();
    let calls = 0;
    const flaky = defineTask("flaky", (n: number) => {
      if (++calls < 3) throw new Error("not yet");
      return n;
    }, { retry: { maxRetries: 3, baseDelay: 1 } });
    cluster.work([flaky]);
    for (const runner of [local, cluster]) {
      calls = 0;
      assertEquals(await runner.submit(flaky(9)), 9);
      assertEquals(calls, 3);
    }
  },
);

testWithRedis(
  "a task whose name this worker does not know is left for others",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using ignorant = new ClusterRunner({ ...redis.at });
    await ignorant.work([echo], { unknownAfter: 30_000 }).ready;
    const handle = cluster.submit(square(4));
    await pause(100);
    cluster.work([square]);
    assertEquals(await handle, 16);
  },
);

testWithRedis(
  "a task whose name nobody knows fails with UnknownTaskError after unknownAfter",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    cluster.work([echo], { unknownAfter: 200 });
    const start = performance.now();
    const error = await cluster.submit(square(4)).catch((error) => error);
    assertEquals(error.name, new UnknownTaskError("", 0).name);
    assert(error.message.includes('"square"'), error.message);
    assert(performance.now() - start >= 200);
  },
);

testWithRedis(
  "progress arrives in order, at a bounded rate, the last value always",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    using _intervals = withIntervals({ progress: 50 });
    const local: number[] = [];
    const bound = defineTask("bound", async (_: null, context) => {
      for (let n = 1; n <= 300; n++) {
        context.progress({ n, at: new Date(n) });
        if (n % 10 === 0) await pause(10);
      }
    });
    cluster.work([bound]);
    const start = performance.now();
    await cluster.submit(bound(null), {
      onProgress: (value) => {
        const { n, at } = value as { n: number; at: Date };
        assertEquals(at, new Date(n));
        local.push(n);
      },
    });
    const took = performance.now() - start;
    assertEquals(local, [...local].sort((a, b) => a - b));
    assertEquals(local.at(-1), 300);
    assert(local.length <= took / 50 + 3, `${local.length} in ${took} ms`);
    assert(local.length > 3);
  },
);

testWithRedis("stats() agrees with BullMQ's own counts", async () => {
  await using redis = await useRedis();
  await using cluster = new ClusterRunner({
    ...redis.at,
    keep: { age: Infinity },
  });
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const worker = cluster.work(tasks, { runner });
  await Promise.all([1, 2, 3].map((n) => cluster.submit(square(n))));
  const held = [1, 2].map(() => cluster.submit(slow({ ms: 60_000 })));
  await until(() => held.every(({ state }) => state === "running"));
  const waiting = [0, 2, 2, 4].map((priority) =>
    cluster.submit(square(1), { priority: priority as TaskPriority })
  );
  await until(async () => (await cluster.stats()).waiting === 4);
  const stats = await cluster.stats();
  // It reads the environment as it loads, which a run without permissions must not.
  const { Queue } = await import("bullmq");
  const queue = new Queue("async-distributed", {
    connection: { url: redis.at.connection },
    prefix: redis.at.prefix,
  });
  const counts = await queue.getJobCounts();
  await queue.close();
  assertEquals(
    stats.waiting,
    (counts.waiting ?? 0) + (counts.prioritized ?? 0),
  );
  assertEquals(stats.running, counts.active);
  assertEquals(stats.succeeded, counts.completed);
  assertEquals(stats.failed, counts.failed);
  assertEquals(stats.delayed, counts.delayed);
  assertEquals([stats.waiting, stats.running, stats.succeeded], [4, 2, 3]);
  assertEquals(stats.byPriority, [1, 0, 2, 0, 1]);
  assertEquals(stats.own.open, 6);
  assertEquals(worker.stats().running, 2);
  for (const handle of [...held, ...waiting]) handle.cancel();
  await cluster.onIdle();
});

testWithRedis(
  "finished tasks are removed once their outcome was read, and kept as long as asked",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    cluster.work(tasks);
    await cluster.gather(Array.from({ length: 100 }, (_, n) => square(n)));
    await until(async () => (await cluster.stats()).succeeded === 0);
    await using keeping = new ClusterRunner({
      ...redis.at,
      keep: { count: 5 },
    });
    await keeping.gather(Array.from({ length: 20 }, (_, n) => square(n)));
    await until(async () => (await cluster.stats()).succeeded === 5);
    await pause(50);
    assertEquals((await cluster.stats()).succeeded, 5);
  },
);

testWithRedis(
  "a submit that cannot reach Redis fails after sendTimeout, and says what to install and start",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const errors: Error[] = [];
    await using cluster = new ClusterRunner({
      connection: { port },
      sendTimeout: 100,
      onError: (error) => errors.push(error),
    });
    const error = await assertRejects(
      () => cluster.submit(square(1)),
      ClusterUnreachableError,
    );
    assert(error.message.includes(`127.0.0.1:${port}`), error.message);
    assert(
      error.message.includes("apt-get install redis-server"),
      error.message,
    );
    assert(error.cause instanceof Error);
    // Once for the whole outage.
    await until(() => errors.length > 0);
    assertEquals(errors.length, 1);
    await cluster.shutdown({ wait: false, grace: 10 });
  },
);

testWithOwnRedis(
  "ACL users and passwords reach Redis through connection",
  async () => {
    await using redis = await RedisServer.start();
    await redis.command(
      "ACL",
      "SETUSER",
      "worker",
      "on",
      ">secret",
      "~*",
      "&*",
      "+@all",
    );
    await redis.command("CONFIG", "SET", "requirepass", "other");
    await using cluster = new ClusterRunner({
      connection: { port: redis.port, username: "worker", password: "secret" },
    });
    cluster.work([square]);
    assertEquals(await cluster.submit(square(5)), 25);
  },
);

testWithOwnRedis(
  "TLS reaches Redis through rediss:// and through connection.tls, and an unknown authority is refused",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const [key, cert] = [directory.path("key"), directory.path("cert")];
    const { success } = await new Deno.Command("openssl", {
      args: ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
        .concat("-subj", "/CN=localhost", "-keyout", key, "-out", cert)
        .concat("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
      stdout: "null",
      stderr: "null",
    }).output();
    assert(success);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    await using _redis = await RedisServer.start([
      ...["--tls-port", String(port), "--tls-auth-clients", "no"],
      ...["--tls-cert-file", cert, "--tls-key-file", key],
    ]);
    const tls = {
      ca: await Deno.readTextFile(cert),
      servername: "localhost",
    };
    await using serving = new ClusterRunner({
      connection: { host: "127.0.0.1", port, tls },
    });
    serving.work([square]);
    assertEquals(await serving.submit(square(5)), 25);
    const errors: Error[] = [];
    await using refused = new ClusterRunner({
      connection: `rediss://127.0.0.1:${port}`,
      sendTimeout: 2000,
      onError: (error) => errors.push(error),
    });
    const error = await assertRejects(
      () => refused.submit(square(5)),
      ClusterUnreachableError,
    );
    assert(/certificate|UnknownIssuer/i.test(error.message), error.message);
    await refused.shutdown({ wait: false, grace: 10 });
    assertEquals(errors.length, 1);
  },
);
