/**
 * TaskScheduler: maxQueue, its overflow policies at the exact boundary, and ready().
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  AsyncRunner,
  type OverflowPolicy,
  QueueFullError,
  type SchedulerOptions,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { HeldTask, microtasks, watched } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

const { CRITICAL, HIGH, NORMAL, LOW, BACKGROUND } = TaskPriority;

/** One slot, taken; two places in the queue. */
async function fullScheduler(
  overflow: OverflowPolicy,
  options: SchedulerOptions = {},
) {
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 2,
    overflow,
    ...options,
  });
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  await microtasks();
  const order: string[] = [];
  const submit = (name: string, priority: TaskPriority = NORMAL) =>
    watched(scheduler.submit(() => {
      order.push(name);
    }, { name, priority }));
  const finish = async () => {
    held.end();
    await running;
    await scheduler.onIdle();
    return order;
  };
  return { scheduler, submit, finish };
}

/** Asserts that a handle was dropped for want of a place. */
async function assertDropped(
  handle: Promise<unknown> & { state: string },
  name: string,
) {
  assertEquals(handle.state, "failed");
  const error = await handle.catch((error) => error);
  assertInstanceOf(error, QueueFullError);
  assertEquals(error.name, "QueueFullError");
  assertEquals(error.maxQueue, 2);
  assert(error.message.startsWith(`Task ${name} was turned away`));
}

Deno.test('overflow "reject" turns away what comes when maxQueue tasks wait, and not one earlier', async () => {
  await using _ = nothingLeft();
  const { scheduler, submit, finish } = await fullScheduler("reject");
  const a = submit("a");
  const b = submit("b");
  const c = submit("c", CRITICAL);
  assertEquals([a.state, b.state, scheduler.size], ["queued", "queued", 2]);
  await assertDropped(c, "c");
  a.cancel();
  const d = submit("d");
  assertEquals([d.state, scheduler.size], ["queued", 2]);
  assertEquals(await finish(), ["b", "d"]);
  const { submitted, succeeded, cancelled, failed } = scheduler.stats();
  assertEquals([submitted, succeeded, cancelled, failed], [4, 3, 1, 0]);
});

Deno.test('overflow "drop-oldest" drops what has waited longest, whatever its level', async () => {
  await using _ = nothingLeft();
  const { submit, finish } = await fullScheduler("drop-oldest");
  const a = submit("a", HIGH);
  const b = submit("b", LOW);
  const c = submit("c", BACKGROUND);
  await assertDropped(a, "a");
  const d = submit("d", BACKGROUND);
  await assertDropped(b, "b");
  assertEquals([c.state, d.state], ["queued", "queued"]);
  assertEquals(await finish(), ["c", "d"]);
});

Deno.test('overflow "drop-oldest" finds the oldest also after changes of priority', async () => {
  await using _ = nothingLeft();
  const { submit, finish } = await fullScheduler("drop-oldest");
  const a = submit("a", LOW);
  submit("b", HIGH);
  a.setPriority(HIGH);
  submit("c", HIGH);
  await assertDropped(a, "a");
  assertEquals(await finish(), ["b", "c"]);
});

Deno.test('overflow "drop-lowest" drops the youngest of the least urgent level', async () => {
  await using _ = nothingLeft();
  const { submit, finish } = await fullScheduler("drop-lowest");
  const a = submit("a", LOW);
  const b = submit("b", LOW);
  submit("c", NORMAL);
  await assertDropped(b, "b");
  submit("d", HIGH);
  await assertDropped(a, "a");
  assertEquals(await finish(), ["d", "c"]);
});

Deno.test('overflow "drop-lowest" never drops what is more urgent than the newcomer, or as urgent', async () => {
  await using _ = nothingLeft();
  const { submit, finish } = await fullScheduler("drop-lowest");
  submit("a", HIGH);
  submit("b", NORMAL);
  await assertDropped(submit("c", NORMAL), "c");
  await assertDropped(submit("d", BACKGROUND), "d");
  assertEquals(await finish(), ["a", "b"]);
});

