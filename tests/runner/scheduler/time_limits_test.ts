/**
 * TaskScheduler: timeout and deadline.
 *
 * @module
 */
import {
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { TaskPriority, TaskScheduler } from "../../../runner/mod.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HeldTask, watched } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** Asserts that a handle rejected with a TimeoutError, and returns its message. */
async function timeoutOf(handle: Promise<unknown>): Promise<string> {
  const reason = await handle.then(() => "no rejection", (reason) => reason);
  assertInstanceOf(reason, DOMException);
  assertEquals(reason.name, "TimeoutError");
  return reason.message;
}

Deno.test("timeout counts running time, not queueing", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const first = new HeldTask();
  void scheduler.submit(first.run);
  const held = new HeldTask();
  const handle = watched(
    scheduler.submit(held.run, { timeout: 100, name: "slow" }),
  );
  await clock.tick(5000);
  assertEquals(handle.state, "queued");
  first.end();
  await clock.tick(99);
  assertEquals(handle.state, "running");
  await clock.tick(1);
  assertEquals(handle.state, "failed");
  assertEquals(held.context?.signal.aborted, true);
  assertStringIncludes(
    await timeoutOf(handle),
    "Task slow did not end within its timeout of 100 ms",
  );
  assertEquals(scheduler.running, 1);
  held.end();
  await scheduler.onIdle();
  assertEquals([scheduler.stats().failed, scheduler.stats().cancelled], [1, 0]);
});

Deno.test("timeout is over when the task ends in time: no timer is left", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const handles = [
    scheduler.submit(() => 1, { timeout: 1000 }),
    scheduler.submit(() => 2, { deadline: performance.now() + 1000 }),
    scheduler.submit(() => 3, {
      timeout: 10,
      deadline: performance.now() + 1000,
    }),
  ];
  await clock.tick();
  assertEquals(await Promise.all(handles), [1, 2, 3]);
  assertEquals(timers.size, 0);
});

Deno.test("deadline counts queueing too: expired in the queue, the task never starts", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const first = new HeldTask();
  void scheduler.submit(first.run);
  const held = new HeldTask();
  const handle = watched(scheduler.submit(held.run, {
    deadline: performance.now() + 100,
    name: "late",
  }));
  await clock.tick(100);
  assertEquals([handle.state, scheduler.size], ["failed", 0]);
  assertStringIncludes(
    await timeoutOf(handle),
    "Task late was still queued at its deadline and was not started",
  );
  first.end();
  await scheduler.onIdle();
  assertEquals([held.starts, timers.size], [0, 0]);
});

Deno.test("deadline that passes while a task keeps the thread busy: what waited never starts", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const deadline = performance.now() + 20;
  const busy = scheduler.submit(() => {
    while (performance.now() <= deadline + 1) { /* no timer can fire */ }
  });
  const handles = Array.from(
    { length: 1000 },
    () => scheduler.submit(held.run, { deadline }),
  );
  const after = scheduler.submit(() => "after");
  for (const handle of handles) await timeoutOf(handle);
  assertEquals(held.starts, 0);
  assertEquals(await after, "after");
  await busy;
  assertEquals(timers.size, 0);
});

Deno.test("deadline exactly now when its turn comes: neither what waited nor a child that waited starts", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const deadline = performance.now() + 100;
  const first = new HeldTask();
  const child = new HeldTask();
  const other = new HeldTask();
  const handles: Promise<unknown>[] = [];
  // The first child has the parent's slot, and the second waits for it.
  const parent = scheduler.submit(async (context) => {
    const running = watched(context.submit(first.run));
    handles.push(watched(context.submit(child.run, { deadline })));
    await Promise.allSettled([running, ...handles]);
  });
  await clock.settle();
  handles.push(watched(scheduler.submit(other.run, { deadline })));
  assertEquals([first.starts, scheduler.size], [1, 2]);
  // No timer has had its turn yet.
  performance.now = () => deadline;
  first.end();
  await parent;
  for (const handle of handles) await timeoutOf(handle);
  await scheduler.onIdle();
  assertEquals([child.starts, other.starts, timers.size], [0, 0, 0]);
});

