/**
 * TaskScheduler: who starts next.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  type TaskHandle,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { heapUsed } from "../../support/heap.ts";
import { HeldTask, microtasks } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { randomNumbers } from "../../support/random.ts";

const { CRITICAL, HIGH, NORMAL, LOW, BACKGROUND } = TaskPriority;

/** A scheduler of one slot, which is taken until `first.end()`, and a log of who started. */
function heldScheduler() {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const first = new HeldTask();
  void scheduler.submit(first.run);
  const order: string[] = [];
  const submit = (name: string, priority?: TaskPriority): TaskHandle<void> =>
    scheduler.submit(() => {
      order.push(name);
    }, { priority, name });
  return { scheduler, first, order, submit };
}

Deno.test("submit() starts the most urgent level first, and first in first out within a level", async () => {
  const { scheduler, first, order, submit } = heldScheduler();
  await microtasks();
  for (const round of [1, 2]) {
    for (
      const [name, priority] of Object.entries({
        background: BACKGROUND,
        normal: NORMAL,
        critical: CRITICAL,
        low: LOW,
        high: HIGH,
      })
    ) submit(`${name} ${round}`, priority);
  }
  submit("default");
  first.end();
  await scheduler.onIdle();
  assertEquals(order, [
    "critical 1",
    "critical 2",
    "high 1",
    "high 2",
    "normal 1",
    "normal 2",
    "default",
    "low 1",
    "low 2",
    "background 1",
    "background 2",
  ]);
});

Deno.test("submit() starts nothing before its caller goes on, so that submits of one turn compete", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const order: string[] = [];
  const low = scheduler.submit(() => order.push("low"), { priority: LOW });
  const high = scheduler.submit(() => order.push("high"), { priority: HIGH });
  assertEquals([low.state, high.state, order.length], ["queued", "queued", 0]);
  await Promise.all([low, high]);
  assertEquals(order, ["high", "low"]);
});

Deno.test("TaskHandle is a promise with id, name, state and priority", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask<number>();
  const handle = scheduler.submit(held.run, {
    name: "fetch prices",
    priority: HIGH,
  });
  const other = scheduler.submit(function named() {
    return "x";
  });
  const anonymous = scheduler.submit((() => () => 1)());
  assert(handle instanceof Promise);
  assertEquals(Object.prototype.toString.call(handle), "[object Promise]");
  assertMatch(handle.id, /^task-\d+$/);
  assertEquals(handle.name, "fetch prices");
  assertEquals(handle.priority, HIGH);
  assertEquals(handle.state, "queued");
  assertEquals(other.name, "named");
  assertEquals(anonymous.name, anonymous.id);
  assertEquals(new Set([handle.id, other.id, anonymous.id]).size, 3);
  await microtasks();
  assertEquals(handle.state, "running");
  assertEquals(held.context?.id, handle.id);
  assertEquals(held.context?.name, "fetch prices");
  assertEquals(held.context?.priority, HIGH);
  held.end(7);
  assertEquals(await handle, 7);
  assertEquals(handle.state, "succeeded");
  assertEquals(await other, "x");
  const failed = scheduler.submit(() => {
    throw new Error("no");
  });
  await failed.catch(() => {});
  assertEquals(failed.state, "failed");
  await scheduler.onIdle();
});

Deno.test("TaskHandle works with then, catch, finally, Promise.all, race and allSettled", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const one = () => scheduler.submit(() => 1);
  const two = () => scheduler.submit(() => Promise.reject(new Error("two")));
  assertEquals(await one().then((value) => value + 1), 2);
  assertEquals(await two().catch((error) => error.message), "two");
  let finals = 0;
  assertEquals(await one().finally(() => finals++), 1);
  assertEquals(finals, 1);
  assertEquals(await Promise.all([one(), one()]), [1, 1]);
  assertEquals(await Promise.race([one(), new Promise(() => {})]), 1);
  const [first, second] = await Promise.allSettled([one(), two()]);
  assertEquals([first.status, second.status], ["fulfilled", "rejected"]);
  const handle = one();
  assertNotStrictEquals(handle.then(), handle as Promise<number>);
  await scheduler.onIdle();
});

