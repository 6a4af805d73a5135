/**
 * TaskScheduler: the rate limit, exact at every boundary.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Task, TaskPriority, TaskScheduler } from "../../../runner/mod.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HeldTask } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("rateLimit lets `limit` tasks start at once and the next when the interval is over", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    rateLimit: { limit: 3, interval: 1000 },
  });
  const start = performance.now();
  const starts: number[] = [];
  for (let index = 0; index < 8; index++) {
    void scheduler.submit(() => starts.push(performance.now() - start));
  }
  for (let step = 0; step < 30; step++) await clock.tick(100);
  assertEquals(starts, [0, 0, 0, 1000, 1000, 1000, 2000, 2000]);
});

Deno.test("rateLimit: idle time saves up no burst over the limit", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxConcurrent: 100,
    rateLimit: { limit: 3, interval: 1000 },
  });
  const starts: number[] = [];
  const submit = () => {
    void scheduler.submit(() => starts.push(performance.now()));
  };
  submit();
  await clock.tick(100_000);
  for (let index = 0; index < 10; index++) submit();
  await clock.tick();
  assertEquals(starts.length, 4);
  await clock.tick(999);
  assertEquals(starts.length, 4);
  await clock.tick(1);
  assertEquals(starts.length, 7);
  scheduler.clear();
});

Deno.test("rateLimit: no stretch of the interval sees more than the limit, wherever it begins", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 50 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 40 }),
      async (limit, interval, spread, gaps) => {
        using clock = new FakeClock();
        const scheduler = new TaskScheduler({
          maxConcurrent: 100,
          rateLimit: { limit, interval, spread },
        });
        const starts: number[] = [];
        for (const gap of gaps) {
          clock.time.tick(gap);
          void scheduler.submit(() => starts.push(performance.now()));
          if (gap % 2 === 0) await undefined;
        }
        while (scheduler.size > 0) {
          clock.time.tick(1);
          await macrotask();
        }
        await scheduler.onIdle();
        assertEquals(starts.length, gaps.length);
        for (const [index, start] of starts.entries()) {
          const next = starts[index + limit];
          assert(
            next === undefined || next - start >= interval,
            `${limit + 1} starts within ${interval} ms`,
          );
          const following = starts[index + 1];
          if (spread && following !== undefined) {
            assert(following - start >= interval / limit);
          }
        }
        assertEquals(timers.size, 0);
      },
    ),
    { numRuns: 60, seed: 2026 },
  );
});

Deno.test("rateLimit with spread spaces the starts evenly", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    rateLimit: { limit: 4, interval: 1000, spread: true },
  });
  const start = performance.now();
  const starts: number[] = [];
  for (let index = 0; index < 5; index++) {
    void scheduler.submit(() => starts.push(performance.now() - start));
  }
  for (let step = 0; step < 20; step++) await clock.tick(50);
  await clock.tick(50);
  assertEquals(starts, [0, 250, 500, 750, 1000]);
});

Deno.test("rateLimit and pause together: what the pause saved up is no burst, and no timer runs meanwhile", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    rateLimit: { limit: 2, interval: 1000 },
  });
  let starts = 0;
  for (let index = 0; index < 6; index++) void scheduler.submit(() => starts++);
  await clock.tick();
  assertEquals([starts, timers.size], [2, 1]);
  scheduler.pause();
  assertEquals(timers.size, 0);
  await clock.tick(10_000);
  assertEquals(starts, 2);
  scheduler.resume();
  await clock.tick();
  assertEquals(starts, 4);
  scheduler.pause();
  scheduler.resume();
  await clock.tick(999);
  assertEquals(starts, 4);
  await clock.tick(1);
  assertEquals([starts, timers.size], [6, 0]);
});

Deno.test("rateLimit: no timer is left when the queue is empty, however it became so", async () => {
  using clock = new FakeClock();
  for (const emptied of ["cancel", "clear", "signal", "run"]) {
    const controller = new AbortController();
    const scheduler = new TaskScheduler({
      rateLimit: { limit: 1, interval: 500 },
    });
    await using _ = nothingLeft({
      runner: scheduler,
      signals: [controller.signal],
    });
    void scheduler.submit(() => {});
    const handle = scheduler.submit(() => {}, { signal: controller.signal });
    await clock.tick();
    assertEquals(timers.size, 1);
    if (emptied === "cancel") handle.cancel();
    else if (emptied === "clear") scheduler.clear();
    else if (emptied === "signal") controller.abort();
    else await clock.tick(500);
    assertEquals([scheduler.size, timers.size], [0, 0]);
  }
});

Deno.test("rateLimit: the most urgent task that waits takes the next start", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    rateLimit: { limit: 1, interval: 100 },
  });
  const order: string[] = [];
  for (
    const [name, priority] of [
      ["low", TaskPriority.LOW],
      ["normal", TaskPriority.NORMAL],
    ] as const
  ) void scheduler.submit(() => order.push(name), { priority });
  await clock.tick(50);
  void scheduler.submit(() => order.push("critical"), {
    priority: TaskPriority.CRITICAL,
  });
  await clock.tick(50);
  await clock.tick(100);
  assertEquals(order, ["normal", "critical", "low"]);
});

Deno.test("rateLimit counts starts, not tasks that run: a long one does not hold it up", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxConcurrent: 2,
    rateLimit: { limit: 1, interval: 100 },
  });
  const held = new HeldTask();
  const long = scheduler.submit(held.run);
  const short = scheduler.submit(() => "short");
  await clock.tick(100);
  assertEquals([long.state, short.state], ["running", "succeeded"]);
  held.end();
  await long;
});

Deno.test("rateLimit: children that run in lent slots count too, and wait for their time", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    rateLimit: { limit: 2, interval: 100 },
  });
  const started: number[] = [];
  const start = performance.now();
  const nested = (left: number): Task<void> => async ({ submit }) => {
    started.push(performance.now() - start);
    if (left > 0) await submit(nested(left - 1));
  };
  const handle = scheduler.submit(nested(4));
  for (let step = 0; step < 6; step++) await clock.tick(50);
  await handle;
  assertEquals(started, [0, 0, 100, 100, 200]);
});

Deno.test("rateLimit: no timer is left when its time came while the thread was busy", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 2,
    rateLimit: { limit: 1, interval: 30 },
  });
  await using _ = nothingLeft({ runner: scheduler });
  const before = timers.size;
  await scheduler.submit(() => {});
  const second = scheduler.submit(() => {});
  await macrotask();
  assertEquals(timers.size, before + 1);
  const start = performance.now();
  while (performance.now() - start < 40);
  // Looked at before the timer can fire.
  scheduler.maxConcurrent = 3;
  await second;
  assertEquals(timers.size, before);
});

Deno.test("rateLimit: ready() lets one pass when nothing waits, who then waits for its time", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxQueue: 0,
    rateLimit: { limit: 1, interval: 100 },
  });
  const start = performance.now();
  const starts: number[] = [];
  for (let n = 0; n < 2; n++) {
    // The second comes while the limit allows no start.
    void scheduler.ready().then(() =>
      scheduler.submit(() => starts.push(performance.now() - start))
    );
    await clock.tick(10);
  }
  for (let step = 0; step < 6; step++) await clock.tick(20);
  assertEquals(starts, [0, 100]);
});
