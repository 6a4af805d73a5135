/**
 * The same contract on both runners: every test runs against a local AsyncRunner and against a
 * ClusterRunner with a worker.
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
  AsyncRunner,
  DisposedError,
  type TaskObserver,
  type TaskPriority,
} from "@specify/async-core";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { CapturedConsole } from "../support/captured_console.ts";
import { abortListeners } from "../support/nothing_left.ts";
import { testWithRedis, useRedis } from "./support/redis.ts";
import {
  echo,
  failing,
  pause,
  slow,
  square,
  tasks,
  until,
} from "./support/tasks.ts";

type Runner = AsyncRunner | ClusterRunner;

/** Waits until it is aborted and fails then, if it is `untidy`; else waits, and fails or not. */
const mixed = defineTask(
  "mixed",
  async (
    input: { untidy?: string; ms?: number; fails?: string; value?: unknown },
    { signal },
  ) => {
    if (input.untidy !== undefined) {
      await pause(60_000, signal).catch(() => {});
      throw new TypeError(input.untidy);
    }
    await pause(input.ms ?? 0, signal);
    if (input.fails !== undefined) throw new RangeError(input.fails);
    return input.value;
  },
);

/** Whatever `check` has submitted and not left to the runner's end must have ended. */
async function expectNothingOpen(runner: Runner): Promise<void> {
  if (runner instanceof AsyncRunner) {
    const { queued, running } = runner.stats();
    assertEquals([queued, running], [0, 0]);
    return;
  }
  const stats = await runner.stats().catch((error) => {
    // It was shut down: that is what the store is looked at for at the end.
    assert(error instanceof DisposedError, error);
  });
  if (stats !== undefined) {
    assertEquals([stats.own.open, stats.waiting, stats.running], [0, 0, 0]);
  }
}

/**
 * Runs `check` with each kind of runner of two slots, which it must leave as it was; `observer`
 * observes it.
 */
function onBoth(
  name: string,
  check: (runner: Runner) => Promise<void>,
  observer?: TaskObserver,
): void {
  testWithRedis(`AsyncRunner and ClusterRunner: ${name}`, async (t) => {
    await t.step("AsyncRunner", async () => {
      await using runner = new AsyncRunner({ maxWorkers: 2, observer });
      await check(runner);
      await expectNothingOpen(runner);
    });
    await t.step("ClusterRunner", async () => {
      await using redis = await useRedis();
      await using serving = new ClusterRunner({ ...redis.at });
      await using local = new AsyncRunner({ maxWorkers: 2 });
      const worker = serving.work([...tasks, mixed], { runner: local });
      await using runner = new ClusterRunner({ ...redis.at, observer });
      await check(runner);
      await expectNothingOpen(runner);
      await expectNothingOpen(local);
      assertEquals(worker.stats().running, 0);
    });
  });
}

onBoth("submit gives result, failure and states alike", async (runner) => {
  const handle = runner.submit(square(4), { name: "four" });
  assertEquals([handle.name, handle.priority], ["four", 2]);
  assertEquals(await handle, 16);
  assertEquals(handle.state, "succeeded");
  const failed = runner.submit(failing("no"));
  await assertRejects(() => failed, RangeError, "no");
  assertEquals(failed.state, "failed");
  const value = { a: [1, { b: new Date(3) }], c: undefined };
  assertEquals(await runner.submit(echo(value)), value);
});

onBoth(
  "wrong options and closed runners are the same errors",
  async (runner) => {
    assertThrows(
      () => runner.submit(square(1), { timeout: -1 }),
      RangeError,
      "timeout",
    );
    assertThrows(
      () => runner.submit(square(1), { priority: 9 as TaskPriority }),
      RangeError,
    );
    const reason = new Error("stop");
    const aborted = runner.submit(square(1), {
      signal: AbortSignal.abort(reason),
    });
    assertStrictEquals(await aborted.catch((error) => error), reason);
    assertEquals(aborted.state, "cancelled");
    const expired = runner.submit(square(1), {
      deadline: performance.now() - 1,
    });
    assertEquals(
      (await assertRejects(() => expired, DOMException)).name,
      "TimeoutError",
    );
    await runner.shutdown();
    await assertRejects(() => runner.submit(square(1)), DisposedError);
    await assertRejects(() => runner.gather([square(1)]), DisposedError);
    await runner.shutdown();
  },
);

