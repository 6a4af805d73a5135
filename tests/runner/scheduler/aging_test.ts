/**
 * TaskScheduler: aging.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type TaskHandle,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HeldTask } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { randomNumbers } from "../../support/random.ts";

const { HIGH, NORMAL, LOW, BACKGROUND, CRITICAL } = TaskPriority;

/** A scheduler that ages, its slot taken, and a log of who started. */
function agingScheduler(aging: number) {
  const scheduler = new TaskScheduler({ maxConcurrent: 1, aging });
  const first = new HeldTask();
  void scheduler.submit(first.run, { priority: CRITICAL });
  const order: string[] = [];
  const submit = (name: string, priority: TaskPriority) =>
    scheduler.submit(() => {
      order.push(name);
    }, { name, priority });
  return { scheduler, first, order, submit };
}

Deno.test("aging raises a waiting task one level for each `aging` ms", async () => {
  using clock = new FakeClock();
  const { scheduler, first, order, submit } = agingScheduler(100);
  submit("low", LOW);
  await clock.tick(100);
  submit("normal", NORMAL);
  submit("high", HIGH);
  await clock.tick();
  first.end();
  await clock.tick();
  await scheduler.onIdle();
  // The low one has risen to NORMAL, where it is the oldest.
  assertEquals(order, ["high", "low", "normal"]);
});

Deno.test("aging: an old BACKGROUND task goes before fresh CRITICAL ones", async () => {
  using clock = new FakeClock();
  const { scheduler, first, order, submit } = agingScheduler(100);
  submit("background", BACKGROUND);
  await clock.tick(400);
  submit("critical", CRITICAL);
  first.end();
  await clock.tick();
  await scheduler.onIdle();
  assertEquals(order, ["background", "critical"]);
});

Deno.test("aging: after setPriority() the order stays by time waited", async () => {
  using clock = new FakeClock();
  const { scheduler, first, order, submit } = agingScheduler(1000);
  const oldest = submit("oldest", LOW);
  await clock.tick(10);
  submit("middle", HIGH);
  await clock.tick(10);
  const youngest = submit("youngest", LOW);
  youngest.setPriority(HIGH);
  oldest.setPriority(HIGH);
  first.end();
  await clock.tick();
  await scheduler.onIdle();
  assertEquals(order, ["oldest", "middle", "youngest"]);
});

Deno.test("aging: with 2,000 tasks at HIGH, a LOW one submitted first runs within its promised time", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({ maxConcurrent: 1, aging: 100 });
  const start = performance.now();
  let startedAfter = Infinity;
  const low = scheduler.submit(() => {
    startedAfter = performance.now() - start;
  }, { priority: LOW });
  let open = 2000;
  for (let index = 0; index < 2000; index++) {
    // The flood goes on: each of these takes 10 ms.
    void scheduler.submit(async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, 10);
      await promise;
      open--;
    }, { priority: HIGH });
  }
  while (startedAfter === Infinity && open > 0) await clock.tick(10);
  await low;
  // The others rise as well, up to the top: that is three levels of 100 ms above LOW.
  assert(startedAfter <= 310, `started after ${startedAfter} ms`);
  scheduler.clear();
  await clock.tick(10);
});

Deno.test("aging together with maxPerKey: a waiting key rises too", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxPerKey: 1,
    aging: 100,
  });
  const first = new HeldTask();
  void scheduler.submit(first.run);
  await clock.tick();
  const order: string[] = [];
  void scheduler.submit(() => order.push("low"), { priority: LOW, key: "a" });
  await clock.tick(250);
  void scheduler.submit(() => order.push("normal"), { key: "b" });
  first.end();
  await clock.tick();
  assertEquals(order, ["low", "normal"]);
});

Deno.test("aging together with maxPerKey: a key that had no free place loses no time by it", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxPerKey: 1,
    aging: 100,
  });
  await using _ = nothingLeft({ runner: scheduler });
  const order: string[] = [];
  const first = new HeldTask();
  const submit = (name: string, key: string, priority?: TaskPriority) =>
    scheduler.submit(() => order.push(name), { key, priority });
  void scheduler.submit(first.run, { key: "a" });
  await clock.tick();
  // Its key has no free place, so others come before it in the turn of its level.
  submit("old", "a", LOW);
  await clock.tick(250);
  submit("young", "b", LOW);
  submit("high", "c", HIGH);
  first.end();
  await clock.tick();
  assertEquals(order, ["old", "high", "young"]);
});

Deno.test("aging together with maxPerKey: the longest waiting of many keys rises, whatever was cancelled, moved or held back", async () => {
  using clock = new FakeClock();
  const random = randomNumbers(11);
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxPerKey: 1,
    aging: 10,
    paused: true,
  });
  await using _ = nothingLeft({ runner: scheduler });
  const started: number[] = [];
  const handles: TaskHandle<unknown>[] = [];
  for (let index = 0; index < 400; index++) {
    if (index % 4 === 0) await clock.tick(1);
    const handle = scheduler.submit(() => started.push(index), {
      key: Math.floor(random() * 40),
      priority: random() < 0.5 ? LOW : HIGH,
    });
    handle.catch(() => {});
    handles.push(handle);
    const other = handles[Math.floor(random() * handles.length)];
    const action = random();
    if (action < 0.3) other?.cancel();
    else if (action < 0.6) other?.setPriority(action < 0.45 ? LOW : HIGH);
  }
  // Everything has risen to the top but what came in the last 30 ms: those come last.
  const old =
    handles.filter(({ state }, index) =>
      state === "queued" && index < 400 - 4 * 31
    ).length;
  scheduler.resume();
  await clock.tick();
  assertEquals(
    started.length,
    handles.filter(({ state }) => state === "succeeded").length,
  );
  const early = started.slice(0, old);
  assertEquals(early.filter((index) => index >= 400 - 4 * 9), []);
});
