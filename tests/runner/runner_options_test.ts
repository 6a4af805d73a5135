/**
 * The options of AsyncRunner: defaults, environment variables, a shared scheduler, wrong values.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AsyncRunner,
  type RunnerOptions,
  type TaskInfo,
  TaskPriority,
  TaskScheduler,
} from "../../runner/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { testWith } from "../support/permissions.ts";
import {
  errorOf,
  flush,
  Gauge,
  quiet,
  untilAborted,
} from "../support/tasks.ts";

/** Runs a program that makes a runner and prints what it makes of its environment. */
async function inProcess(
  env: Record<string, string>,
  flags: string[],
): Promise<{ out: string; err: string; code: number }> {
  const module = import.meta.resolve("../../runner/mod.ts");
  const program = `
    import { AsyncRunner } from ${JSON.stringify(module)};
    await using runner = new AsyncRunner();
    const error = await runner.submit(({ signal }) =>
      new Promise((resolve, reject) => {
        const end = setTimeout(resolve, 300);
        signal.addEventListener("abort", () => {
          clearTimeout(end);
          reject(signal.reason);
        });
      })).then(() => "in time", (error) => error.name);
    console.log(runner.maxWorkers, error);
    await using given = new AsyncRunner({ maxWorkers: 3, timeout: Infinity });
    console.log(given.maxWorkers);
  `;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      "--config",
      fromFileUrl(new URL("../../deno.json", import.meta.url)),
      ...flags,
      `data:application/typescript,${encodeURIComponent(program)}`,
    ],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    out: decoder.decode(stdout).trim(),
    err: decoder.decode(stderr),
    code,
  };
}

const LIMITED = { SPECIFY_ASYNC_WORKERS: "7", SPECIFY_ASYNC_TIMEOUT: "0.05" };
const NAMES = Object.keys(LIMITED).join(",");

testWith(
  ["run", "read"],
  "AsyncRunner takes maxWorkers from SPECIFY_ASYNC_WORKERS and timeout, in seconds, from SPECIFY_ASYNC_TIMEOUT",
  async () => {
    const { out, err } = await inProcess(LIMITED, [`--allow-env=${NAMES}`]);
    assertEquals([out, err], ["7 TimeoutError\n3", ""]);
  },
);

testWith(
  ["run", "read"],
  "AsyncRunner does not ask for --allow-env: without it the defaults hold",
  async () => {
    const { out, err } = await inProcess(LIMITED, []);
    assertEquals([out, err], ["10 in time\n3", ""]);
  },
);

testWith(
  ["run", "read"],
  "AsyncRunner takes an empty environment variable for one that is not set",
  async () => {
    const { out } = await inProcess({
      SPECIFY_ASYNC_WORKERS: "",
      SPECIFY_ASYNC_TIMEOUT: " ",
    }, [`--allow-env=${NAMES}`]);
    assertEquals(out, "10 in time\n3");
  },
);

for (
  const [variable, value] of [
    ["SPECIFY_ASYNC_WORKERS", "0"],
    ["SPECIFY_ASYNC_WORKERS", "2.5"],
    ["SPECIFY_ASYNC_WORKERS", "many"],
    ["SPECIFY_ASYNC_TIMEOUT", "-1"],
    ["SPECIFY_ASYNC_TIMEOUT", "5s"],
  ] as const
) {
  testWith(
    ["run", "read"],
    `AsyncRunner names the variable and the value when ${variable} is ${value}`,
    async () => {
      const { code, err } = await inProcess({ [variable]: value }, [
        `--allow-env=${NAMES}`,
      ]);
      assertEquals(code, 1);
      assertMatch(err, new RegExp(`RangeError: .*${variable} must be`));
      assertStringIncludes(err, `got "${value}"`);
    },
  );
}

