/**
 * TaskScheduler: the observer, the watchdog, statistics.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type StallReport,
  type TaskInfo,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HeldTask, microtasks, watched } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("observer sees every state change, with the task's state and reason", async () => {
  const events: unknown[] = [];
  const note = (event: string) => (task: TaskInfo, reason?: unknown) =>
    events.push([event, task.name, task.state, reason]);
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    observer: {
      queued: note("queued"),
      started: note("started"),
      settled: note("settled"),
      ended: note("ended"),
    },
  });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const a = scheduler.submit(held.run, { name: "a" });
  await microtasks();
  const b = scheduler.submit(() => Promise.reject("broken"), { name: "b" });
  const c = scheduler.submit(() => 1, { name: "c" });
  c.cancel("c is not needed");
  a.cancel("a is not needed");
  held.end();
  await Promise.allSettled([a, b, c]);
  await scheduler.submit(() => "the value is the handle's", { name: "d" });
  await scheduler.onIdle();
  assertEquals(events, [
    ["queued", "a", "queued", undefined],
    ["started", "a", "running", undefined],
    ["queued", "b", "queued", undefined],
    ["queued", "c", "queued", undefined],
    ["settled", "c", "cancelled", "c is not needed"],
    ["settled", "a", "cancelled", "a is not needed"],
    ["ended", "a", "cancelled", undefined],
    ["started", "b", "running", undefined],
    ["settled", "b", "failed", "broken"],
    ["ended", "b", "failed", undefined],
    ["queued", "d", "queued", undefined],
    ["started", "d", "running", undefined],
    ["settled", "d", "succeeded", undefined],
    ["ended", "d", "succeeded", undefined],
  ]);
});

Deno.test("observer that throws is reported and changes nothing", async () => {
  const reports: unknown[] = [];
  const { error } = console;
  console.error = (what: unknown) => reports.push(what);
  try {
    const fails = () => {
      throw new Error("display is gone");
    };
    const scheduler = new TaskScheduler({
      observer: { queued: fails, started: fails, settled: fails, ended: fails },
    });
    await using _ = nothingLeft({ runner: scheduler });
    assertEquals(await scheduler.submit(() => 7, { name: "t" }), 7);
    await scheduler.onIdle();
    assertEquals(reports, [
      "observer.queued threw at task t:",
      "observer.started threw at task t:",
      "observer.settled threw at task t:",
      "observer.ended threw at task t:",
    ]);
  } finally {
    console.error = error;
  }
});

Deno.test("observer that cancels at queued or at started: the function is not called", async () => {
  for (const event of ["queued", "started"] as const) {
    const handles: { cancel(reason?: unknown): void }[] = [];
    const scheduler = new TaskScheduler({
      maxConcurrent: 1,
      observer: {
        [event]: (task: TaskInfo) => {
          if (task.name === "victim") {
            (task as unknown as { cancel(reason: string): void }).cancel(event);
          }
        },
      },
    });
    await using _ = nothingLeft({ runner: scheduler });
    const held = new HeldTask();
    const handle = watched(scheduler.submit(held.run, { name: "victim" }));
    handles.push(handle);
    assertEquals(await handle.catch((reason) => reason), event);
    assertEquals(await scheduler.submit(() => "next"), "next");
    assertEquals([held.starts, scheduler.running, scheduler.size], [0, 0, 0]);
  }
});

/** A scheduler of two slots with a watchdog, and what it reported. */
function watchedScheduler() {
  const reports: StallReport[] = [];
  const scheduler = new TaskScheduler({
    maxConcurrent: 2,
    onStall: { after: 1000, report: (stall) => reports.push(stall) },
  });
  return { scheduler, reports };
}

Deno.test("onStall reports holders and waiters when every slot is held by a task that awaits a plain nested submit", async () => {
  using clock = new FakeClock();
  const { scheduler, reports } = watchedScheduler();
  const handles = ["x", "y"].map((name) =>
    scheduler.submit(
      () => scheduler.submit(() => name, { name: `inner ${name}` }),
      { name: `outer ${name}` },
    )
  );
  await clock.tick(999);
  assertEquals(reports.length, 0);
  await clock.tick(1);
  assertEquals(reports.length, 1);
  const [report] = reports;
  assertEquals(report?.stalledFor, 1000);
  assertEquals(report?.running.map(({ name }) => name), ["outer x", "outer y"]);
  assertEquals(report?.queued.map(({ name }) => name), ["inner x", "inner y"]);
  await clock.tick(10_000);
  assertEquals(reports.length, 1, "once for each stall");
  scheduler.maxConcurrent = 3;
  await clock.tick();
  assertEquals(await Promise.all(handles), ["x", "y"]);
  assertEquals(timers.size, 0);
});