Deno.test("setPriority() moves a queued task up and down", async () => {
  const { scheduler, first, order, submit } = heldScheduler();
  await microtasks();
  const a = submit("a", NORMAL);
  submit("b", HIGH);
  const c = submit("c", CRITICAL);
  submit("d", LOW);
  a.setPriority(CRITICAL);
  c.setPriority(BACKGROUND);
  assertEquals([a.priority, c.priority], [CRITICAL, BACKGROUND]);
  first.end();
  await scheduler.onIdle();
  assertEquals(order, ["a", "b", "d", "c"]);
});

Deno.test("setPriority() to the level that a task has already changes nothing", async () => {
  const { scheduler, first, order, submit } = heldScheduler();
  await microtasks();
  const a = submit("a");
  submit("b");
  a.setPriority(NORMAL);
  first.end();
  await scheduler.onIdle();
  assertEquals(order, ["a", "b"]);
});

Deno.test("setPriority() keeps a task's age: it stands in its new level as if submitted there", async () => {
  const { scheduler, first, order, submit } = heldScheduler();
  await microtasks();
  const handles = ["a", "b", "c", "d", "e", "f"].map((name, index) =>
    submit(name, index % 2 === 0 ? LOW : HIGH)
  );
  for (const index of [4, 0, 2]) handles[index]?.setPriority(HIGH);
  first.end();
  await scheduler.onIdle();
  assertEquals(order, ["a", "b", "c", "d", "e", "f"]);
});

Deno.test("setPriority() of 100,000 tasks takes a moment, oldest or youngest first", async () => {
  // Quadratic time would be ten seconds each time; the machine may stand still in one of them.
  const times: number[] = [];
  for (const direction of [1, -1, 1, -1]) {
    const { scheduler, first } = heldScheduler();
    await microtasks();
    const order: number[] = [];
    const handles = Array.from(
      { length: 100_000 },
      (_, index) =>
        scheduler.submit(() => {
          order.push(index);
        }),
    );
    const start = performance.now();
    for (const handle of direction === 1 ? handles : handles.toReversed()) {
      handle.setPriority(HIGH);
    }
    times.push(performance.now() - start);
    first.end();
    await scheduler.onIdle();
    assertEquals(order, Array.from({ length: 100_000 }, (_, index) => index));
  }
  assert(Math.min(...times) < 2000, `took ${times} ms`);
});

for (
  const [kind, options] of [["", {}], [" with key limits", {
    maxPerKey: 1,
  }]] as const
) {
  Deno.test(`setPriority() in random order over a long queue${kind} takes a moment and keeps every task's age`, async () => {
    const random = randomNumbers(7);
    const scheduler = new TaskScheduler({
      maxConcurrent: 1,
      paused: true,
      ...options,
    });
    await using _ = nothingLeft({ runner: scheduler });
    const started: number[] = [];
    const handles: TaskHandle<void>[] = [];
    const submit = () => {
      const index = handles.length;
      const handle = scheduler.submit(() => {
        started.push(index);
      }, { key: "same", priority: LOW });
      handle.catch(() => {});
      handles.push(handle);
    };
    for (let n = 0; n < 80_000; n++) submit();
    const start = performance.now();
    for (let n = 0; n < 100_000; n++) {
      const handle = handles[Math.floor(random() * handles.length)];
      const action = random();
      if (action < 0.1) handle?.cancel();
      else if (action < 0.2) submit();
      else handle?.setPriority(action < 0.7 ? LOW : HIGH);
    }
    const took = performance.now() - start;
    const expected = [...handles.entries()]
      .filter(([, { state }]) => state === "queued")
      .sort(([a, one], [b, other]) => one.priority - other.priority || a - b)
      .map(([index]) => index);
    scheduler.resume();
    await scheduler.onIdle();
    assertEquals(started.length, expected.length);
    // In one comparison of strings: the differences of such arrays are slow to show.
    assert(
      started.join() === expected.join(),
      "the order is by level, then by age",
    );
    // Half a second on a machine that is free; with a walk through the list for each, minutes.
    assert(took < 20_000, `took ${took} ms`);
  });
}