onBoth(
  "cancel and abort settle at once with the reason itself",
  async (runner) => {
    const running = runner.submit(slow({ ms: 60_000 }));
    await until(() => running.state === "running");
    const reason = { any: "value" };
    running.cancel(reason);
    assertEquals(running.state, "cancelled");
    assertStrictEquals(await running.catch((error) => error), reason);
    running.cancel("later calls do nothing");
    const controller = new AbortController();
    const listening = runner.submit(slow({ ms: 60_000 }), {
      signal: controller.signal,
    });
    controller.abort(reason);
    assertStrictEquals(await listening.catch((error) => error), reason);
    await runner.onIdle();
    assertEquals(await runner.submit(square(2)), 4);
  },
);

onBoth(
  "gather keeps order and types, and its first failure cancels the rest",
  async (runner) => {
    const [n, text] = await runner.gather([square(3), echo("x")]);
    assertEquals([n, text], [9, "x"]);
    const settled = await runner.gather([square(1), failing("f")], {
      settled: true,
    });
    assertEquals(settled.map(({ status }) => status), [
      "fulfilled",
      "rejected",
    ]);
    let read = 0;
    let closed = false;
    function* endless() {
      try {
        for (;;) {
          if (++read === 3) yield failing("third");
          else yield slow({ ms: 20 });
        }
      } finally {
        closed = true;
      }
    }
    const bounded = runner instanceof ClusterRunner ? 1000 : 2;
    await assertRejects(() => runner.gather(endless()), RangeError, "third");
    assert(closed);
    assert(read <= bounded + 3, `${read}`);
    assertEquals(await runner.gather([]), []);
  },
);

onBoth("race and any cancel the losers and await them", async (runner) => {
  assertEquals(await runner.race([square(2), slow({ ms: 60_000 })]), 4);
  assertEquals(await runner.any([failing("a"), square(5)]), 25);
  await assertRejects(
    () => runner.any([failing("a"), failing("b")]),
    AggregateError,
  );
  await assertRejects(() => runner.race([]), RangeError);
  await runner.onIdle();
});

onBoth(
  "map is lazy, keeps order, and fails as its first failing element does",
  async (runner) => {
    const results: number[] = [];
    for await (const n of runner.map([1, 2, 3], square)) results.push(n);
    assertEquals(results, [1, 4, 9]);
    const lazy = runner.map(
      (function* (): Generator<number> {
        yield 1;
        throw new Error("read though nothing was asked for");
      })(),
      square,
    );
    await lazy.return?.();
    const seen: number[] = [];
    await assertRejects(
      async () => {
        for await (const value of runner.map(["bad"], failing)) {
          seen.push(
            value,
          );
        }
      },
      RangeError,
      "bad",
    );
    assertEquals(seen, []);
  },
);

onBoth(
  "a scope outlives its tasks, reports each failure once and cancels siblings",
  async (runner) => {
    const order: string[] = [];
    const sum = await runner.scope(async (scope) => {
      scope.defer(() => order.push("first deferred"));
      scope.defer(() => order.push("last deferred"));
      const a = scope.submit(square(3));
      const b = await scope.scope((inner) => inner.submit(square(4)));
      scope.submit(slow({ ms: 30 })).then(() => order.push("unawaited task"));
      return await a + b;
    });
    assertEquals(sum, 25);
    assertEquals(order, ["unawaited task", "last deferred", "first deferred"]);
    await assertRejects(
      () =>
        runner.scope(async (scope) => {
          scope.submit(slow({ ms: 60_000 }));
          scope.submit(failing("sibling"));
          await new Promise((_, reject) =>
            scope.signal.addEventListener("abort", () =>
              reject(scope.signal.reason))
          );
        }),
      RangeError,
      "sibling",
    );
    const controller = new AbortController();
    const reason = new Error("outside");
    const scoped = runner.scope(async (scope) => {
      const handle = scope.submit(slow({ ms: 60_000 }));
      controller.abort(reason);
      await handle;
    }, { signal: controller.signal });
    assertStrictEquals(await scoped.catch((error) => error), reason);
    await runner.onIdle();
  },
);

