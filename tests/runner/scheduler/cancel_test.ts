/**
 * TaskScheduler: cancelling, queued and running, by handle and by signal.
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
import { type TaskPriority, TaskScheduler } from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import {
  HeldTask,
  microtasks,
  unhandledRejections,
} from "../../support/held_task.ts";
import { abortListeners, nothingLeft } from "../../support/nothing_left.ts";

/** What a promise rejects with. */
function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it did not reject");
    },
    (reason) => reason,
  );
}

Deno.test("cancel() of a queued task settles it at once with the reason, and it never starts", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  const never = new HeldTask();
  const handle = scheduler.submit(never.run);
  const reason = { why: "not needed" };
  await microtasks();
  handle.cancel(reason);
  assertEquals([handle.state, scheduler.size], ["cancelled", 0]);
  assertStrictEquals(await reasonOf(handle), reason);
  held.end();
  await running;
  await scheduler.onIdle();
  assertEquals(never.starts, 0);
});

Deno.test("cancel() without a reason rejects with an AbortError that names the task", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await using _ = nothingLeft({ runner: scheduler });
  const handle = scheduler.submit(() => 1, { name: "report" });
  handle.cancel();
  const reason = await reasonOf(handle);
  assertInstanceOf(reason, DOMException);
  assertEquals(reason.name, "AbortError");
  assertEquals(reason.message, "Task report was cancelled");
});

Deno.test("cancel() without a reason of very many tasks in one turn makes few errors", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await using _ = nothingLeft({ runner: scheduler });
  const cancelAll = async () => {
    const handles = Array.from(
      { length: 1_000 },
      () => scheduler.submit(() => 1),
    );
    for (const handle of handles) handle.cancel();
    const reasons = await Promise.all(
      handles.map((handle) => handle.catch((reason) => reason)),
    );
    assertEquals(reasons.every(({ name }) => name === "AbortError"), true);
    assertEquals(
      [reasons[99], reasons[100]].map(({ message }) => message),
      [
        `Task ${handles[99]?.name} was cancelled`,
        "The task was cancelled, as were many others in the same turn",
      ],
    );
    return new Set(reasons);
  };
  const first = await cancelAll();
  const second = await cancelAll();
  assertEquals([first.size, second.size], [101, 101]);
  // What was shared in one turn is not shared with another.
  assertEquals(first.isDisjointFrom(second), true);
});

Deno.test("cancel() of a running task settles it at once, and its signal aborts with the same reason", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = scheduler.submit(held.run);
  const next = scheduler.submit(() => "next");
  await microtasks();
  const reason = new Error("enough");
  const seen: unknown[] = [];
  held.context?.signal.addEventListener("abort", () => {
    seen.push(held.context?.signal.reason, handle.state);
  });
  handle.cancel(reason);
  handle.cancel(new Error("later calls do nothing"));
  assertEquals(seen, [reason, "cancelled"]);
  assertStrictEquals(await reasonOf(handle), reason);
  assertEquals([scheduler.running, next.state], [1, "queued"]);
  held.end();
  assertEquals(await next, "next");
});

Deno.test("a task cancelled before it looked at its signal finds it aborted", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const handle = scheduler.submit(held.run);
  await microtasks();
  handle.cancel("stop");
  assertEquals(held.context?.signal.aborted, true);
  assertEquals(held.context?.signal.reason, "stop");
  held.end();
  await scheduler.onIdle();
});

Deno.test("a task that ignores its signal keeps its slot until it really ends", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = [new HeldTask(), new HeldTask()];
  const handles = held.map((task) => scheduler.submit(task.run));
  const waiter = new HeldTask();
  const waiting = scheduler.submit(waiter.run);
  await microtasks();
  for (const handle of handles) handle.cancel("stop");
  await microtasks();
  assertEquals([scheduler.running, scheduler.size, waiter.starts], [2, 1, 0]);
  held[0]?.end();
  await microtasks();
  assertEquals([scheduler.running, scheduler.size, waiter.starts], [2, 0, 1]);
  held[1]?.end();
  waiter.end();
  await waiting;
  await scheduler.onIdle();
  const { submitted, succeeded, failed, cancelled } = scheduler.stats();
  assertEquals([submitted, succeeded, failed, cancelled], [3, 1, 0, 2]);
});

Deno.test("the late result and the late error of a cancelled task go nowhere and are not unhandled", async () => {
  const unhandled = await unhandledRejections(async () => {
    const scheduler = new TaskScheduler();
    await using _ = nothingLeft({ runner: scheduler });
    for (const end of ["result", "error"]) {
      const held = new HeldTask<string>();
      const handle = scheduler.submit(held.run);
      await microtasks();
      handle.cancel("stop");
      if (end === "result") held.end("too late");
      else held.fail(new Error("too late"));
      assertEquals(await reasonOf(handle), "stop");
      assertEquals(handle.state, "cancelled");
    }
    await scheduler.onIdle();
    const { succeeded, failed, cancelled } = scheduler.stats();
    assertEquals([succeeded, failed, cancelled], [0, 0, 2]);
  });
  assertEquals(unhandled, []);
});