Deno.test('overflow "drop-lowest" finds the youngest also after changes of priority', async () => {
  await using _ = nothingLeft();
  const { submit, finish } = await fullScheduler("drop-lowest");
  const a = submit("a", HIGH);
  const b = submit("b", LOW);
  a.setPriority(LOW);
  submit("c", HIGH);
  await assertDropped(b, "b");
  assertEquals(await finish(), ["c", "a"]);
});

Deno.test('overflow "wait" accepts beyond maxQueue, and ready() waits for a place', async () => {
  await using _ = nothingLeft();
  const { scheduler, submit, finish } = await fullScheduler("wait");
  await scheduler.ready();
  const a = submit("a");
  assertEquals(scheduler.isFull, false);
  submit("b");
  assertEquals(scheduler.isFull, true);
  let isReady = false;
  const ready = scheduler.ready().then(() => {
    isReady = true;
  });
  submit("c");
  a.cancel();
  await microtasks();
  assertEquals([scheduler.size, isReady], [2, false]);
  assertEquals(await finish(), ["b", "c"]);
  await ready;
});

Deno.test("ready() rejects with the signal's reason, and the same for one that is aborted already", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const { scheduler, submit, finish } = await fullScheduler("wait");
  submit("a");
  submit("b");
  const ready = watched(scheduler.ready(controller.signal));
  const reason = new Error("no more");
  controller.abort(reason);
  assertStrictEquals(await ready.catch((error) => error), reason);
  assertStrictEquals(
    await scheduler.ready(controller.signal).catch((error) => error),
    reason,
  );
  await finish();
});

Deno.test("maxQueue does not count what finds a free slot in the same turn", async () => {
  for (
    const overflow of ["reject", "drop-oldest", "drop-lowest"] as const
  ) {
    const scheduler = new TaskScheduler({
      maxConcurrent: 2,
      maxQueue: 1,
      overflow,
    });
    await using _ = nothingLeft({ runner: scheduler });
    const held = new HeldTask<string>();
    const handles = [1, 2, 3].map(() => scheduler.submit(held.run));
    const refused = watched(scheduler.submit(held.run));
    held.end("done");
    const results = await Promise.allSettled([...handles, refused]);
    assertEquals(
      results.map(({ status }) => status),
      overflow === "drop-oldest"
        ? ["fulfilled", "fulfilled", "rejected", "fulfilled"]
        : ["fulfilled", "fulfilled", "fulfilled", "rejected"],
    );
  }
});

Deno.test("maxQueue 0 accepts what can start at once and nothing else: a bulkhead", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 2,
    maxQueue: 0,
    overflow: "reject",
  });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask<string>();
  const handles = [scheduler.submit(held.run), scheduler.submit(held.run)];
  await assertRejects(() => scheduler.submit(held.run), QueueFullError);
  await microtasks();
  assertEquals(scheduler.running, 2);
  await assertRejects(() => scheduler.submit(held.run), QueueFullError);
  held.end("done");
  assertEquals(await Promise.all(handles), ["done", "done"]);
  assertEquals(await scheduler.submit(() => "again"), "again");
});

Deno.test("maxQueue 0 never rejects while fewer callers than slots are at it", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 4,
    maxQueue: 0,
    overflow: "reject",
  });
  await using _ = nothingLeft({ runner: scheduler });
  let count = 0;
  await Promise.all([1, 2, 3, 4].map(async () => {
    for (let round = 0; round < 5000; round++) {
      await scheduler.submit(async () => {
        await undefined;
        count++;
      });
    }
  }));
  assertEquals(count, 20_000);
});

Deno.test('maxQueue 0 with "wait": ready() resolves while a slot is free', async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1, maxQueue: 0 });
  await scheduler.ready();
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  assertEquals(scheduler.isFull, true);
  const ready = scheduler.ready();
  held.end();
  await running;
  await ready;
  assertEquals(scheduler.isFull, false);
  scheduler.pause();
  const resumed = scheduler.ready();
  scheduler.resume();
  await resumed;
  await scheduler.onIdle();
});