Deno.test("deadline aborts a running task", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = watched(scheduler.submit(held.run, {
    deadline: performance.now() + 100,
    timeout: 1000,
  }));
  await clock.tick(100);
  assertStringIncludes(await timeoutOf(handle), "within its deadline");
  held.end();
  await scheduler.onIdle();
});

Deno.test("timeout and deadline: the earlier one wins", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = watched(scheduler.submit(held.run, {
    deadline: performance.now() + 1000,
    timeout: 100,
  }));
  await clock.tick(100);
  assertStringIncludes(await timeoutOf(handle), "timeout of 100 ms");
  held.end();
  await scheduler.onIdle();
});

Deno.test("deadline in the past, or now: the task fails at once and is never queued", async () => {
  using _clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  for (const deadline of [performance.now(), 0, -5, -Infinity]) {
    const held = new HeldTask();
    const handle = watched(scheduler.submit(held.run, { deadline }));
    assertEquals([handle.state, scheduler.size], ["failed", 0]);
    await timeoutOf(handle);
    assertEquals(held.starts, 0);
  }
  assertEquals(scheduler.stats().submitted, 0);
});

Deno.test("timeout 0: the task fails at once", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const handle = watched(
    scheduler.submit(() => 1, { timeout: 0, name: "none" }),
  );
  assertEquals(handle.state, "failed");
  assertStringIncludes(await timeoutOf(handle), "timeout of 0 ms");
});

Deno.test("timeout and deadline of Infinity are none, and set no timer", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask<string>();
  const handle = watched(scheduler.submit(held.run, {
    timeout: Infinity,
    deadline: Infinity,
  }));
  await clock.tick();
  assertEquals(timers.size, 0);
  await clock.tick(10 ** 9);
  held.end("done");
  assertEquals(await handle, "done");
});

Deno.test("timeout or deadline that is NaN, negative or no number is an error that names it", () => {
  const scheduler = new TaskScheduler();
  for (
    const [options, message, type] of [
      [
        { timeout: NaN },
        "timeout must be a non-negative number of milliseconds (Infinity for none), got NaN",
        RangeError,
      ],
      [
        { timeout: -1 },
        "timeout must be a non-negative number of milliseconds (Infinity for none), got -1",
        RangeError,
      ],
      [
        { timeout: "1" },
        'timeout must be a non-negative number of milliseconds (Infinity for none), got "1"',
        TypeError,
      ],
      [
        { deadline: NaN },
        "deadline must be a point on the performance.now() line, got NaN",
        RangeError,
      ],
      [
        { deadline: "soon" },
        'deadline must be a point on the performance.now() line, got "soon"',
        TypeError,
      ],
    ] as const
  ) {
    assertThrows(
      () => scheduler.submit(() => 1, options as Record<string, number>),
      type,
      message,
    );
  }
  assertEquals([scheduler.size, scheduler.stats().submitted], [0, 0]);
});

Deno.test("timeout above 2^31 - 1 ms waits as long as it says", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const month = 2 ** 31 + 5000;
  const held = new HeldTask();
  const handle = watched(scheduler.submit(held.run, { timeout: month }));
  const queued = new HeldTask();
  const other = watched(scheduler.submit(queued.run, {
    deadline: performance.now() + month,
    priority: TaskPriority.LOW,
  }));
  await clock.tick(2 ** 31 - 1);
  assertEquals([handle.state, other.state], ["running", "running"]);
  await clock.tick(5000);
  assertEquals(handle.state, "running");
  await clock.tick(1);
  assertEquals([handle.state, other.state], ["failed", "failed"]);
  await timeoutOf(handle);
  await timeoutOf(other);
  held.end();
  queued.end();
  await scheduler.onIdle();
});

Deno.test("a cancelled task's time limit is over: nothing fires later", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = watched(scheduler.submit(held.run, { timeout: 100 }));
  await clock.tick(10);
  handle.cancel("first");
  assertEquals(timers.size, 0);
  await clock.tick(200);
  assertEquals(handle.state, "cancelled");
  held.end();
  await scheduler.onIdle();
});
