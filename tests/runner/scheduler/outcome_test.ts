/**
 * TaskScheduler: what tasks may return and throw, and that nothing recurses.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { type Task, TaskScheduler } from "../../../runner/mod.ts";
import { HeldTask, microtasks } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("100,000 tasks that return synchronously: no recursion, and the slot is free after each", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  let most = 0;
  let sum = 0;
  const handles = Array.from(
    { length: 100_000 },
    (_, index) =>
      scheduler.submit(() => {
        most = Math.max(most, scheduler.running);
        sum += index;
      }),
  );
  await Promise.all(handles);
  assertEquals(sum, 100_000 * 99_999 / 2);
  assert(most <= 2);
  assertEquals([scheduler.running, scheduler.size], [0, 0]);
  assertEquals(scheduler.stats().succeeded, 100_000);
});

Deno.test("100,000 tasks that throw synchronously: no recursion, and the slot is free after each", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  await using _ = nothingLeft({ runner: scheduler });
  const error = new Error("no");
  const handles = Array.from({ length: 100_000 }, () =>
    scheduler.submit(() => {
      throw error;
    }));
  const results = await Promise.allSettled(handles);
  assert(
    results.every((result) =>
      result.status === "rejected" && result.reason === error
    ),
  );
  assertEquals([scheduler.running, scheduler.size], [0, 0]);
  assertEquals(scheduler.stats().failed, 100_000);
  assertEquals(await scheduler.submit(() => "still works"), "still works");
});

Deno.test("100,000 tasks, each submitted by the one before in the moment it runs", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  let count = 0;
  const next = (): void => {
    if (++count < 100_000) void scheduler.submit(next);
  };
  void scheduler.submit(next);
  await scheduler.onIdle();
  assertEquals(count, 100_000);
});

Deno.test("a task may return a foreign thenable", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const thenable: PromiseLike<number> = {
    then: (resolve) => {
      resolve?.(5);
      return thenable as never;
    },
  };
  assertEquals(await scheduler.submit(() => thenable), 5);
  const failing: PromiseLike<number> = {
    then: (_resolve, reject) => {
      reject?.("refused");
      return failing as never;
    },
  };
  assertEquals(
    await scheduler.submit(() => failing).catch((reason) => reason),
    "refused",
  );
  const callable = Object.assign(() => {}, {
    then: (resolve: (value: string) => void) => resolve("from a function"),
  }) as unknown as PromiseLike<string>;
  assertEquals(await scheduler.submit(() => callable), "from a function");
});

Deno.test("a thenable that settles twice counts once", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const twice = {
    then(resolve: (value: number) => void, reject: (reason: unknown) => void) {
      resolve(1);
      resolve(2);
      reject(new Error("three"));
      throw new Error("four");
    },
  } as unknown as PromiseLike<number>;
  assertEquals(await scheduler.submit(() => twice), 1);
  await scheduler.onIdle();
  const { succeeded, failed, running } = scheduler.stats();
  assertEquals([succeeded, failed, running], [1, 0, 0]);
});

Deno.test("a thenable whose then getter throws fails the task with that error", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  await using _ = nothingLeft({ runner: scheduler });
  const error = new Error("no then for you");
  const hostile = {
    get then(): never {
      throw error;
    },
  } as unknown as PromiseLike<number>;
  const handle = scheduler.submit(() => hostile);
  assertStrictEquals(await handle.catch((reason) => reason), error);
  assertEquals([handle.state, scheduler.running], ["failed", 0]);
});

Deno.test("a thenable that never calls back keeps its slot and can be cancelled", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const handle = scheduler.submit(() =>
    ({ then() {} }) as unknown as PromiseLike<number>
  );
  await microtasks();
  handle.cancel("stop");
  await assertRejects(() => handle.catch(() => Promise.reject(new Error("x"))));
  assertEquals(scheduler.running, 1);
});

Deno.test("a task may return undefined, null, an object with a then that is no function, or a function", async () => {
  const scheduler = new TaskScheduler();
  const noThen = { then: 3 };
  const fn = () => 3;
  for (const value of [undefined, null, noThen, fn, Symbol.iterator]) {
    assertStrictEquals(
      await scheduler.submit((() => value) as Task<unknown>),
      value,
    );
  }
});

Deno.test("a task may throw undefined, and that is a failure", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  for (
    const task of [() => {
      throw undefined;
    }, () => Promise.reject(undefined)]
  ) {
    const handle = scheduler.submit(task);
    const outcome = await handle.then(() => "succeeded", (reason) => [reason]);
    assertEquals(outcome, [undefined]);
    assertEquals(handle.state, "failed");
  }
});

Deno.test("a task's function is called without a this, and with the context only", async () => {
  const scheduler = new TaskScheduler();
  const seen = await scheduler.submit(
    function (this: unknown, ...parameters: unknown[]) {
      return [this, parameters.length];
    } as Task<unknown[]>,
  );
  assertEquals(seen, [undefined, 1]);
});

Deno.test("context.progress() goes to onProgress while the task runs, and no longer", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const seen: unknown[] = [];
  const held = new HeldTask();
  const handle = scheduler.submit(held.run, {
    onProgress: (value) => seen.push(value),
  });
  await microtasks();
  held.context?.progress(1);
  held.context?.progress({ two: 2 });
  handle.cancel();
  held.context?.progress(3);
  assertEquals(seen, [1, { two: 2 }]);
  held.end();
  await scheduler.onIdle();
});

Deno.test("an onProgress that throws is reported and changes nothing for the task", async () => {
  const scheduler = new TaskScheduler();
  await using _ = nothingLeft({ runner: scheduler });
  const reports: unknown[][] = [];
  const { error } = console;
  console.error = (...parts: unknown[]) => reports.push(parts);
  try {
    const handle = scheduler.submit((context) => {
      context.progress(1);
      return "fine";
    }, {
      name: "loud",
      onProgress: () => {
        throw new Error("display is gone");
      },
    });
    assertEquals(await handle, "fine");
  } finally {
    console.error = error;
  }
  assertEquals(reports.length, 1);
  assertEquals(reports[0]?.[0], "onProgress of task loud threw:");
});