Deno.test("maxQueue holds for heavy tasks and for keys without a free place", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 4,
    maxQueue: 1,
    maxPerKey: 1,
    overflow: "reject",
  });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const first = scheduler.submit(held.run, { key: "a", weight: 2 });
  await microtasks();
  const second = scheduler.submit(held.run, { key: "a" });
  await assertRejects(
    () => scheduler.submit(held.run, { key: "a" }),
    QueueFullError,
  );
  // Two slots are free, and this one waits for nothing.
  const other = scheduler.submit(held.run, { key: "b" });
  await microtasks();
  assertEquals(other.state, "running");
  await assertRejects(
    () => scheduler.submit(held.run, { key: "c", weight: 2 }),
    QueueFullError,
  );
  held.end();
  await Promise.all([first, second, other]);
});

Deno.test("a newcomer whose signal aborts while room is made for it is cancelled and disturbs nothing", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 1,
    overflow: "reject",
  });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  const first = scheduler.submit(() => controller.abort("meanwhile"));
  const second = scheduler.submit(() => "second", {
    signal: controller.signal,
  });
  assertEquals([first.state, second.state], ["succeeded", "cancelled"]);
  assertEquals(await second.catch((reason) => reason), "meanwhile");
  assertEquals([scheduler.size, scheduler.running], [0, 0]);
  assertEquals(await scheduler.submit(() => "third"), "third");
  assertEquals([scheduler.size, scheduler.stats().submitted], [0, 2]);
});

Deno.test("maxQueue 0 turns nobody away only because tasks are held back for timers", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 0,
    overflow: "reject",
  });
  for (let round = 0; round < 20; round++) {
    // Each computes for longer than tasks may without a turn of the event loop.
    const handles = [1, 2, 3].map((index) =>
      scheduler.submit(() => {
        const end = performance.now() + 5;
        while (performance.now() < end) { /* computes */ }
        return index;
      })
    );
    assertEquals(await Promise.all(handles), [1, 2, 3]);
  }
});

Deno.test("ready(), gather and map share a bounded queue without pushing each other out", async () => {
  for (const overflow of ["reject", "drop-lowest"] as const) {
    await using runner = new AsyncRunner({
      maxWorkers: 2,
      maxQueue: 2,
      overflow,
    });
    let longest = 0;
    const task = async () => {
      longest = Math.max(longest, runner.scheduler.size);
      await Promise.resolve();
      return 1;
    };
    const produce = async () => {
      let sum = 0;
      for (let n = 0; n < 30; n++) {
        await runner.ready();
        sum += await runner.submit(task);
      }
      return sum;
    };
    const collect = async () => {
      let sum = 0;
      for await (const n of runner.map(Array(30).fill(0), task)) sum += n;
      return sum;
    };
    const gathered = async () =>
      (await runner.gather(Array(30).fill(task))).length;
    const sums = await Promise.all([
      produce(),
      produce(),
      produce(),
      gathered(),
      gathered(),
      collect(),
      collect(),
    ]);
    assertEquals(sums, Array(7).fill(30));
    assert(longest <= 2, `${longest} waited with ${overflow}`);
  }
});

Deno.test("overflow: a submit by whoever is told of an end sees the slot as free, and starts nothing itself", async () => {
  const log: string[] = [];
  const scheduler: TaskScheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 1,
    overflow: "reject",
    observer: {
      settled: ({ name }) => {
        if (name !== "first") return;
        log.push("told");
        void scheduler.submit(() => log.push("third"));
        log.push("submitted");
      },
    },
  });
  const held = new HeldTask();
  void scheduler.submit(held.run, { name: "first" });
  await microtasks();
  void scheduler.submit(() => log.push("second"));
  held.end();
  await scheduler.onIdle();
  assertEquals(log, ["told", "submitted", "second", "third"]);
});

Deno.test("overflow: a task that is cancelled by the drop that makes room for it never starts", async () => {
  const scheduler = new TaskScheduler({
    maxConcurrent: 1,
    maxQueue: 1,
    overflow: "drop-oldest",
  });
  const runner = new AsyncRunner({ scheduler });
  await using _ = nothingLeft({ runner: [scheduler, runner] });
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  await microtasks();
  const started: string[] = [];
  // The second drops the first, which decides the race and cancels the second.
  const race = runner.race([
    () => started.push("first"),
    () => started.push("second"),
  ]);
  await assertRejects(() => race, QueueFullError);
  assertEquals(scheduler.size, 0);
  held.end();
  await running;
  await scheduler.onIdle();
  assertEquals(started, []);
});
