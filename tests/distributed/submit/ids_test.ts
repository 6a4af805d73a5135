/**
 * Ids and handles: several handles on one task, and ids that are used again.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { testWithRedis, useRedis } from "../support/redis.ts";
import { echo, slow, square, tasks, until } from "../support/tasks.ts";

testWithRedis(
  "ClusterRunner.submit() with the id of a task that is being cancelled runs anew when that is out of the way",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const waiting = cluster.submit(slow({ ms: 0, value: "old" }), { id: "a" });
    await until(async () => (await cluster.stats()).waiting === 1);
    waiting.cancel();
    const again = cluster.submit(slow({ ms: 20, value: "new" }), { id: "a" });
    assertEquals(again.state, "queued");
    const worker = cluster.work(tasks);
    assertEquals(await again, "new");
    // While it runs elsewhere, too.
    const running = cluster.submit(slow({ ms: 60_000 }), { id: "b" });
    await until(() => running.state === "running");
    running.cancel();
    const next = [2, 3].map((value) =>
      cluster.submit(slow({ ms: 20, value }), { id: "b" })
    );
    const dropped = cluster.submit(slow({ ms: 0 }), { id: "b" });
    const late = cluster.submit(slow({ ms: 0 }), {
      id: "b",
      deadline: performance.now() + 1,
    }).catch((error) => error.name);
    dropped.cancel();
    assertEquals(await Promise.all(next), [2, 2]);
    assertEquals(dropped.state, "cancelled");
    assertEquals(await late, "TimeoutError");
    await cluster.onIdle();
    assertEquals(worker.stats().cancelled, 1);
  },
);

testWithRedis(
  "the id of a task that was cancelled while it ran is free again for other processes",
  async () => {
    await using redis = await useRedis();
    await using one = new ClusterRunner(redis.at);
    await using two = new ClusterRunner(redis.at);
    one.work(tasks);
    const first = one.submit(slow({ ms: 60_000 }), { id: "job" });
    await until(() => first.state === "running");
    first.cancel();
    await one.onIdle();
    assertEquals(
      await two.submit(slow({ ms: 0, value: 1 }), { id: "job" }),
      1,
    );
  },
);

testWithRedis(
  "a handle whose deadline passes leaves the task to the other handles of its id",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    cluster.work(tasks);
    const patient = cluster.submit(slow({ ms: 300, value: 1 }), { id: "x" });
    const hasty = cluster.submit(slow({ ms: 300, value: 1 }), {
      id: "x",
      deadline: performance.now() + 50,
    });
    await assertRejects(() => hasty, DOMException, "deadline");
    assertEquals(await patient, 1);
  },
);

testWithRedis(
  "cancel() of a handle that was not sent yet takes back the task that another handle of its id has sent",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const worker = cluster.work(tasks);
    const sent = cluster.submit(slow({ ms: 60_000 }), { id: "x" });
    await until(() => sent.state === "running");
    const unsent = cluster.submit(slow({ ms: 60_000 }), { id: "x" });
    unsent.cancel();
    assertEquals([sent.state, unsent.state], ["cancelled", "cancelled"]);
    await cluster.onIdle();
    assertEquals(worker.stats().cancelled, 1);
    assertEquals(worker.stats().running, 0);
    await Promise.allSettled([sent, unsent]);
  },
);

testWithRedis(
  "two handles of one id have results of their own, whatever keys those hold",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const value = { inner: { $: 1, at: new Date(5) } };
    const handles = [1, 2].map(() =>
      cluster.submit(echo(value), { id: "dollar" })
    );
    cluster.work(tasks);
    const [one, two] = await Promise.all(handles) as (typeof value)[];
    assertEquals([one, two], [value, value]);
    assertEquals(one === two, false);
  },
);

testWithRedis(
  "a task whose record is not kept gives its result all the same",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    cluster.work([square]);
    for (let n = 0; n < 20; n++) {
      assertEquals(
        await cluster.submit(square(n), { id: `n${n}`, keep: { count: 0 } }),
        n * n,
      );
    }
  },
);

testWithRedis(
  "a runner that ends without waiting leaves what it could not cancel to the others",
  async () => {
    await using redis = await useRedis();
    await using serving = new ClusterRunner(redis.at);
    let release: (() => void) | undefined;
    let signal: AbortSignal | undefined;
    const held = defineTask("held", async (_: null, context) => {
      signal = context.signal;
      await new Promise<void>((resolve) => release = resolve);
      return "done";
    });
    const worker = serving.work([held]);
    const leaving = new ClusterRunner(redis.at);
    const handle = leaving.submit(held(null));
    await until(() => handle.state === "running");
    const attached = serving.attach(handle.id);
    await until(() => attached.state === "running" && release !== undefined);
    const report = await leaving.shutdown({ wait: false, grace: 10 });
    assertEquals(report.unfinished.map(({ id }) => id), [handle.id]);
    assertEquals(worker.stats().running, 1);
    // What ends before its worker hears of the cancel has succeeded.
    await until(() => signal?.aborted === true);
    release?.();
    await Promise.allSettled([attached, handle]);
    assertEquals(attached.state, "cancelled");
    await until(async () => (await serving.stats()).running === 0);
  },
);