onBoth(
  "shutdown lets work finish, or cancels it after its timeout and reports it",
  async (runner) => {
    const handle = runner.submit(slow({ ms: 60_000 }));
    await until(() => handle.state === "running");
    const queued = [1, 2, 3].map((n) =>
      runner.submit(slow({ ms: 60_000, value: n }))
    );
    const report = await runner.shutdown({ timeout: 50, grace: 5000 });
    assertEquals(report.cancelled.length, 4);
    assertEquals(report.unfinished, []);
    for (const one of [handle, ...queued] as Promise<unknown>[]) {
      assertEquals(
        (await assertRejects(() => one, DOMException)).name,
        "AbortError",
      );
    }
  },
);

onBoth("await using waits for what was submitted", async (runner) => {
  let isDone = false;
  {
    await using _ = runner;
    runner.submit(slow({ ms: 50 })).then(() => isDone = true);
  }
  assert(isDone);
  await pause(0);
});

onBoth(
  "a shutdown waits for an open scope and a gather, lets their tasks in and nobody else's",
  async (runner) => {
    let isInside = false;
    const scoped = runner.scope(async (scope) => {
      isInside = true;
      await pause(30);
      const first = await scope.submit(square(2));
      return first + await scope.submit(square(3));
    });
    const gathered = runner.gather((function* () {
      for (let n = 0; n < 4; n++) yield slow({ ms: 20, value: n });
    })());
    await until(() => isInside);
    const shutdown = runner.shutdown();
    await assertRejects(() => runner.submit(square(1)), DisposedError);
    assertEquals(await scoped, 13);
    assertEquals(await gathered, [0, 1, 2, 3]);
    assertEquals((await shutdown).cancelled, []);
  },
);

onBoth(
  "a shutdown that is out of patience ends scopes and gathers",
  async (runner) => {
    const scoped = runner.scope(async (scope) => {
      await scope.submit(slow({ ms: 60_000 }));
    });
    const gathered = runner.gather([
      slow({ ms: 60_000 }),
      slow({ ms: 60_000 }),
    ]);
    const outcomes = Promise.allSettled([scoped, gathered]);
    await pause(20);
    await runner.shutdown({ timeout: 20, grace: 5000 });
    for (const outcome of await outcomes) {
      assertEquals(
        outcome.status === "rejected" && outcome.reason.name,
        "AbortError",
      );
    }
  },
);

onBoth("empty races and signals end any and map alike", async (runner) => {
  await assertRejects(() => runner.any([]), AggregateError, "no tasks");
  const controller = new AbortController();
  const reason = new Error("stop");
  const any = runner.any([slow({ ms: 60_000 }), slow({ ms: 60_000 })], {
    signal: controller.signal,
  });
  const waiting = runner.map(
    (async function* () {
      yield await new Promise<number>(() => {});
    })(),
    square,
    { signal: controller.signal },
  );
  const next = waiting.next().catch((error) => error);
  setTimeout(() => controller.abort(reason), 20);
  assertStrictEquals(await any.catch((error) => error), reason);
  assertStrictEquals(await next, reason);
  const aborted = runner.map([1], square, { signal: controller.signal });
  assertStrictEquals(await aborted.next().catch((error) => error), reason);
  for (
    const wrong of [
      () => runner.map(5 as never, square),
      () => runner.map([1], square, { ordered: 1 as never }),
      () => runner.map([1], square, { concurrency: 0 }),
      () => runner.map([1], square, { signal: {} as never }),
    ]
  ) assertThrows(wrong, Error, "must be");
  await assertRejects(
    () => runner.gather([square(1)], { settled: 1 as never }),
    TypeError,
    "settled",
  );
  await assertRejects(
    () => runner.shutdown({ timeout: -1 }),
    RangeError,
    "timeout",
  );
  assertEquals(await runner.submit(square(2)), 4);
});

onBoth(
  "any without a success has every failure in the order of the tasks",
  async (runner) => {
    const error = await assertRejects(
      () =>
        runner.any([
          mixed({ ms: 60, fails: "first" }),
          mixed({ fails: "second" }),
        ]),
      AggregateError,
    );
    assertEquals(error.message, "None of 2 tasks succeeded");
    assertEquals(error.errors.map(String), [
      "RangeError: first",
      "RangeError: second",
    ]);
  },
);