Deno.test("AsyncRunner names the option and the value when one is wrong", () => {
  const scheduler = new TaskScheduler();
  const wrong: [unknown, string][] = [
    [5, "options must be an object, got 5"],
    [null, "options must be an object, got null"],
    [
      { maxWorkers: 0 },
      "maxWorkers must be a positive integer or Infinity, got 0",
    ],
    [
      { maxWorkers: 1.5 },
      "maxWorkers must be a positive integer or Infinity, got 1.5",
    ],
    [
      { maxWorkers: "5" },
      'maxWorkers must be a positive integer or Infinity, got "5"',
    ],
    [{ timeout: -1 }, "timeout must be"],
    [{ timeout: NaN }, "timeout must be"],
    [{ priority: 5 }, "priority must be a TaskPriority"],
    [{ priority: "HIGH" }, "priority must be a TaskPriority"],
    [{ maxThreads: 0 }, "maxThreads must be a positive integer, got 0"],
    [{ signal: {} }, "signal must be an AbortSignal"],
    [{ onStall: { after: 0, report: 5 } }, "onStall."],
    [{ scheduler: {} }, "scheduler must be a TaskScheduler"],
    [
      { scheduler, maxWorkers: 5 },
      "maxWorkers must not be given together with scheduler",
    ],
    [
      { scheduler, rateLimit: { limit: 1, interval: 1 } },
      "rateLimit must not be given together with scheduler",
    ],
    [{ scheduler, signal: 5 }, "signal must be an AbortSignal, got 5"],
  ];
  for (const [options, message] of wrong) {
    const error = assertThrows(() => new AsyncRunner(options as RunnerOptions));
    assertInstanceOf(error, Error);
    assertStringIncludes(error.message, message);
    assert(error instanceof RangeError || error instanceof TypeError);
  }
});

Deno.test("AsyncRunner.maxWorkers can be changed while tasks run", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const gauge = new Gauge();
  const all = runner.gather(
    Array.from({ length: 30 }, () => gauge.watch(() => flush(3))),
  );
  const more = Array.from(
    { length: 30 },
    () => runner.submit(gauge.watch(() => flush(3))),
  );
  await flush(5);
  assertEquals(gauge.most, 1);
  runner.maxWorkers = 4;
  await Promise.all([all, ...more]);
  assertEquals([gauge.most, runner.maxWorkers], [4, 4]);
  assertThrows(
    () => runner.maxWorkers = 0,
    RangeError,
    "maxWorkers must be a positive integer or Infinity, got 0. To stop tasks from starting, use pause()",
  );
});

Deno.test("AsyncRunner({ timeout, priority }) holds for tasks that name none, and for gather, map and race", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({
    maxWorkers: 10,
    timeout: 50,
    priority: TaskPriority.LOW,
  });
  await using _ = nothingLeft({ runner });
  assertEquals(runner.submit(() => {}).priority, TaskPriority.LOW);
  assertEquals(
    runner.submit(() => {}, { priority: TaskPriority.HIGH }).priority,
    TaskPriority.HIGH,
  );
  const priorities = runner.gather([({ priority }) => priority]);
  const longer = errorOf(runner.submit(untilAborted, { timeout: 100 }));
  const results = [
    runner.submit(untilAborted),
    runner.gather([untilAborted]),
    runner.race([untilAborted]),
    runner.map([1], (_value, _index, context) => untilAborted(context)).next(),
  ].map(errorOf);
  await clock.tick(50);
  for (const result of results) {
    assertEquals((await result as Error).name, "TimeoutError");
  }
  assertEquals(await priorities, [TaskPriority.LOW]);
  let isOver = false;
  longer.then(() => isOver = true);
  await clock.tick(49);
  assert(!isOver);
  await clock.tick(1);
  assertEquals((await longer as Error).name, "TimeoutError");
});

Deno.test("AsyncRunner({ paused: true }) starts nothing before start()", async () => {
  await using runner = new AsyncRunner({ paused: true });
  let started = 0;
  const handle = runner.submit(() => ++started);
  await quiet();
  assertEquals(started, 0);
  assertStrictEquals(runner.start(), runner);
  await handle;
  assertEquals(started, 1);
});

