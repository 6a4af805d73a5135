/**
 * ClusterRunner with a worker in the same process and a real Redis.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { AsyncRunner, TaskPriority } from "@specify/async-core";
import {
  ClusterRunner,
  defineTask,
  SubmitRefusedError,
  TaskNotFoundError,
} from "@specify/async-distributed";
import {
  RedisServer,
  testWithOwnRedis,
  testWithRedis,
  useRedis,
} from "./support/redis.ts";
import { failing, pause, slow, square, tasks, until } from "./support/tasks.ts";

testWithRedis(
  "ClusterRunner.submit() gives the result of a task that a worker ran",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    cluster.work([square]);
    const handle = cluster.submit(square(12));
    assertEquals(handle.name, "square");
    assertEquals(handle.state, "queued");
    assertEquals(await handle, 144);
    assertEquals(handle.state, "succeeded");
  },
);

testWithRedis(
  "ClusterRunner.submit() refuses a closure and says what to do",
  async () => {
    await using cluster = new ClusterRunner();
    const error = assertThrows(() => cluster.submit(() => 1), TypeError);
    assert(error.message.includes("defineTask("), error.message);
    const uncalled = assertThrows(
      // deno-lint-ignore no-explicit-any -- the wrong type is the point
      () => cluster.submit(square as any),
      TypeError,
    );
    assert(
      uncalled.message.includes("call it with its input"),
      uncalled.message,
    );
  },
);

testWithRedis(
  "ClusterRunner.submit() rejects with the task's own failure",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    cluster.work(tasks);
    const handle = cluster.submit(failing("no such planet"));
    const error = await assertRejects(() => handle, RangeError);
    assertEquals(error.message, "no such planet");
    assertEquals(handle.state, "failed");
    assert(error.stack?.includes("tasks.ts"), error.stack);
  },
);

testWithRedis(
  "ClusterRunner.gather() keeps order, cancels the rest at the first failure and awaits it",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using runner = new AsyncRunner({ maxWorkers: 5 });
    const worker = cluster.work(tasks, { runner });
    assertEquals(
      await cluster.gather([square(1), square(2), square(3)]),
      [1, 4, 9],
    );
    assertEquals(
      await cluster.gather([square(2), failing("x")], { settled: true }).then((
        results,
      ) => results.map(({ status }) => status)),
      ["fulfilled", "rejected"],
    );
    const start = performance.now();
    await assertRejects(
      () =>
        cluster.gather(
          [
            ...Array.from({ length: 20 }, () => slow({ ms: 60_000 })),
            failing("stop"),
            // It waits behind the slow ones and goes first all the same.
          ].map((task) => task),
          { priority: TaskPriority.HIGH, timeout: 1000 },
        ),
    );
    // Not the minute that each of them takes.
    assert(performance.now() - start < 50_000);
    assertEquals(worker.stats().running, 0);
    assertEquals((await cluster.stats()).own.open, 0);
  },
);

testWithRedis(
  "ClusterRunner.map() is the same call as on a local runner, and reads no further ahead than concurrency",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using local = new AsyncRunner();
    cluster.work([square]);
    let read = 0;
    let delivered = 0;
    let furthest = 0;
    function* numbers() {
      for (let n = 0; n < 200; n++) {
        read++;
        furthest = Math.max(furthest, read - delivered);
        yield n;
      }
    }
    for (const runner of [local, cluster]) {
      read = delivered = furthest = 0;
      const results: number[] = [];
      for await (
        const n of runner.map(numbers(), square, { concurrency: 10 })
      ) {
        delivered++;
        results.push(n);
      }
      assertEquals(results, Array.from({ length: 200 }, (_, n) => n * n));
      assert(furthest <= 12, `read ${furthest} ahead`);
    }
    const unordered: number[] = [];
    for await (
      const n of cluster.map([3, 1, 2], square, {
        ordered: false,
        concurrency: 2,
      })
    ) unordered.push(n);
    assertEquals(unordered.sort(), [1, 4, 9]);
  },
);

testWithRedis(
  "ClusterRunner.map() cancels what is in work when the loop is left, and closes the source",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    const worker = cluster.work(tasks);
    let closed = 0;
    function* inputs() {
      try {
        yield { ms: 0 };
        for (;;) yield { ms: 60_000 };
      } finally {
        closed++;
      }
    }
    for await (const _ of cluster.map(inputs(), slow, { concurrency: 5 })) {
      break;
    }
    assertEquals(closed, 1);
    assertEquals(worker.stats().running, 0);
    const { waiting, running } = await cluster.stats();
    assertEquals([waiting, running], [0, 0]);
  },
);

testWithRedis(
  "TaskHandle.cancel() takes out a task that nobody has taken yet",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    const reason = new Error("not needed");
    const unsent = cluster.submit(square(1));
    unsent.cancel(reason);
    assertEquals(unsent.state, "cancelled");
    assertStrictEquals(await unsent.catch((error) => error), reason);
    const waiting = cluster.submit(square(2));
    await until(async () => (await cluster.stats()).waiting === 1);
    waiting.cancel(reason);
    assertStrictEquals(await waiting.catch((error) => error), reason);
    await cluster.onIdle();
    assertEquals((await cluster.stats()).waiting, 0);
    const worker = cluster.work([square]);
    await worker.ready;
    assertEquals(await cluster.submit(square(3)), 9);
    assertEquals(worker.stats().succeeded, 1);
  },
);

testWithRedis(
  "TaskHandle.cancel() aborts a running task within 100 ms, and its slot is free when it has ended",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    let abortedAt = 0;
    let release = () => {};
    let isRunning = false;
    const stubborn = defineTask("stubborn", async (_: null, { signal }) => {
      isRunning = true;
      signal.addEventListener("abort", () => abortedAt = performance.now());
      await new Promise<void>((resolve) => release = resolve);
      isRunning = false;
    });
    const worker = cluster.work([stubborn, square], { runner });
    const times: number[] = [];
    let handle = cluster.submit(stubborn(null));
    for (;;) {
      await until(() => handle.state === "running" && isRunning);
      const cancelledAt = performance.now();
      handle.cancel();
      assertEquals(handle.state, "cancelled");
      await until(() => abortedAt > 0);
      times.push(abortedAt - cancelledAt);
      // A busy machine gets several tries.
      if (Math.min(...times) < 100 || times.length === 20) break;
      release();
      abortedAt = 0;
      await until(() => !isRunning);
      handle = cluster.submit(stubborn(null));
    }
    assert(Math.min(...times) < 100, `${times} ms`);
    // It ignores its signal, so its slot is not free.
    const next = cluster.submit(square(3));
    await pause(100);
    assertEquals(next.state, "queued");
    assert(isRunning);
    release();
    assertEquals(await next, 9);
    assertEquals(worker.stats().cancelled, times.length);
    const error = await handle.catch((error) => error);
    assertEquals(error.name, "AbortError");
  },
);

testWithRedis(
  "TaskHandle.cancel() in the moment of completion leaves one outcome on both sides",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({
      ...redis.at,
      keep: { age: 60_000 },
    });
    cluster.work([square]);
    const outcomes = { succeeded: 0, cancelled: 0 };
    for (let round = 0; round < 60; round++) {
      const handle = cluster.submit(square(round));
      // Anywhere between its adding and the arrival of its outcome.
      const end = performance.now() + (round % 20) / 4;
      while (performance.now() < end && handle.state !== "succeeded") {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      handle.cancel();
      const outcome = await handle.then(() => "succeeded", () => "cancelled");
      assertEquals(outcome, handle.state);
      outcomes[outcome as "succeeded" | "cancelled"]++;
      await cluster.onIdle();
      // What the store says to anybody else agrees.
      const seen = await cluster.attach(handle.id).then(
        () => "succeeded",
        (error) =>
          error instanceof TaskNotFoundError || error.name === "AbortError"
            ? "cancelled"
            : error,
      );
      assertEquals(seen, outcome, `round ${round}`);
    }
    assert(outcomes.cancelled > 0, JSON.stringify(outcomes));
  },
);

testWithRedis(
  "ClusterRunner.stats() counts what was submitted and how it ended: success, failure, cancel and refusal",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const own = async () => (await cluster.stats()).own;
    const none = { succeeded: 0, failed: 0, cancelled: 0, lost: 0 };
    assertEquals(await own(), { open: 0, submitted: 0, ...none });
    const first = cluster.submit(square(2));
    const before = await own();
    cluster.work(tasks);
    await first;
    assertEquals(before, { open: 1, submitted: 1, ...none });
    let counts = { ...none, succeeded: 1 };
    assertEquals(await own(), { open: 0, submitted: 1, ...counts });
    await assertRejects(() => cluster.submit(failing("no")), RangeError);
    counts = { ...counts, failed: 1 };
    assertEquals(await own(), { open: 0, submitted: 2, ...counts });
    const running = cluster.submit(slow({ ms: 60_000 }));
    await until(() => running.state === "running");
    running.cancel();
    running.cancel();
    counts = { ...counts, cancelled: 1 };
    await cluster.onIdle();
    assertEquals(await own(), { open: 0, submitted: 3, ...counts });
    const unsent = cluster.submit(slow({ ms: 60_000 }));
    unsent.cancel();
    counts = { ...counts, cancelled: 2 };
    assertEquals(await own(), { open: 0, submitted: 4, ...counts });
    // What is not let in was never submitted, and has ended all the same.
    const signal = AbortSignal.abort(new Error("before"));
    await assertRejects(() => cluster.submit(square(1), { signal }), Error);
    counts = { ...counts, cancelled: 3 };
    assertEquals(await own(), { open: 0, submitted: 4, ...counts });
    const deadline = performance.now() - 1;
    await assertRejects(
      () => cluster.submit(square(1), { deadline }),
      DOMException,
    );
    counts = { ...counts, failed: 2 };
    assertEquals(await own(), { open: 0, submitted: 4, ...counts });
    // A submit that throws counts nowhere.
    assertThrows(() => cluster.submit(square(1), { weight: 0 }), RangeError);
    assertEquals(await own(), { open: 0, submitted: 4, ...counts });
  },
);

testWithOwnRedis(
  "ClusterRunner.stats() counts a task that Redis refuses as submitted and failed",
  async () => {
    await using redis = await RedisServer.start();
    await using cluster = new ClusterRunner({ ...redis.at, onError: () => {} });
    assertEquals((await cluster.stats()).waiting, 0);
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    await assertRejects(() => cluster.submit(square(2)), SubmitRefusedError);
    await cluster.onIdle();
    assertEquals((await cluster.stats()).own, {
      open: 0,
      submitted: 1,
      succeeded: 0,
      failed: 1,
      cancelled: 0,
      lost: 0,
    });
  },
);
