/**
 * runner.gather: order, limit, failures, laziness.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { AsyncRunner, type Task, TaskPriority } from "../../../runner/mod.ts";
import { CapturedConsole, later } from "../../support/captured_console.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  aborted,
  errorOf,
  flush,
  Gauge,
  quiet,
  untilAborted,
} from "../../support/tasks.ts";

Deno.test("gather() of nothing gives an empty array", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  assertEquals(await runner.gather([]), []);
  assertEquals(await runner.gather([], { settled: true }), []);
  assertEquals(await runner.gather(new Set<Task<number>>()), []);
});

Deno.test("gather() gives results in the order of the tasks, whichever ends first", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  const waits = [30, 10, 20, 5];
  const result = runner.gather(
    waits.map((wait, index) => () =>
      new Promise<number>((resolve) => setTimeout(() => resolve(index), wait))
    ),
  );
  for (let time = 0; time < 60; time += 5) await clock.tick(5);
  assertEquals(await result, [0, 1, 2, 3]);
});

Deno.test("gather() never runs more than maxWorkers, and all of them", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  const gauge = new Gauge();
  await runner.gather(
    Array.from({ length: 20 }, () => gauge.watch(() => flush(3))),
  );
  assertEquals(gauge.most, 3);
  assertEquals(gauge.total, 20);
});

Deno.test("gather() reads a generator only as fast as its tasks may run", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  let read = 0;
  const gates: (() => void)[] = [];
  function* source(): Iterable<Task<number>> {
    for (; read < 10;) {
      const index = read++;
      yield () => new Promise((resolve) => gates.push(() => resolve(index)));
    }
  }
  const result = runner.gather(source());
  await quiet();
  assertEquals(read, 2);
  gates.shift()?.();
  await quiet();
  assertEquals(read, 3);
  while (read < 10 || gates.length > 0) {
    gates.shift()?.();
    await quiet();
  }
  assertEquals(await result, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("gather() closes a generator once when a task fails, and reads no further", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  let read = 0;
  let closed = 0;
  function* endless(): Iterable<Task<number>> {
    try {
      for (;;) {
        const index = read++;
        yield () => {
          if (index === 5) throw new Error("sixth");
          return index;
        };
      }
    } finally {
      closed++;
    }
  }
  await assertRejects(() => runner.gather(endless()), Error, "sixth");
  assert(read <= 8, `read ${read}`);
  assertEquals(closed, 1);
});

Deno.test("gather() rejects with the error of a source that throws, after what runs has ended", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  let ended = false;
  function* source(): Iterable<Task<void>> {
    yield async ({ signal }) => {
      await aborted(signal);
      await quiet();
      ended = true;
    };
    throw new Error("source");
  }
  await assertRejects(() => runner.gather(source()), Error, "source");
  assert(ended || runner.stats().running === 0);
  assertEquals(runner.stats().running, 0);
});

Deno.test("gather() cancels the rest when a task throws synchronously", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  let started = 0;
  const error = await errorOf(runner.gather([
    () => {
      throw new Error("sync");
    },
    ...Array.from({ length: 10 }, () => () => {
      started++;
    }),
  ]));
  assertEquals((error as Error).message, "sync");
  assert(started <= 1, `${started} started`);
});

Deno.test("gather() awaits the cancelled rest before it rejects", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const order: string[] = [];
  const error = await errorOf(runner.gather([
    async ({ signal }) => {
      await aborted(signal);
      await quiet();
      order.push("slow one has ended");
    },
    async () => {
      await undefined;
      throw new Error("first");
    },
  ]));
  order.push("rejected");
  assertEquals((error as Error).message, "first");
  assertEquals(order, ["slow one has ended", "rejected"]);
});

Deno.test("gather() rejects with the first of several failures of one turn, and tells the observer of the others", async () => {
  const late: unknown[] = [];
  await using runner = new AsyncRunner({
    maxWorkers: 3,
    observer: { ended: ({ name }, error) => late.push([name, error]) },
  });
  using printed = new CapturedConsole();
  await using _ = nothingLeft({ runner });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const errors = [new Error("a"), new Error("b"), new Error("c")];
  const tasks = errors.map((error) => {
    const task = () =>
      gate.then(() => {
        throw error;
      });
    Object.defineProperty(task, "name", { value: error.message });
    return task;
  });
  const result = errorOf(runner.gather(tasks));
  await quiet();
  open();
  const error = await result;
  assertStrictEquals(error, errors[0]);
  // Nothing is written onto an error that is not ours.
  assertEquals(Reflect.ownKeys(errors[0]!), Reflect.ownKeys(new Error("a")));
  assertEquals(late, [["a", undefined], ["b", errors[1]], ["c", errors[2]]]);
  assertEquals(printed.take(), []);
});

Deno.test("gather() without an observer prints what fails during clean-up, not the cancellations", async () => {
  using clock = new FakeClock();
  using printed = new CapturedConsole();
  await later(clock);
  await using runner = new AsyncRunner({
    maxWorkers: 5,
    // It does not hear of ends.
    observer: { settled() {} },
  });
  await using _ = nothingLeft({ runner });
  const first = new Error("first");
  const result = errorOf(runner.gather<Task<unknown>[]>([
    untilAborted,
    async ({ signal }) => {
      await aborted(signal);
      // What an API does that makes its own error of an abort.
      throw new DOMException("stopped", "AbortError");
    },
    async ({ signal }) => {
      await aborted(signal);
      // It is told already: it is what the gather rejects with.
      throw first;
    },
    async function rollBack({ signal }) {
      await aborted(signal);
      throw new TypeError("clean-up");
    },
    async () => {
      await flush(5);
      throw first;
    },
    untilAborted,
  ]));
  await clock.tick();
  assertStrictEquals(await result, first);
  assertEquals(printed.take(), [
    "Late failure of task rollBack: TypeError: clean-up",
  ]);
});

Deno.test("gather({ settled: true }) tells of what a task throws after its time was up", async () => {
  using clock = new FakeClock();
  const late: unknown[] = [];
  await using runner = new AsyncRunner({
    observer: { ended: (_task, error) => error && late.push(error) },
  });
  const failure = new Error("clean-up");
  const result = runner.gather([async ({ signal }) => {
    await aborted(signal);
    throw failure;
  }], { settled: true, timeout: 50 });
  await clock.tick(50);
  const [outcome] = await result;
  assertEquals(
    outcome.status === "rejected" && outcome.reason.name,
    "TimeoutError",
  );
  assertEquals(late, [failure]);
});

Deno.test("gather() prints what its source throws when it is closed", async () => {
  using clock = new FakeClock();
  using printed = new CapturedConsole();
  await later(clock);
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  function* source(): Iterable<Task<void>> {
    try {
      for (;;) {
        yield () => {
          throw new Error("task");
        };
      }
    } finally {
      // deno-lint-ignore no-unsafe-finally -- what a careless clean-up does
      throw new Error("close");
    }
  }
  const result = errorOf(runner.gather(source()));
  await clock.tick();
  assertEquals((await result as Error).message, "task");
  assertEquals(printed.take(), [
    "The source of a gather failed when it was stopped: Error: close",
  ]);
});

Deno.test("gather() that waits for room is waited for by a shutdown, which lets its tasks in", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1, maxQueue: 0 });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = runner.submit(() => gate);
  await quiet();
  const result = runner.gather([() => 1, () => 2]);
  await quiet();
  const shutdown = runner.shutdown();
  open();
  await holder;
  assertEquals(await result, [1, 2]);
  assertEquals((await shutdown).cancelled, []);
});

Deno.test("gather({ settled: true }) gives every outcome when a shutdown cancels its last tasks", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const result = runner.gather([() => 1, untilAborted], { settled: true });
  await quiet();
  await runner.shutdown({ wait: false });
  const outcomes = await result;
  assertEquals(outcomes.map(({ status }) => status), ["fulfilled", "rejected"]);
});

Deno.test("gather() whose signal aborts while a task is being submitted cancels that one too", async () => {
  const controller = new AbortController();
  const reason = new Error("now");
  let submitted = 0;
  await using runner = new AsyncRunner({
    observer: {
      queued: () => {
        if (++submitted === 2) controller.abort(reason);
      },
    },
  });
  const result = runner.gather([untilAborted, untilAborted, untilAborted], {
    signal: controller.signal,
  });
  assertStrictEquals(await errorOf(result), reason);
  assertEquals([submitted, runner.stats().running], [2, 0]);
});

Deno.test("gather() with settled gives every outcome in order and cancels nothing", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  const error = new Error("second");
  assertEquals(
    await runner.gather(
      [() => 1, () => Promise.reject(error), async () => {
        await quiet();
        return 3;
      }],
      { settled: true },
    ),
    [
      { status: "fulfilled", value: 1 },
      { status: "rejected", reason: error },
      { status: "fulfilled", value: 3 },
    ],
  );
});

Deno.test("gather() runs at the priority it was given", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const order: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = runner.submit(() => gate);
  await quiet();
  const normal = runner.submit(() => order.push("normal"));
  const urgent = runner.gather(
    [() => order.push("urgent 1"), () => order.push("urgent 2")],
    { priority: TaskPriority.CRITICAL },
  );
  const idle = runner.gather([() => order.push("idle")], {
    priority: TaskPriority.BACKGROUND,
  });
  open();
  await Promise.all([holder, normal, urgent, idle]);
  assertEquals(order, ["urgent 1", "urgent 2", "normal", "idle"]);
});

for (const settled of [false, true]) {
  Deno.test(`gather({ settled: ${settled} }) rejects with the reason of its signal, after its tasks have ended`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    const controller = new AbortController();
    await using _ = nothingLeft({ runner, signals: [controller.signal] });
    let running = 0;
    function* endless(): Iterable<Task<void>> {
      for (;;) {
        yield async ({ signal }) => {
          running++;
          await aborted(signal);
          await quiet();
          running--;
        };
      }
    }
    const { signal } = controller;
    const result = errorOf(
      settled
        ? runner.gather(endless(), { signal, settled })
        : runner.gather(endless(), { signal }),
    );
    await quiet();
    assertEquals(running, 2);
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await result, reason);
    assertEquals(running, 0);
  });

  Deno.test(`gather({ settled: ${settled} }) ends when a shutdown cuts it off, however long its source is`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    await using _ = nothingLeft({ runner });
    function* endless(): Iterable<Task<unknown>> {
      for (;;) yield untilAborted;
    }
    const result = errorOf(
      settled
        ? runner.gather(endless(), { settled })
        : runner.gather(endless()),
    );
    await quiet();
    const { cancelled, unfinished } = await runner.shutdown({ wait: false });
    assertEquals([cancelled.length, unfinished.length], [2, 0]);
    assertInstanceOf(await result, Error);
    assertEquals(runner.stats().running, 0);
    assertEquals(runner.stats().queued, 0);
  });
}

Deno.test("gather() with an aborted signal reads nothing and rejects with the reason", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const reason = new Error("too late");
  let read = 0;
  function* source(): Iterable<Task<number>> {
    read++;
    yield () => 1;
  }
  assertStrictEquals(
    await errorOf(
      runner.gather(source(), { signal: AbortSignal.abort(reason) }),
    ),
    reason,
  );
  assertEquals(read, 0);
});

Deno.test("gather() whose source aborts it submits no further task and closes the source", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 4 });
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  let started = 0;
  let closed = 0;
  function* source(): Iterable<Task<number>> {
    try {
      yield () => ++started;
      controller.abort(new Error("from the source"));
      yield () => ++started;
      yield () => ++started;
    } finally {
      closed++;
    }
  }
  await assertRejects(
    () => runner.gather(source(), { signal: controller.signal }),
    Error,
    "from the source",
  );
  assertEquals([started, closed], [0, 1]);
});

Deno.test("gather() waits for room in a bounded queue instead of overflowing it", async () => {
  await using runner = new AsyncRunner({
    maxWorkers: 2,
    maxQueue: 1,
    overflow: "reject",
  });
  const others = Array.from({ length: 3 }, () => runner.submit(() => flush(5)));
  const results = await runner.gather(
    Array.from({ length: 20 }, (_, index) => async () => {
      await flush(2);
      return index;
    }),
  );
  assertEquals(results, Array.from({ length: 20 }, (_, index) => index));
  await Promise.all(others);
});

Deno.test("gather() that waits for room in the queue rejects at once when its signal aborts", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1, maxQueue: 1 });
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const others = [runner.submit(() => gate), runner.submit(() => {})];
  await quiet();
  const result = errorOf(
    runner.gather([() => 1], { signal: controller.signal }),
  );
  await quiet();
  const reason = new Error("no room");
  controller.abort(reason);
  assertStrictEquals(await result, reason);
  open();
  await Promise.all(others);
});

Deno.test("gather() works with a queue of length 0", async () => {
  await using runner = new AsyncRunner({
    maxWorkers: 2,
    maxQueue: 0,
    overflow: "reject",
  });
  assertEquals(
    await runner.gather([1, 2, 3, 4, 5].map((n) => async () => {
      await flush(3);
      return n;
    })),
    [1, 2, 3, 4, 5],
  );
});

Deno.test("gather() applies timeout to each task, and deadline to all", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const sleep = (ms: number): Task<void> => ({ signal }) =>
    Promise.race([
      aborted(signal),
      new Promise<void>((resolve) => setTimeout(resolve, ms)),
    ]);
  const each = errorOf(
    runner.gather([sleep(80), sleep(80), sleep(80)], { timeout: 100 }),
  );
  await clock.tick(80);
  await clock.tick(80);
  await clock.tick(80);
  assertEquals(await each, undefined);
  const all = errorOf(
    runner.gather([sleep(80), sleep(80), sleep(80)], {
      deadline: performance.now() + 100,
    }),
  );
  await clock.tick(80);
  await clock.tick(80);
  const error = await all;
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
  await clock.tick(100);
});

Deno.test("gather() names what is wrong with its tasks, and cancels those it had submitted", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 4 });
  await using _ = nothingLeft({ runner });
  const tasks = [untilAborted, Promise.resolve(1), () => 3];
  const error = await errorOf(
    runner.gather(tasks as unknown as Task<unknown>[]),
  );
  assertInstanceOf(error, TypeError);
  assertStringIncludes(error.message, "task must be a function");
  assertStringIncludes(
    error.message,
    "got a promise. A promise has already started",
  );
  assertEquals(runner.stats().queued + runner.stats().running, 0);
  await assertRejects(
    () => runner.gather(5 as unknown as Task<unknown>[]),
    TypeError,
    "tasks must be an iterable of functions, got 5",
  );
});

Deno.test("gather() of tasks that have children waits for the children of a failed gather", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 4 });
  await using _ = nothingLeft({ runner });
  let childEnded = false;
  await assertRejects(
    () =>
      runner.gather([
        (context) => {
          // Not awaited: it ends with its parent.
          context.submit(async ({ signal }) => {
            await aborted(signal);
            await quiet();
            childEnded = true;
          });
          return untilAborted(context);
        },
        async () => {
          await flush(5);
          throw new Error("failed");
        },
      ]),
    Error,
    "failed",
  );
  assert(childEnded);
});

Deno.test("gather() gives what Promise.all gives, under any limit and any order of ends", async () => {
  // Several fail: those after the first are told there.
  using _printed = new CapturedConsole();
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          value: fc.integer(),
          turns: fc.nat({ max: 8 }),
          fails: fc.boolean(),
        }),
        { maxLength: 30 },
      ),
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      async (plan, maxWorkers, mayFail) => {
        await using runner = new AsyncRunner({ maxWorkers });
        await using _ = nothingLeft({ runner });
        const gauge = new Gauge();
        const tasks = plan.map(({ value, turns, fails }) =>
          gauge.watch(async () => {
            await flush(turns);
            if (fails && mayFail) throw new RangeError(String(value));
            return value;
          })
        );
        const settled = await runner.gather(tasks, { settled: true });
        assertEquals(
          settled.map((outcome) =>
            outcome.status === "fulfilled"
              ? outcome.value
              : (outcome.reason as Error).message
          ),
          plan.map(({ value, fails }) =>
            fails && mayFail ? String(value) : value
          ),
        );
        assert(gauge.most <= maxWorkers);
        const failing = mayFail && plan.some(({ fails }) => fails);
        const error = await errorOf(
          runner.gather(tasks).then((results) =>
            assertEquals(results, plan.map(({ value }) => value))
          ),
        );
        assertEquals(error instanceof RangeError, failing);
        assertEquals(gauge.now, 0);
      },
    ),
    { numRuns: 100, seed: 13 },
  );
});

Deno.test("gather() runs more at once as soon as the limit is raised", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const gates: (() => void)[] = [];
  const task = () => new Promise<void>((resolve) => gates.push(resolve));
  const all = runner.gather(Array(5).fill(task));
  await quiet();
  assertEquals(gates.length, 1);
  runner.maxWorkers = 5;
  await quiet();
  assertEquals(gates.length, 5);
  for (const open of gates) open();
  await all;
});