Deno.test("onStall does not report a scheduler that is merely busy", async () => {
  using clock = new FakeClock();
  const { scheduler, reports } = watchedScheduler();
  const held = Array.from({ length: 12 }, () => new HeldTask());
  const handles = held.map((task) => scheduler.submit(task.run));
  for (const task of held) {
    await clock.tick(900);
    task.end();
  }
  await clock.tick();
  await Promise.all(handles);
  assertEquals([reports.length, timers.size], [0, 0]);
});

Deno.test("onStall does not report a long task behind which nothing waits, a pause, or a rate limit", async () => {
  using clock = new FakeClock();
  const { scheduler, reports } = watchedScheduler();
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  await clock.tick(5000);
  scheduler.pause();
  const queued = scheduler.submit(() => 1);
  await clock.tick(5000);
  assertEquals([reports.length, timers.size], [0, 0]);
  held.end();
  scheduler.resume();
  await clock.tick();
  await Promise.all([running, queued]);
  const limited = new TaskScheduler({
    rateLimit: { limit: 1, interval: 5000 },
    onStall: { after: 1000, report: (stall) => reports.push(stall) },
  });
  void limited.submit(() => 1);
  const second = limited.submit(() => 2);
  await clock.tick(5000);
  assertEquals(await second, 2);
  assertEquals(reports.length, 0);
});

Deno.test("onStall reports again when new work is stuck after the old was cleared", async () => {
  using clock = new FakeClock();
  const reports: StallReport[] = [];
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    onStall: { after: 1000, report: (stall) => reports.push(stall) },
  });
  const held = new HeldTask();
  scheduler.submit(held.run);
  for (const name of ["first", "second"]) {
    scheduler.submit(() => 1, { name });
    await clock.tick(3000);
    scheduler.clear();
  }
  assertEquals(reports.map(({ queued }) => queued[0]?.name), [
    "first",
    "second",
  ]);
  held.end();
  await scheduler.onIdle();
});

Deno.test("onStall sees a stall that was there when a pause ended", async () => {
  using clock = new FakeClock();
  const { scheduler, reports } = watchedScheduler();
  const held = new HeldTask();
  const handles = [1, 2, 3].map(() => scheduler.submit(held.run));
  await clock.tick();
  scheduler.pause();
  await clock.tick(5000);
  scheduler.resume();
  await clock.tick(1000);
  assertEquals(reports.length, 1);
  held.end();
  await clock.tick();
  await Promise.all(handles);
});

Deno.test("stats() counts and measures by level", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const first = scheduler.submit(held.run, { priority: TaskPriority.HIGH });
  await clock.tick(100);
  const second = scheduler.submit(() => Promise.reject(new Error("no")));
  watched(second);
  const third = scheduler.submit(() => 1);
  third.cancel();
  await clock.tick(300);
  assertEquals(
    [scheduler.stats().queued, scheduler.stats().running],
    [1, 1],
  );
  held.end();
  await clock.tick();
  await Promise.allSettled([first, second, third]);
  const stats = scheduler.stats();
  assertEquals([stats.submitted, stats.succeeded, stats.failed], [3, 1, 1]);
  assertEquals([stats.cancelled, stats.queued, stats.running], [1, 0, 0]);
  const high = stats.byPriority[TaskPriority.HIGH];
  const normal = stats.byPriority[TaskPriority.NORMAL];
  assertEquals([high?.started, normal?.started], [1, 1]);
  assertEquals(high?.wait.max, 0);
  // Kept to within 6 %, and never above the longest.
  for (const value of [high?.run.p50, high?.run.p99, high?.run.max]) {
    assertEquals(value, 400);
  }
  assertEquals(normal?.wait.max, 300);
  assertStrictEquals(stats.byPriority.length, 5);
  assert(stats.maxConcurrent === 1);
});