Deno.test("setPriority() on a running or settled task has no effect and does not throw", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  const queued = scheduler.submit(() => 1);
  await microtasks();
  running.setPriority(CRITICAL);
  assertEquals(running.priority, NORMAL);
  queued.cancel();
  queued.setPriority(CRITICAL);
  assertEquals(queued.priority, NORMAL);
  held.end();
  await running;
  running.setPriority(BACKGROUND);
  assertEquals(running.priority, NORMAL);
  assertEquals(scheduler.size, 0);
});

Deno.test("setPriority() with what is no level is a RangeError that names the value", () => {
  const scheduler = new TaskScheduler({ paused: true });
  const handle = scheduler.submit(() => 1);
  for (const value of [5, -1, 1.5, NaN]) {
    assertThrows(
      () => handle.setPriority(value as TaskPriority),
      RangeError,
      `priority must be a TaskPriority (0 CRITICAL to 4 BACKGROUND), got ${value}`,
    );
  }
  assertThrows(
    () => handle.setPriority("high" as unknown as TaskPriority),
    TypeError,
    'got "high"',
  );
  handle.cancel();
});

Deno.test("a slot that comes free goes to the first waiter before what is submitted in the same tick", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const order: string[] = [];
  const held = new HeldTask();
  const first = scheduler.submit(held.run);
  const waiter = scheduler.submit(() => {
    order.push("waiter");
  });
  await microtasks();
  const late = first.then(() =>
    scheduler.submit(() => {
      order.push("late");
    }, { priority: CRITICAL })
  );
  held.end();
  await Promise.all([waiter, late]);
  assertEquals(order, ["waiter", "late"]);
});

Deno.test("a slot goes to the first waiter also when the next is submitted in the task's own finally", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const order: string[] = [];
  const held = new HeldTask();
  let late: Promise<void> | undefined;
  const first = scheduler.submit(async (context) => {
    try {
      await held.run(context);
    } finally {
      late = scheduler.submit(() => {
        order.push("late");
      });
    }
  });
  const waiter = scheduler.submit(() => {
    order.push("waiter");
  });
  await microtasks();
  held.end();
  await Promise.all([first, waiter]);
  await late;
  assertEquals(order, ["waiter", "late"]);
});

Deno.test("setPriority() in a queue that is never empty keeps no ended task alive", async () => {
  const random = randomNumbers(9);
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const refs: WeakRef<object>[] = [];
  const submitAndMove = (count: number) => {
    const handles = Array.from(
      { length: count },
      () =>
        scheduler.submit(() => {
          if (scheduler.size < 1000) scheduler.pause();
        }),
    );
    for (let n = 0; n < count / 10; n++) {
      const handle = handles[Math.floor(random() * count)];
      handle?.setPriority(LOW);
      handle?.setPriority(NORMAL);
    }
    refs.push(...handles.map((handle) => new WeakRef(handle)));
  };
  for (let round = 0; round < 10; round++) {
    submitAndMove(2000);
    scheduler.resume();
    await scheduler.onSizeLessThan(1000);
  }
  // A WeakRef holds its target until the event loop has turned.
  await macrotask();
  heapUsed();
  // What waits, and what stood in the list at the last search.
  const alive = refs.filter((ref) => ref.deref() !== undefined).length;
  assert(alive < 1100, `${alive} tasks are held, 1000 wait`);
  scheduler.clear("over");
  await scheduler.onIdle();
});