Deno.test("a cancelled handle that nobody awaits is no unhandled rejection, a failed one is", async () => {
  const failure = new Error("failed");
  const unhandled = await unhandledRejections(async () => {
    const scheduler = new TaskScheduler({ maxConcurrent: 1 });
    await using _ = nothingLeft({ runner: scheduler });
    const held = new HeldTask();
    const running = scheduler.submit(held.run);
    const queued = scheduler.submit(() => 1);
    const bySignal = scheduler.submit(() => 1, {
      signal: AbortSignal.abort(new Error("aborted")),
    });
    await microtasks();
    running.cancel(new Error("cancelled while running"));
    queued.cancel(new Error("cancelled while queued"));
    scheduler.submit(() => 1);
    scheduler.clear(new Error("cleared"));
    assertEquals(bySignal.state, "cancelled");
    held.end();
    await scheduler.onIdle();
    scheduler.submit(() => Promise.reject(failure));
    await scheduler.onIdle();
  });
  assertEquals(unhandled, [failure]);
});

Deno.test("cancel() in the same microtask as completion gives exactly one outcome, whichever comes first", async () => {
  // Before, at and after each step between the end of the function and the end of the job.
  for (let delay = 0; delay < 6; delay++) {
    for (const failing of [false, true]) {
      const scheduler = new TaskScheduler();
      await using _ = nothingLeft({ runner: scheduler });
      const held = new HeldTask<string>();
      const handle = scheduler.submit(held.run);
      const outcomes: string[] = [];
      handle.then(
        (value) => outcomes.push(value),
        (reason) => outcomes.push(String(reason)),
      );
      await microtasks();
      if (failing) held.fail("failed");
      else held.end("succeeded");
      await microtasks(delay);
      handle.cancel("cancelled");
      const { state } = handle;
      await scheduler.onIdle();
      await microtasks();
      assertEquals(outcomes, [state]);
      const { succeeded, failed, cancelled } = scheduler.stats();
      assertEquals(
        { succeeded, failed, cancelled },
        { succeeded: 0, failed: 0, cancelled: 0, [state]: 1 },
      );
      assertEquals(scheduler.running, 0);
    }
  }
});

Deno.test("cancel() by the task itself, before it returns", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const handle = scheduler.submit(() => {
    handle.cancel("by itself");
    return 1;
  });
  const next = scheduler.submit(() => 2);
  assertEquals(await reasonOf(handle), "by itself");
  assertEquals(await next, 2);
  assertEquals(scheduler.running, 0);
});

Deno.test("a signal that is aborted already: the task is cancelled and never queued", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await using _ = nothingLeft({ runner: scheduler });
  const reason = new Error("aborted before");
  const handle = scheduler.submit(() => 1, {
    signal: AbortSignal.abort(reason),
  });
  assertEquals([handle.state, scheduler.size], ["cancelled", 0]);
  assertStrictEquals(await reasonOf(handle), reason);
  assertEquals(scheduler.stats().submitted, 0);
});

Deno.test("aborting a running and a waiting task in the same tick hangs nothing", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  const { signal } = controller;
  const obedient = (context: { signal: AbortSignal }) =>
    new Promise<void>((_, reject) => {
      context.signal.addEventListener(
        "abort",
        () => reject(context.signal.reason),
      );
    });
  const handles = [
    scheduler.submit(obedient, { signal }),
    scheduler.submit(obedient, { signal }),
  ];
  const last = scheduler.submit(() => "last");
  await microtasks();
  controller.abort("both");
  assertEquals(await Promise.all(handles.map(reasonOf)), ["both", "both"]);
  assertEquals(await last, "last");
  await scheduler.onIdle();
});

Deno.test("aborted queued tasks hold no place in the rate limit, and what stands behind them starts", async () => {
  using clock = new FakeClock();
  const scheduler = new TaskScheduler({
    rateLimit: { limit: 1, interval: 1000 },
  });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  const first = scheduler.submit(() => "first");
  const aborted = [1, 2, 3].map(() =>
    scheduler.submit(() => "aborted", { signal: controller.signal })
  );
  const behind = scheduler.submit(() => "behind");
  await clock.tick();
  assertEquals(first.state, "succeeded");
  controller.abort("gone");
  assertEquals(scheduler.size, 1);
  await clock.tick(999);
  assertEquals(behind.state, "queued");
  await clock.tick(1);
  assertEquals(behind.state, "succeeded");
  for (const handle of aborted) assertEquals(await reasonOf(handle), "gone");
});

Deno.test("cancelling the heavy task at the head lets what it held up start", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask();
  const running = scheduler.submit(held.run);
  await microtasks();
  const heavy = scheduler.submit(() => 1, { weight: 2 });
  const light = scheduler.submit(() => "light");
  await microtasks();
  assertEquals(light.state, "queued");
  heavy.cancel();
  assertEquals(await light, "light");
  held.end();
  await running;
});

