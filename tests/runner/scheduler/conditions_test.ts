/**
 * TaskScheduler: onIdle, onEmpty, onSizeLessThan.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { AsyncRunner, TaskScheduler } from "../../../runner/mod.ts";
import { HeldTask, microtasks } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false;
  promise.then(() => {
    done = true;
  });
  await microtasks();
  return done;
}

Deno.test("onIdle() and onEmpty() resolve at once when it is so already", async () => {
  const scheduler = new TaskScheduler();
  await scheduler.onIdle();
  await scheduler.onEmpty();
  await scheduler.onSizeLessThan(1);
});

Deno.test("onIdle() of a paused and empty scheduler resolves; of a paused one with work it waits", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await scheduler.onIdle();
  const handle = scheduler.submit(() => 1);
  const idle = scheduler.onIdle();
  assertEquals(await isDone(idle), false);
  scheduler.resume();
  await handle;
  await idle;
});

Deno.test("onIdle() waits for a task that another submits before it ends", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const inner = new HeldTask();
  const outer = scheduler.submit(() => {
    void scheduler.submit(inner.run);
  });
  const idle = scheduler.onIdle();
  await outer;
  assertEquals(await isDone(idle), false);
  inner.end();
  await idle;
});

Deno.test("onIdle() waits for the real end of a cancelled task", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = scheduler.submit(held.run);
  await microtasks();
  handle.cancel();
  const idle = scheduler.onIdle();
  assertEquals(await isDone(idle), false);
  held.end();
  await idle;
});

Deno.test("onEmpty() resolves when the last task has started, or was cancelled or cleared", async () => {
  for (const how of ["start", "cancel", "clear"]) {
    const scheduler = new TaskScheduler({ maxConcurrent: 1 });
    await using _ = nothingLeft({ runner: scheduler });
    const first = new HeldTask();
    const second = new HeldTask();
    void scheduler.submit(first.run);
    const handle = scheduler.submit(second.run);
    await microtasks();
    const empty = scheduler.onEmpty();
    assertEquals(await isDone(empty), false);
    if (how === "start") first.end();
    else if (how === "cancel") handle.cancel();
    else scheduler.clear();
    await empty;
    assertEquals([scheduler.size, scheduler.running], [0, 1]);
    first.end();
    second.end();
    await scheduler.onIdle();
  }
});

Deno.test("onSizeLessThan() wakes on completion, on clear, on resume and when the limit is raised", async () => {
  for (const how of ["completion", "clear", "resume", "limit"]) {
    const scheduler = new TaskScheduler({
      maxConcurrent: 1,
      paused: how === "resume",
    });
    const held = Array.from({ length: 3 }, () => new HeldTask());
    for (const task of held) void scheduler.submit(task.run);
    await microtasks();
    const short = scheduler.onSizeLessThan(scheduler.size);
    assertEquals(await isDone(short), false);
    if (how === "completion") held[0]?.end();
    else if (how === "clear") scheduler.clear();
    else if (how === "resume") scheduler.resume();
    else scheduler.maxConcurrent = 2;
    await short;
    for (const task of held) task.end();
    await scheduler.onIdle();
  }
});

Deno.test("onSizeLessThan(0) is a RangeError, since a queue is never shorter than that", () => {
  const scheduler = new TaskScheduler();
  for (const count of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => scheduler.onSizeLessThan(count),
      RangeError,
      `count must be a positive integer, got ${count}`,
    );
  }
});

Deno.test("onIdle() and the others reject with the reason of their signal, aborted before or later", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await using _ = nothingLeft({ runner: scheduler });
  void scheduler.submit(() => 1);
  const reason = new Error("no longer of interest");
  for (
    const wait of [
      (signal: AbortSignal) => scheduler.onIdle(signal),
      (signal: AbortSignal) => scheduler.onEmpty(signal),
      (signal: AbortSignal) => scheduler.onSizeLessThan(1, signal),
    ]
  ) {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const waiting = wait(controller.signal).catch((error) => error);
    controller.abort(reason);
    assertStrictEquals(await waiting, reason);
    assertStrictEquals(
      await wait(controller.signal).catch((error) => error),
      reason,
    );
  }
  scheduler.clear();
});

Deno.test("onIdle(), onEmpty() and onSizeLessThan() cost no more for 30,000 who wait than their number, however much happens meanwhile", async () => {
  const count = 30_000;
  const scheduler = new TaskScheduler({ maxConcurrent: 10, paused: true });
  const runner = new AsyncRunner({ scheduler });
  for (let n = 0; n < count; n++) void runner.submit(() => {});
  for (
    const wait of [
      () => scheduler.onIdle(),
      () => scheduler.onEmpty(),
      () => scheduler.onSizeLessThan(1),
      () => runner.onIdle(),
    ]
  ) {
    const all = Array.from({ length: count }, wait);
    const start = performance.now();
    // Each start and each end is a change.
    scheduler.resume();
    await Promise.all(all);
    const duration = performance.now() - start;
    // One look for each and each change would be 900 million and more.
    assert(duration < 5000, `took ${duration} ms`);
    await scheduler.onIdle();
    scheduler.pause();
    for (let n = 0; n < count; n++) void runner.submit(() => {});
  }
  scheduler.clear();
});

Deno.test("ready() lets no more producers pass than there is room for, first come first served", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1, maxQueue: 2 });
  let longest = 0;
  const order: number[] = [];
  const produce = async (n: number) => {
    await scheduler.ready();
    const handle = scheduler.submit(() => {
      order.push(n);
    });
    longest = Math.max(longest, scheduler.size);
    await handle;
  };
  await Promise.all(Array.from({ length: 1000 }, (_, n) => produce(n)));
  assertEquals(order, Array.from({ length: 1000 }, (_, n) => n));
  // One that is about to start, and two that wait.
  assert(longest <= 3, `${longest} were queued`);
});

Deno.test("ready() of a producer that gives up, or passes and submits nothing, holds nobody up", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 1,
    paused: true,
  });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  scheduler.submit(() => {});
  const gaveUp = scheduler.ready(controller.signal).catch((reason) => reason);
  const passedOnly = scheduler.ready();
  const next = scheduler.ready();
  controller.abort("gave up");
  assertEquals(await gaveUp, "gave up");
  scheduler.resume();
  await passedOnly;
  await next;
  await scheduler.onIdle();
});
