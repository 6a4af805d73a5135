/**
 * TaskScheduler: maxConcurrent and its changes, weights, limits by key.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { TaskPriority, TaskScheduler } from "../../../runner/mod.ts";
import { heapUsed } from "../../support/heap.ts";
import { HeldTask, microtasks } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("maxConcurrent lowered below what is running interrupts nothing and takes effect as tasks end", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 3 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = Array.from({ length: 6 }, () => new HeldTask());
  const handles = held.map((task) => scheduler.submit(task.run));
  await microtasks();
  scheduler.maxConcurrent = 1;
  assertEquals([scheduler.maxConcurrent, scheduler.running], [1, 3]);
  for (const [ended, running] of [[0, 2], [1, 1], [2, 1], [3, 1]] as const) {
    held[ended]?.end();
    await microtasks();
    assertEquals(scheduler.running, running);
  }
  scheduler.maxConcurrent = 2;
  await microtasks();
  assertEquals([scheduler.running, scheduler.size], [2, 0]);
  for (const task of held) task.end();
  await Promise.all(handles);
});

Deno.test("maxConcurrent raised starts what waits", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const held = new HeldTask();
  const handles = [1, 2, 3, 4].map(() => scheduler.submit(held.run));
  await microtasks();
  scheduler.maxConcurrent = 3;
  await microtasks();
  assertEquals(held.starts, 3);
  scheduler.maxConcurrent = Infinity;
  await microtasks();
  assertEquals(held.starts, 4);
  held.end();
  await Promise.all(handles);
});

Deno.test("maxConcurrent set while paused takes effect at resume()", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1, paused: true });
  const held = new HeldTask();
  const handles = [1, 2, 3].map(() => scheduler.submit(held.run));
  scheduler.maxConcurrent = 2;
  await microtasks();
  assertEquals([scheduler.isPaused, held.starts], [true, 0]);
  scheduler.resume();
  await microtasks();
  assertEquals([scheduler.isPaused, held.starts], [false, 2]);
  held.end();
  await Promise.all(handles);
});

Deno.test("maxConcurrent 0 is a RangeError that points at pause()", () => {
  const message =
    "maxConcurrent must be a positive integer or Infinity, got 0. To stop tasks from starting, use pause().";
  assertThrows(
    () => new TaskScheduler({ maxConcurrent: 0 }),
    RangeError,
    message,
  );
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  assertThrows(() => scheduler.maxConcurrent = 0, RangeError, message);
  assertEquals(scheduler.maxConcurrent, 2);
});

Deno.test("pause() in the turn of a submit keeps the task from starting", async () => {
  const scheduler = new TaskScheduler();
  const held = new HeldTask();
  const handle = scheduler.submit(held.run);
  scheduler.pause();
  await microtasks();
  assertEquals(held.starts, 0);
  scheduler.resume();
  scheduler.pause();
  scheduler.resume();
  held.end();
  await handle;
  assertEquals(held.starts, 1);
});

Deno.test("weight: a task takes that many slots", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 5 });
  const held = Array.from({ length: 4 }, () => new HeldTask());
  const weights = [3, 2, 1, 4];
  const handles = held.map((task, index) =>
    scheduler.submit(task.run, { weight: weights[index] })
  );
  await microtasks();
  assertEquals(held.map(({ starts }) => starts), [1, 1, 0, 0]);
  held[1]?.end();
  await microtasks();
  assertEquals(held.map(({ starts }) => starts), [1, 1, 1, 0]);
  held[0]?.end();
  await microtasks();
  assertEquals(held.map(({ starts }) => starts), [1, 1, 1, 1]);
  for (const task of held) task.end();
  await Promise.all(handles);
});

Deno.test("weight above maxConcurrent is a RangeError at submit, not a hang", () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  assertThrows(
    () => scheduler.submit(() => 1, { weight: 3 }),
    RangeError,
    "weight must not be above maxConcurrent (2), got 3: the task could never start",
  );
  assertEquals(scheduler.size, 0);
});

Deno.test("weight above a limit that was lowered later: the task runs alone", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 3, paused: true });
  const heavy = new HeldTask();
  const light = new HeldTask();
  const handles = [
    scheduler.submit(light.run),
    scheduler.submit(heavy.run, { weight: 3 }),
    scheduler.submit(light.run),
  ];
  scheduler.maxConcurrent = 2;
  scheduler.resume();
  await microtasks();
  assertEquals([light.starts, heavy.starts], [1, 0]);
  light.end();
  await microtasks();
  assertEquals([light.starts, heavy.starts, scheduler.size], [1, 1, 1]);
  heavy.end();
  await Promise.all(handles);
});

Deno.test("weight: a heavy task at the head is not starved by light ones behind it", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 4 });
  const stop = new AbortController();
  await using _ = nothingLeft({ runner: scheduler, signals: [stop.signal] });
  let lightStarts = 0;
  let lightBeforeHeavy = -1;
  const flood = (): void => {
    lightStarts++;
    if (stop.signal.aborted || lightStarts > 10_000) return;
    void scheduler.submit(async () => {
      await undefined;
      flood();
    });
  };
  for (let index = 0; index < 8; index++) flood();
  await microtasks();
  const heavy = scheduler.submit(() => {
    lightBeforeHeavy = lightStarts;
  }, { weight: 4 });
  const before = lightStarts;
  await heavy;
  stop.abort();
  assert(
    lightBeforeHeavy - before < 50,
    `${lightBeforeHeavy - before} light tasks came first`,
  );
  await scheduler.onIdle();
});

Deno.test("maxPerKey: no more of a key at once, and a blocked key does not block others at its level", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 3, maxPerKey: 1 });
  const a = [new HeldTask(), new HeldTask()];
  const b = new HeldTask();
  const none = new HeldTask();
  const handles = [
    scheduler.submit(a[0]!.run, { key: "a" }),
    scheduler.submit(a[1]!.run, { key: "a" }),
    scheduler.submit(b.run, { key: "b" }),
    scheduler.submit(none.run),
  ];
  await microtasks();
  assertEquals([a[0]?.starts, a[1]?.starts, b.starts, none.starts], [
    1,
    0,
    1,
    1,
  ]);
  a[0]?.end();
  await microtasks();
  assertEquals(a[1]?.starts, 1);
  for (const task of [...a, b, none]) task.end();
  await Promise.all(handles);
});

Deno.test("maxPerKey: a cancelled task that ignores its signal keeps its key's place", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 3, maxPerKey: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = [new HeldTask(), new HeldTask()];
  const [first, second] = held.map((task) =>
    scheduler.submit(task.run, { key: "a" })
  );
  await microtasks();
  first?.cancel();
  await microtasks();
  assertEquals(held[1]?.starts, 0);
  held[0]?.end();
  await microtasks();
  assertEquals(held[1]?.starts, 1);
  held[1]?.end();
  await second;
});

Deno.test("maxPerKey: one key that floods a level does not hold up the others", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1, maxPerKey: 1 });
  const order: string[] = [];
  const submit = (key: string, priority?: TaskPriority) =>
    scheduler.submit(async () => {
      order.push(key);
      await undefined;
    }, { key, priority });
  for (let index = 0; index < 100; index++) void submit("flood");
  for (let index = 0; index < 3; index++) void submit("b");
  void submit("c");
  void submit("urgent", TaskPriority.HIGH);
  await scheduler.onIdle();
  assertEquals(order.slice(0, 8), [
    "urgent",
    "flood",
    "b",
    "c",
    "flood",
    "b",
    "flood",
    "b",
  ]);
  assertEquals(order.length, 105);
});

Deno.test('maxPerKey: strings, numbers and symbols are keys, and 1 is not "1"', async () => {
  const scheduler = new TaskScheduler({ maxPerKey: 1 });
  const held = new HeldTask();
  const symbol = Symbol("key");
  const handles = [1, "1", symbol, symbol].map((key) =>
    scheduler.submit(held.run, { key })
  );
  await microtasks();
  assertEquals([held.starts, scheduler.size], [3, 1]);
  held.end();
  await Promise.all(handles);
});

Deno.test("maxPerKey: keys without work hold no memory, however many there were", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 10, maxPerKey: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  let next = 0;
  const round = async () => {
    const handles = Array.from(
      { length: 10_000 },
      () => scheduler.submit(() => {}, { key: `key ${next++}` }),
    );
    // Some leave the queue without having been started.
    for (const handle of handles.slice(-3000)) handle.cancel("not needed");
    await scheduler.onIdle();
  };
  await round();
  const before = heapUsed();
  for (let n = 0; n < 30; n++) await round();
  // A key that were kept would take some 200 bytes: 60 MB of them all.
  const grown = (heapUsed() - before) / 2 ** 20;
  assert(grown < 10, `${grown.toFixed(1)} MB`);
});