onBoth(
  "a scope reports what a task throws after the scope has cancelled it, and not what its owner has",
  async (runner) => {
    const error = await assertRejects(
      () =>
        runner.scope(async (scope) => {
          const handle = scope.submit(mixed({ untidy: "rollback" }));
          await until(() => handle.state === "running");
          scope.submit(mixed({ fails: "first" }));
        }),
      AggregateError,
    );
    assertEquals(error.message, "2 failures in one scope");
    assertEquals(error.errors.map(String), [
      "RangeError: first",
      "TypeError: rollback",
    ]);
    await runner.scope(async (scope) => {
      const handle = scope.submit(mixed({ untidy: "of no interest" }));
      await until(() => handle.state === "running");
      handle.cancel();
      await handle.catch(() => {});
    });
  },
);

onBoth(
  "a scope whose task's deadline passes fails with one TimeoutError",
  async (runner) => {
    for (let round = 0; round < 5; round++) {
      const error = await runner.scope(async (scope) => {
        await scope.submit(slow({ ms: 60_000 }), {
          deadline: performance.now() + 100,
        });
      }).catch((error) => error);
      assertEquals(error.name, "TimeoutError");
    }
  },
);

const late: string[] = [];

onBoth(
  "gather, race, any and map tell the observer of what fails too late, once, and nobody else",
  async (runner) => {
    using printed = new CapturedConsole();
    late.length = 0;
    const untidy = mixed({ untidy: "rollback" });
    const error = await assertRejects(
      () => runner.gather([untidy, mixed({ ms: 300, fails: "first" })]),
      RangeError,
      "first",
    );
    assertEquals(Object.keys(error), []);
    assertEquals(late.splice(0), ["mixed: TypeError: rollback"]);
    const winner = mixed({ ms: 300, value: 1 });
    assertEquals(await runner.race<unknown>([untidy, winner]), 1);
    assertEquals(late.splice(0), ["mixed: TypeError: rollback"]);
    assertEquals(await runner.any<unknown>([untidy, winner]), 1);
    assertEquals(late.splice(0), ["mixed: TypeError: rollback"]);
    const inputs = [{ ms: 300, value: 1 }, { untidy: "rollback" }];
    for await (const value of runner.map(inputs, mixed)) {
      assertEquals(value, 1);
      break;
    }
    assertEquals(late.splice(0), ["mixed: TypeError: rollback"]);
    assertEquals(printed.take(), []);
  },
  { ended: (task, error) => error && late.push(`${task.name}: ${error}`) },
);

onBoth(
  "without an observer, what fails too late is one line on the console",
  async (runner) => {
    // What was printed before is longer ago than lines are held back.
    await pause(1001);
    using printed = new CapturedConsole();
    await assertRejects(
      () =>
        runner.gather([
          mixed({ untidy: "rollback" }),
          mixed({ ms: 300, fails: "first" }),
        ]),
      RangeError,
      "first",
    );
    assertEquals(printed.take(), [
      "Late failure of task mixed: TypeError: rollback",
    ]);
  },
);

const settled: string[] = [];

onBoth(
  "a gather with settled gives every outcome when a shutdown cancels its last tasks",
  async (runner) => {
    settled.length = 0;
    const result = runner.gather([square(2), slow({ ms: 60_000 })], {
      settled: true,
    });
    await until(() => settled.includes("square"));
    await runner.shutdown({ wait: false, grace: 5000 });
    const [first, last] = await result;
    assertEquals(first, { status: "fulfilled", value: 4 });
    assertEquals(
      last.status === "rejected" && last.reason.message,
      "The runner was shut down before this task had ended",
    );
  },
  { settled: (task) => settled.push(task.name) },
);

let whenQueued = () => {};

onBoth(
  "a gather or a scope that is aborted while it submits a task cancels that one too",
  async (runner) => {
    const reason = new Error("now");
    for (
      const start of [
        (signal: AbortSignal) =>
          runner.gather([slow({ ms: 60_000 }), slow({ ms: 60_000 })], {
            signal,
          }),
        (signal: AbortSignal) =>
          runner.scope((scope) => void scope.submit(slow({ ms: 60_000 })), {
            signal,
          }),
      ]
    ) {
      const controller = new AbortController();
      whenQueued = () => controller.abort(reason);
      let outcome: unknown;
      start(controller.signal).then(
        () => outcome = "no error",
        (error) => outcome = error,
      );
      await until(() => outcome !== undefined, "the end", 10_000);
      assertStrictEquals(outcome, reason);
    }
    whenQueued = () => {};
    await runner.onIdle();
  },
  { queued: () => whenQueued() },
);

