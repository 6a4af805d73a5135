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
  type TaskPriority,
} from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
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

/** Runs `check` with each kind of runner of two slots. */
function onBoth(
  name: string,
  check: (runner: Runner) => Promise<void>,
): void {
  testWithRedis(`AsyncRunner and ClusterRunner: ${name}`, async (t) => {
    await t.step("AsyncRunner", async () => {
      await using runner = new AsyncRunner({ maxWorkers: 2 });
      await check(runner);
    });
    await t.step("ClusterRunner", async () => {
      await using redis = await useRedis();
      await using serving = new ClusterRunner({ ...redis.at });
      await using local = new AsyncRunner({ maxWorkers: 2 });
      serving.work(tasks, { runner: local });
      await using runner = new ClusterRunner({ ...redis.at });
      await check(runner);
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
