/**
 * What one worker does with the jobs that it has taken.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { testWithRedis, useRedis } from "../support/redis.ts";
import { pause, until } from "../support/tasks.ts";

testWithRedis(
  "a task that was lost runs again on the same worker when its earlier run has ended, and can be cancelled",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at, onError: () => {} });
    let running = 0;
    let runs = 0;
    let hasOverlapped = false;
    const deaf = defineTask("deaf", async (_: null, { signal }) => {
      hasOverlapped ||= running > 0;
      running++;
      try {
        if (++runs > 1) return await pause(60_000, signal);
        // Long enough to be lost; its signal is ignored for as long again.
        await pause(20);
        const end = performance.now() + 1_500;
        while (performance.now() < end);
        await pause(1_500);
      } finally {
        running--;
      }
    });
    const worker = cluster.work([deaf], { lostAfter: 400, maxLost: 100 });
    const handle = cluster.submit(deaf(null));
    await until(() => runs > 1);
    assert(!hasOverlapped);
    handle.cancel();
    await cluster.onIdle();
    await until(() => running === 0);
    const { running: held, cancelled } = worker.stats();
    assertEquals([held, cancelled], [0, 1]);
  },
);
