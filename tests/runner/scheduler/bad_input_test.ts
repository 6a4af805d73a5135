/**
 * TaskScheduler: every option and argument is checked, and the error names it and its value.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  asyncRun,
  AsyncRunner,
  asyncTimeout,
  ResourcePool,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

type Wrong = readonly [
  options: unknown,
  type: typeof RangeError | typeof TypeError,
  message: string,
];

Deno.test("TaskScheduler checks every option of its constructor", () => {
  const report = () => {};
  const wrong: Wrong[] = [
    [null, TypeError, "options must be an object, got null"],
    [5, TypeError, "options must be an object, got 5"],
    [
      { maxConcurrent: 0 },
      RangeError,
      "maxConcurrent must be a positive integer or Infinity, got 0",
    ],
    [
      { maxConcurrent: -3 },
      RangeError,
      "maxConcurrent must be a positive integer or Infinity, got -3",
    ],
    [{ maxConcurrent: 1.5 }, RangeError, "got 1.5"],
    [{ maxConcurrent: NaN }, RangeError, "got NaN"],
    [
      { maxConcurrent: "4" },
      TypeError,
      'maxConcurrent must be a positive integer or Infinity, got "4"',
    ],
    [
      { aging: 0 },
      RangeError,
      "aging must be a positive number of milliseconds (Infinity for none), got 0",
    ],
    [{ aging: -1 }, RangeError, "got -1"],
    [{ aging: NaN }, RangeError, "aging must be"],
    [{ aging: true }, TypeError, "aging must be"],
    [
      { maxQueue: -1 },
      RangeError,
      "maxQueue must be a non-negative integer or Infinity, got -1",
    ],
    [{ maxQueue: null }, TypeError, "maxQueue must be"],
    [
      { overflow: "drop" },
      RangeError,
      'overflow must be one of "wait", "reject", "drop-oldest", "drop-lowest", got "drop"',
    ],
    [{ overflow: 1 }, TypeError, "overflow must be one of"],
    [{ rateLimit: 5 }, TypeError, "rateLimit must be an object, got 5"],
    [{ rateLimit: null }, TypeError, "rateLimit must be an object, got null"],
    [
      { rateLimit: { limit: 0, interval: 1 } },
      RangeError,
      "rateLimit.limit must be a positive integer, got 0",
    ],
    [
      { rateLimit: { limit: 1 } },
      TypeError,
      "rateLimit.interval must be a positive, finite number of milliseconds, got undefined",
    ],
    [
      { rateLimit: { limit: 1, interval: Infinity } },
      RangeError,
      "rateLimit.interval must be",
    ],
    [
      { rateLimit: { limit: 1, interval: 1, spread: 1 } },
      TypeError,
      "rateLimit.spread must be true or false, got 1",
    ],
    [
      { maxPerKey: 0 },
      RangeError,
      "maxPerKey must be a positive integer or Infinity, got 0",
    ],
    [
      { adaptive: 5 },
      TypeError,
      "adaptive must be true, false or an object, got 5",
    ],
    [
      { adaptive: { min: 0 } },
      RangeError,
      "adaptive.min must be a positive integer, got 0",
    ],
    [{ adaptive: { max: 0 } }, RangeError, "adaptive.max must be"],
    [
      { adaptive: { min: 5, max: 4 } },
      RangeError,
      "adaptive.min must not be above adaptive.max, got 5 and 4",
    ],
    [{ paused: "yes" }, TypeError, 'paused must be true or false, got "yes"'],
    [
      { signal: {} },
      TypeError,
      "signal must be an AbortSignal, got an object (Object)",
    ],
    [{ observer: 1 }, TypeError, "observer must be an object, got 1"],
    [
      { observer: { started: 1 } },
      TypeError,
      "observer.started must be a function, got 1",
    ],
    [{ onStall: 5 }, TypeError, "onStall must be an object, got 5"],
    [
      { onStall: { after: 0, report } },
      RangeError,
      "onStall.after must be a positive, finite number of milliseconds, got 0",
    ],
    [
      { onStall: { after: 1 } },
      TypeError,
      "onStall.report must be a function, got undefined",
    ],
  ];
  for (const [options, type, message] of wrong) {
    assertThrows(() => new TaskScheduler(options as never), type, message);
  }
  // Left out, whether by undefined or not at all.
  new TaskScheduler({
    aging: undefined,
    rateLimit: undefined,
    paused: undefined,
  });
});

Deno.test("submit() checks the task and every option, and queues nothing that is wrong", () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 4 });
  const wrong: Wrong[] = [
    [null, TypeError, "options must be an object, got null"],
    ["HIGH", TypeError, "options must be an object, got a string"],
    [
      { priority: 7 },
      RangeError,
      "priority must be a TaskPriority (0 CRITICAL to 4 BACKGROUND), got 7",
    ],
    [{ priority: "HIGH" }, TypeError, "priority must be a TaskPriority"],
    [{ timeout: -1 }, RangeError, "timeout must be"],
    [{ deadline: NaN }, RangeError, "deadline must be"],
    [{ signal: "no" }, TypeError, 'signal must be an AbortSignal, got "no"'],
    [{ name: 5 }, TypeError, "name must be a string, got 5"],
    [
      { key: {} },
      TypeError,
      "key must be a string, a number or a symbol, got an object (Object)",
    ],
    [{ weight: 0 }, RangeError, "weight must be a positive integer, got 0"],
    [
      { weight: 5 },
      RangeError,
      "weight must not be above maxConcurrent (4), got 5",
    ],
    [{ weight: 1.5 }, RangeError, "weight must be a positive integer, got 1.5"],
    [{ weight: "2" }, TypeError, 'weight must be a positive integer, got "2"'],
    [{ onProgress: 5 }, TypeError, "onProgress must be a function, got 5"],
  ];
  for (const [options, type, message] of wrong) {
    assertThrows(
      () => scheduler.submit(() => 1, options as never),
      type,
      message,
    );
  }
  assertThrows(
    () => scheduler.submit(5 as never),
    TypeError,
    "task must be a function (context) => value or promise, got 5.",
  );
  assertThrows(
    () => scheduler.submit(Promise.resolve(1) as never),
    TypeError,
    "A promise has already started: pass a function that makes it, () => work().",
  );
  assertEquals([scheduler.size, scheduler.stats().submitted], [0, 0]);
});

Deno.test("the other methods of TaskScheduler check their arguments", () => {
  const scheduler = new TaskScheduler();
  const wrong: readonly [() => unknown, string][] = [
    [() => scheduler.ready(5 as never), "signal must be an AbortSignal, got 5"],
    [() => scheduler.onIdle({} as never), "signal must be an AbortSignal"],
    [() => scheduler.onEmpty("x" as never), "signal must be an AbortSignal"],
    [
      () => scheduler.onSizeLessThan("2" as never),
      'count must be a positive integer, got "2"',
    ],
    [
      () => scheduler.shutdown(null as never),
      "options must be an object, got null",
    ],
    [
      () => scheduler.shutdown({ wait: "no" as never }),
      'wait must be true or false, got "no"',
    ],
    [() => scheduler.shutdown({ timeout: "1" as never }), "timeout must be"],
    [() => scheduler.shutdown({ grace: "1" as never }), "grace must be"],
  ];
  for (const [call, message] of wrong) assertThrows(call, TypeError, message);
  assertThrows(
    () => scheduler.maxConcurrent = 2.5,
    RangeError,
    "maxConcurrent must be a positive integer or Infinity, got 2.5",
  );
});

Deno.test("a value of the wrong type is named wherever an option or an argument is taken", async () => {
  const runner = new AsyncRunner();
  const pool = new ResourcePool({ maxResources: 1, factory: () => 1 });
  await using _ = nothingLeft({ runner, pool });
  // What TypeScript would not let through.
  const wrong = (value: unknown) => value as never;
  const signal = "signal must be an AbortSignal, got";
  const calls: [call: () => unknown, message: string][] = [
    [() => asyncTimeout(5, { signal: wrong("x") }), `${signal} "x"`],
    [() => asyncTimeout(5, () => 1, { signal: wrong(5) }), `${signal} 5`],
    [() => asyncRun(() => 1, { signal: wrong("x") }), `${signal} "x"`],
    [() => asyncRun(() => 1, wrong(null)), "options must be an object"],
    [
      () => asyncRun(() => 1, { handleSignals: wrong("no") }),
      'handleSignals must be true or false, got "no"',
    ],
    [() => runner.gather([], { signal: wrong({}) }), signal],
    [() => runner.gather([], wrong(null)), "options must be an object"],
    [() => runner.gather([], { settled: wrong(1) }), "settled must be"],
    [() => runner.race([() => 1], { signal: wrong({}) }), signal],
    [() => runner.race(wrong(5)), "tasks must be an iterable of functions"],
    [() => runner.any(wrong(null)), "tasks must be an iterable of functions"],
    [() => runner.map(wrong(5), () => 1), "source must be an iterable"],
    [() => runner.map(wrong(null), () => 1), "source must be an iterable"],
    [() => runner.map([1], () => 1, { signal: wrong({}) }), signal],
    [() => runner.map([1], () => 1, { ordered: wrong(3) }), "ordered must be"],
    [
      () => runner.submit((context) => context.shield(wrong(5))),
      "fn must be a function, got 5",
    ],
    [() => pool.acquire({ signal: wrong("x") }), `${signal} "x"`],
    [() => pool.acquire(wrong(null)), "options must be an object, got null"],
    [() => pool.close(wrong(null)), "options must be an object, got null"],
    [
      () =>
        new ResourcePool({
          maxResources: 1,
          factory: () => 1,
          trackLeaks: wrong(1),
        }),
      "trackLeaks must be true or false, got 1",
    ],
  ];
  for (const [call, message] of calls) {
    await assertRejects(async () => await call(), TypeError, message);
  }
  await pool.close();
  await runner.shutdown();
});