Deno.test("AsyncRunner({ signal }) cancels everything with the reason, and later submits too", async () => {
  for (const when of ["before", "while it runs"] as const) {
    for (const shares of [false, true]) {
      const controller = new AbortController();
      const { signal } = controller;
      const reason = new Error("all of it");
      if (when === "before") controller.abort(reason);
      await using scheduler = new TaskScheduler();
      await using runner = new AsyncRunner(
        shares ? { scheduler, signal } : { signal },
      );
      await using _ = nothingLeft({
        runner: [runner, scheduler],
        signals: [signal],
      });
      const handle = runner.submit(untilAborted);
      await quiet();
      controller.abort(reason);
      assertEquals(handle.state, "cancelled");
      assertStrictEquals(await errorOf(handle), reason);
      const late = runner.submit(() => 1);
      assertEquals(late.state, "cancelled");
      assertStrictEquals(await errorOf(late), reason);
      assertStrictEquals(await errorOf(runner.gather([() => 1])), reason);
      assertStrictEquals(await errorOf(runner.scope(() => 1)), reason);
      if (shares) {
        assertEquals(
          await scheduler.submit(() => "others go on"),
          "others go on",
        );
      }
    }
  }
});

Deno.test("AsyncRunner({ signal }) ends an endless gather({ settled: true })", async () => {
  const controller = new AbortController();
  await using runner = new AsyncRunner({ signal: controller.signal });
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  function* endless() {
    for (;;) yield untilAborted;
  }
  const result = errorOf(runner.gather(endless(), { settled: true }));
  await quiet();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await result, reason);
});

Deno.test("runners that share a scheduler share its limit and its order", async () => {
  await using scheduler = new TaskScheduler({ maxConcurrent: 2 });
  await using one = new AsyncRunner({ scheduler });
  await using other = new AsyncRunner({
    scheduler,
    priority: TaskPriority.HIGH,
  });
  assertStrictEquals(one.scheduler, scheduler);
  const gauge = new Gauge();
  const order: string[] = [];
  const task = (name: string) =>
    gauge.watch(async () => {
      order.push(name);
      await flush(3);
    });
  await Promise.all([
    one.gather([1, 2, 3].map((n) => task(`one ${n}`))),
    other.gather([1, 2, 3].map((n) => task(`other ${n}`))),
  ]);
  assertEquals(gauge.most, 2);
  assertEquals(order.slice(0, 2), ["other 1", "other 2"]);
  assertEquals(one.maxWorkers, 2);
  assertEquals(one.stats().succeeded, 6);
});

Deno.test("AsyncRunner({ observer }) sees every change of every task, of gathers, scopes and children too", async () => {
  const seen: string[] = [];
  const see = (event: string) => (task: TaskInfo) =>
    seen.push(
      `${event} ${task.name}${task.parentId === undefined ? "" : " (child)"}`,
    );
  await using runner = new AsyncRunner({
    maxWorkers: 1,
    observer: {
      queued: see("queued"),
      started: see("started"),
      settled: see("settled"),
      ended: see("ended"),
    },
  });
  await runner.submit(
    (context) => context.submit(() => {}, { name: "b" }),
    { name: "a" },
  );
  assertEquals(seen.splice(0), [
    "queued a",
    "started a",
    "queued b (child)",
    "started b (child)",
    "settled b (child)",
    "ended b (child)",
    "settled a",
    "ended a",
  ]);
  await runner.gather([function gathered() {}]);
  await runner.scope((scope) => scope.submit(function scoped() {}));
  for await (const _ of runner.map([1], function mapped() {}));
  assertEquals(
    seen,
    ["gathered", "scoped", "mapped"].flatMap((name) =>
      ["queued", "started", "settled", "ended"].map((event) =>
        `${event} ${name}`
      )
    ),
  );
});