Deno.test("one abort listener for a signal that many tasks share, and none when they have settled", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 3 });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  const handles = Array.from(
    { length: 100 },
    (_, index) =>
      scheduler.submit(async () => {
        await undefined;
        return index;
      }, { signal: controller.signal }),
  );
  assertEquals(abortListeners(controller.signal), 1);
  handles[50]?.cancel();
  await Promise.allSettled(handles);
  await scheduler.onIdle();
  assertEquals(abortListeners(controller.signal), 0);
});

Deno.test("1,000,000 queued tasks are cancelled by one signal in linear time", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  const controller = new AbortController();
  await using _ = nothingLeft({
    runner: scheduler,
    signals: [controller.signal],
  });
  const { signal } = controller;
  const options = { signal };
  const task = () => 1;
  const handles = new Array(1_000_000);
  for (let index = 0; index < handles.length; index++) {
    handles[index] = scheduler.submit(task, options);
  }
  assertEquals([scheduler.size, abortListeners(signal)], [1_000_000, 1]);
  const start = performance.now();
  controller.abort("all of it");
  const took = performance.now() - start;
  assertEquals([scheduler.size, abortListeners(signal)], [0, 0]);
  assertEquals(scheduler.stats().cancelled, 1_000_000);
  assertEquals(handles[0].state, "cancelled");
  assertEquals(await reasonOf(handles.at(-1)), "all of it");
  // Some 600 ns each; quadratic time would be minutes.
  assert(took < 20_000, `took ${took} ms`);
});

Deno.test("the scheduler's signal cancels everything with its reason, and later submits are cancelled with it", async () => {
  const unhandled = await unhandledRejections(async () => {
    const controller = new AbortController();
    const scheduler = new TaskScheduler({
      maxConcurrent: 1,
      signal: controller.signal,
    });
    await using _ = nothingLeft({
      runner: scheduler,
      signals: [controller.signal],
    });
    const held = new HeldTask();
    const running = scheduler.submit(held.run);
    const queued = scheduler.submit(() => 1);
    await microtasks();
    const reason = new Error("over");
    controller.abort(reason);
    assertStrictEquals(held.context?.signal.reason, reason);
    const late = scheduler.submit(() => 1);
    assertEquals([running.state, queued.state, late.state], [
      "cancelled",
      "cancelled",
      "cancelled",
    ]);
    for (const handle of [running, queued, late]) {
      assertStrictEquals(await reasonOf(handle), reason);
    }
    scheduler.submit(() => 1);
    held.end();
    await scheduler.onIdle();
  });
  assertEquals(unhandled, []);
});

Deno.test("a scheduler whose signal is aborted from the start accepts nothing", async () => {
  const scheduler = new TaskScheduler({ signal: AbortSignal.abort("closed") });
  await using _ = nothingLeft({ runner: scheduler });
  assertEquals(await reasonOf(scheduler.submit(() => 1)), "closed");
});

Deno.test("clear() rejects every queued handle with the reason, wakes onEmpty and leaves running ones alone", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask<string>();
  const running = scheduler.submit(held.run);
  await microtasks();
  const queued = [1, 2, 3].map((priority) =>
    scheduler.submit(() => 1, { priority: priority as TaskPriority })
  );
  await microtasks();
  const empty = scheduler.onEmpty();
  const reason = new Error("cleared");
  scheduler.clear(reason);
  await empty;
  for (const handle of queued) {
    assertStrictEquals(await reasonOf(handle), reason);
  }
  held.end("fine");
  assertEquals(await running, "fine");
});

Deno.test("clear() without a reason rejects with an AbortError; on an empty queue it does nothing", async () => {
  const scheduler = new TaskScheduler({ paused: true });
  await using _ = nothingLeft({ runner: scheduler });
  scheduler.clear();
  const handle = scheduler.submit(() => 1);
  scheduler.clear();
  await assertRejects(() => handle, DOMException, "The queue was cleared");
});

Deno.test("clear() while observers submit in reply leaves what was started by that alone", async () => {
  const replies: Promise<unknown>[] = [];
  const scheduler: TaskScheduler = new TaskScheduler({
    maxConcurrent: 2,
    maxQueue: 3,
    overflow: "reject",
    observer: {
      settled(task) {
        // The queue is full, so that this makes room by starting what may start.
        if (task.state === "cancelled" && replies.length < 1) {
          for (let count = 0; count < 3; count++) {
            replies.push(scheduler.submit(() => "reply").catch(() => "full"));
          }
        }
      },
    },
  });
  await using _ = nothingLeft({ runner: scheduler });
  const held = new HeldTask<string>();
  const handles = [held, held, held].map((task) => scheduler.submit(task.run));
  scheduler.clear("cleared");
  held.end("done");
  const states = handles.map((handle) => handle.state);
  assertEquals(states[0], "cancelled");
  await Promise.allSettled([...handles, ...replies]);
  await scheduler.onIdle();
  for (const [index, handle] of handles.entries()) {
    // Started ones finish, others were cleared: nothing that ran was cancelled.
    assertEquals(
      handle.state,
      states[index] === "cancelled" ? "cancelled" : "succeeded",
    );
  }
});
