/**
 * asyncBackground, within this process. What it does to a real process is in async_run_test.ts.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  asyncBackground,
  AsyncRunner,
  DisposedError,
  type TaskHandle,
  TaskPriority,
} from "../../../runner/mod.ts";
import { endDefaultRunner } from "../../../runner/default_runner.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { until } from "../../support/real_time.ts";

/** Resolves when every rejection until now that nobody awaits has been reported. */
async function allReported(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  await using runner = new AsyncRunner();
  // Reports come in order, so after this one there is none left.
  await new Promise<unknown>((resolve) => {
    asyncBackground(() => Promise.reject(), { runner, onError: resolve });
  });
}

Deno.test("asyncBackground() gives a handle of the runner it was given, with the options of a submit", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const first = runner.submit(() =>
    new Promise((resolve) => setTimeout(resolve, 1))
  );
  const handle = asyncBackground(({ name, priority }) => [name, priority], {
    runner,
    name: "warm-up",
    priority: TaskPriority.LOW,
  });
  assertEquals([handle.state, handle.name], ["queued", "warm-up"]);
  assertEquals(await handle, ["warm-up", TaskPriority.LOW]);
  await first;
});

Deno.test("asyncBackground() tells onError once of an error that nobody awaits", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const told: [unknown, TaskHandle<unknown>][] = [];
  const error = new Error("background");
  const handle = asyncBackground(() => Promise.reject(error), {
    runner,
    onError: (error, handle) => told.push([error, handle]),
  });
  await allReported();
  assertEquals(told.length, 1);
  assertStrictEquals(told[0]?.[0], error);
  assertStrictEquals(told[0]?.[1], handle);
  assertStrictEquals(await handle.catch((error) => error), error);
  await allReported();
  assertEquals(told.length, 1);
});

Deno.test("asyncBackground() does not report an error that somebody awaits", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const told: unknown[] = [];
  const onError = (error: unknown) => told.push(error);
  const fail = () => Promise.reject(new Error("awaited"));
  await assertRejects(
    () => asyncBackground(fail, { runner, onError }),
    Error,
    "awaited",
  );
  const handle = asyncBackground(fail, { runner, onError });
  await Promise.allSettled([handle]);
  await allReported();
  assertEquals(told, []);
});

Deno.test("asyncBackground() does not report a task that was cancelled", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const told: unknown[] = [];
  const handle = asyncBackground(
    ({ signal }) =>
      new Promise((resolve) => signal.addEventListener("abort", resolve)),
    {
      runner,
      onError: (error) => told.push(error),
    },
  );
  await null;
  handle.cancel();
  await allReported();
  assertEquals(handle.state, "cancelled");
  assertEquals(told, []);
});

Deno.test("asyncBackground() reports a runner that takes no more tasks", async () => {
  const runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  await runner.shutdown();
  const told: unknown[] = [];
  asyncBackground(() => {}, { runner, onError: (error) => told.push(error) });
  await allReported();
  assertEquals(told.length, 1);
  assert(told[0] instanceof DisposedError);
});

Deno.test("asyncBackground() prints the error without an onError, and when onError throws", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const { error } = console;
  const printed: unknown[][] = [];
  console.error = (...args) => printed.push(args);
  try {
    asyncBackground(() => Promise.reject("a"), { runner, name: "one" });
    asyncBackground(() => Promise.reject("b"), {
      runner,
      name: "two",
      onError: () => {
        throw "c";
      },
    });
    await allReported();
  } finally {
    console.error = error;
  }
  assertEquals(printed, [
    ['Background task "one" failed:', "a"],
    ['Background task "two" failed:', "b"],
    ["asyncBackground: onError failed:", "c"],
  ]);
});

Deno.test("asyncBackground() makes a runner when it is given none, and makes another after its end", async () => {
  assertEquals(await asyncBackground(() => 1), 1);
  const endless = asyncBackground(() => new Promise<never>(() => {}));
  await until(() => endless.state === "running");
  const { error } = console;
  const printed: unknown[][] = [];
  console.error = (...args) => printed.push(args);
  try {
    await endDefaultRunner(1);
  } finally {
    console.error = error;
  }
  assertEquals(endless.state, "cancelled");
  assertEquals(printed.length, 1);
  assertEquals(await asyncBackground(() => 2), 2);
  await endDefaultRunner(1);
  await endDefaultRunner(1);
});

Deno.test("asyncBackground() names what is wrong", async () => {
  await using runner = new AsyncRunner();
  assertThrows(
    () =>
      asyncBackground(() => {}, {
        runner,
        onError: 1 as unknown as () => void,
      }),
    TypeError,
    "onError must be a function, got 1",
  );
  assertThrows(
    () => asyncBackground(() => {}, { runner, timeout: -1 }),
    RangeError,
    "timeout",
  );
  for (const wrong of [{}, null, 1]) {
    assertThrows(
      () =>
        asyncBackground(() => {}, { runner: wrong as unknown as AsyncRunner }),
      TypeError,
      "runner must have a submit method",
    );
  }
});