onBoth(
  "what is wrong with a call is said in the same words",
  async (runner) => {
    for (
      const [call, message] of [
        [
          () => runner.gather(5 as never),
          "tasks must be an iterable of functions, got 5",
        ],
        [
          () => runner.gather([], { signal: {} as never }),
          "signal must be an AbortSignal, got an object (Object)",
        ],
        [() => runner.race([], null as never), "options must be an object"],
        [
          () => runner.any("text" as never, 5 as never),
          "options must be an object, got 5",
        ],
        [() => runner.scope(5 as never), "body must be a function, got 5"],
        [
          () => runner.scope(() => {}, { priority: 9 as TaskPriority }),
          "priority must be a TaskPriority (0 CRITICAL to 4 BACKGROUND), got 9",
        ],
        [
          // deno-lint-ignore require-await -- a wrong argument is thrown at once
          async () => runner.map(5 as never, square),
          "source must be an iterable or an async iterable, got 5",
        ],
        [
          // deno-lint-ignore require-await -- a wrong option is thrown at once
          async () => runner.map([1], square, { concurrency: 0 }),
          "concurrency must be a positive integer or Infinity, got 0",
        ],
      ] as const
    ) await assertRejects(call as () => Promise<unknown>, Error, message);
  },
);

testWithRedis(
  "AsyncRunner and ClusterRunner: their own signal cancels what is open and what comes later",
  async () => {
    await using redis = await useRedis();
    for (const Kind of [AsyncRunner, ClusterRunner]) {
      const controller = new AbortController();
      const reason = new Error("over");
      const options = { signal: controller.signal };
      await using runner = Kind === ClusterRunner
        ? new ClusterRunner({ ...redis.at, ...options })
        : new AsyncRunner(options);
      const open = runner.submit(slow({ ms: 60_000 }));
      controller.abort(reason);
      const later = runner.submit(square(1));
      for (const handle of [open, later] as Promise<unknown>[]) {
        assertStrictEquals(await handle.catch((error) => error), reason);
      }
      assertEquals([open.state, later.state], ["cancelled", "cancelled"]);
      await runner.onIdle();
    }
  },
);

onBoth(
  "no listener is left on a signal, however what listened to it has ended",
  async (runner) => {
    const works: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => runner.submit(square(2), { signal }),
      (signal) => runner.submit(failing("no"), { signal }),
      (signal) => runner.gather([square(1), square(2)], { signal }),
      (signal) => runner.gather([square(1), failing("no")], { signal }),
      (signal) => runner.race([square(1), slow({ ms: 60_000 })], { signal }),
      (signal) => runner.any([failing("a"), failing("b")], { signal }),
      (signal) => Array.fromAsync(runner.map([1, 2], square, { signal })),
      (signal) => Array.fromAsync(runner.map(["no"], failing, { signal })),
      (signal) => runner.scope((scope) => scope.submit(square(2)), { signal }),
      (signal) =>
        runner.scope((scope) => scope.submit(failing("no")), { signal }),
      (signal) => runner.ready(signal),
      (signal) => runner.onIdle(signal),
    ];
    for (const [place, work] of works.entries()) {
      const { signal } = new AbortController();
      const listeners = () => abortListeners(signal);
      await work(signal).catch(() => {});
      assertEquals(listeners(), 0, `work ${place}`);
    }
    const endless: typeof works = [
      (signal) => runner.submit(slow({ ms: 60_000 }), { signal }),
      (signal) => runner.gather([slow({ ms: 60_000 }), square(1)], { signal }),
      (signal) => runner.race([slow({ ms: 60_000 })], { signal }),
      (signal) => runner.any([slow({ ms: 60_000 }), failing("a")], { signal }),
      (signal) =>
        Array.fromAsync(runner.map([{ ms: 60_000 }], slow, { signal })),
      (signal) =>
        runner.scope((scope) => scope.submit(slow({ ms: 60_000 })), { signal }),
    ];
    for (const [place, work] of endless.entries()) {
      const controller = new AbortController();
      const reason = new Error("enough");
      const listeners = () => abortListeners(controller.signal);
      const outcome = work(controller.signal).catch((error) => error);
      await pause(place % 2 * 20);
      assert(listeners() > 0, `endless work ${place}`);
      controller.abort(reason);
      assertStrictEquals(await outcome, reason);
      assertEquals(listeners(), 0, `endless work ${place}`);
    }
    await runner.onIdle();
  },
);
