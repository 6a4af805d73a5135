/**
 * runner.race and runner.any.
 *
 * @module
 */
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { AsyncRunner, type Task, TaskPriority } from "../../../runner/mod.ts";
import { CapturedConsole } from "../../support/captured_console.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  aborted,
  errorOf,
  flush,
  quiet,
  untilAborted,
} from "../../support/tasks.ts";

Deno.test("race() gives the first result, and cancels and awaits the losers", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const order: string[] = [];
  const winner = await runner.race<string>([
    async ({ signal }) => {
      await aborted(signal);
      await quiet();
      order.push("loser has ended");
      return "late";
    },
    async () => {
      await flush(5);
      return "winner";
    },
  ]);
  order.push("race has ended");
  assertEquals(winner, "winner");
  assertEquals(order, ["loser has ended", "race has ended"]);
  assertEquals(runner.stats().running, 0);
});

Deno.test("race() rejects when the first to end fails", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const error = new Error("fastest");
  assertStrictEquals(
    await errorOf(
      runner.race<unknown>([untilAborted, () => Promise.reject(error)]),
    ),
    error,
  );
});

Deno.test("race() never starts the losers that still wait", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  let started = 0;
  assertEquals(
    await runner.race<number>([() => 0, () => ++started, () => ++started]),
    0,
  );
  assertEquals([started, runner.stats().queued], [0, 0]);
});

Deno.test("race() of nothing and any() of nothing reject", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  await assertRejects(
    () => runner.race([]),
    RangeError,
    "race() must be given at least one task",
  );
  const error = await errorOf(runner.any([]));
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, []);
});

Deno.test("race() with something that is no task cancels the others and leaves the runner whole", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  for (const method of ["race", "any"] as const) {
    const tasks = [() => 1, untilAborted, 42, () => 2] as Task<number>[];
    await assertRejects(
      () => runner[method](tasks),
      TypeError,
      "task must be a function (context) => value or promise, got 42",
    );
    assertEquals(runner.stats().queued, 0);
    assertEquals(runner.stats().running, 0);
    assertEquals(await runner.submit(() => "still works"), "still works");
  }
});

Deno.test("race() submits nothing more once a submit has decided it", async () => {
  await using runner = new AsyncRunner({
    maxWorkers: 1,
    maxQueue: 1,
    overflow: "drop-oldest",
  });
  await using _ = nothingLeft({ runner });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = runner.submit(() => gate);
  await quiet();
  let started = 0;
  // The second drops the first, which fails the race; the third must not drop the second.
  const result = errorOf(
    runner.race([() => ++started, () => ++started, () => ++started]),
  );
  await quiet();
  assertEquals(runner.stats().queued, 0);
  open();
  assertEquals((await result as Error).name, "QueueFullError");
  await holder;
  assertEquals(started, 0);
});

Deno.test("race(), any() and gather() survive being decided while a task is being submitted", async () => {
  // With a queue of length 0 each submit lets the one before it start, and that ends at once.
  // Time stands still, so that the scheduler never holds a start back for the event loop.
  using _clock = new FakeClock();
  const options = { maxWorkers: 2, maxQueue: 0, overflow: "reject" } as const;
  await using runner = new AsyncRunner(options);
  await using _ = nothingLeft({ runner });
  const fails = () => {
    throw new Error("at once");
  };
  for (let round = 0; round < 3; round++) {
    assertEquals(await runner.race([() => 1, () => 2, () => 3]), 1);
    assertEquals(await runner.any([fails, () => 2, () => 3]), 2);
    await assertRejects(() => runner.gather([fails, () => 2, fails]), Error);
    assertEquals(runner.stats().queued, 0);
    assertEquals(runner.stats().running, 0);
  }
});

Deno.test("any() gives the first success and passes failures over", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  assertEquals(
    await runner.any<string>([
      () => {
        throw new Error("at once");
      },
      async () => {
        await flush(5);
        return "second";
      },
      untilAborted,
    ]),
    "second",
  );
});

Deno.test("race() and any() tell the observer of a loser that fails after its cancel, and of nothing else", async () => {
  const late: unknown[] = [];
  await using runner = new AsyncRunner({
    maxWorkers: 4,
    observer: { ended: (_task, error) => error && late.push(error) },
  });
  using printed = new CapturedConsole();
  const failure = new Error("clean-up");
  const tasks: Task<string>[] = [
    untilAborted,
    async ({ signal }) => {
      await aborted(signal);
      throw failure;
    },
    async () => {
      await flush(5);
      return "winner";
    },
  ];
  for (const method of ["race", "any"] as const) {
    assertEquals(await runner[method](tasks), "winner");
    assertEquals(late.splice(0), [failure]);
  }
  assertEquals(printed.take(), []);
});

Deno.test("any() with a winner passes over what failed before, in silence", async () => {
  await using runner = new AsyncRunner();
  using printed = new CapturedConsole();
  const fails = () => Promise.reject(new Error("passed over"));
  const wins = async () => {
    await flush(5);
    return "winner";
  };
  assertEquals(await runner.any<string>([fails, wins, fails]), "winner");
  assertEquals(printed.take(), []);
});

Deno.test("any() rejects with every failure in the order of the tasks", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const errors = [new Error("a"), new Error("b"), new Error("c")];
  const error = await errorOf(
    runner.any(errors.map((error, index) => async () => {
      await flush(30 - 10 * index);
      throw error;
    })),
  );
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, errors);
});

for (const method of ["race", "any"] as const) {
  Deno.test(`${method}() rejects with the reason of its signal, after its tasks have ended`, async () => {
    const late: unknown[] = [];
    await using runner = new AsyncRunner({
      maxWorkers: 2,
      observer: { ended: (_task, error) => error && late.push(error) },
    });
    const controller = new AbortController();
    await using _ = nothingLeft({ runner, signals: [controller.signal] });
    const failure = new Error("late");
    let running = 0;
    const task: Task<void> = async ({ signal }) => {
      running++;
      await aborted(signal);
      await quiet();
      running--;
      throw failure;
    };
    const result = errorOf(
      runner[method]([task, task, task], { signal: controller.signal }),
    );
    await quiet();
    assertEquals(running, 2);
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await result, reason);
    assertEquals(running, 0);
    assertEquals(late, [failure, failure]);
  });

  Deno.test(`${method}() applies timeout to each task`, async () => {
    using clock = new FakeClock();
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    await using _ = nothingLeft({ runner });
    const result = errorOf(
      runner[method]([untilAborted, untilAborted], { timeout: 50 }),
    );
    await clock.tick(50);
    const error = await result;
    const first = error instanceof AggregateError ? error.errors[0] : error;
    assertEquals(first.name, "TimeoutError");
  });

  Deno.test(`${method}() honours its priority`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    const order: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const holder = runner.submit(() => gate);
    await quiet();
    const normal = runner.submit(() => order.push("normal"));
    const urgent = runner[method]([() => order.push("urgent")], {
      priority: TaskPriority.CRITICAL,
    });
    open();
    await Promise.all([holder, normal, urgent]);
    assertEquals(order, ["urgent", "normal"]);
  });
}
