/**
 * How a runner and a scheduler end.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AsyncRunner,
  DisposedError,
  type TaskContext,
  type TaskHandle,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  aborted,
  errorOf,
  flush,
  quiet,
  untilAborted,
} from "../../support/tasks.ts";

/** An own scheduler, and one that is shared with somebody else. */
const KINDS: Record<
  string,
  (workers: number) => { runner: AsyncRunner; scheduler: TaskScheduler }
> = {
  "own scheduler": (maxWorkers) => {
    const runner = new AsyncRunner({ maxWorkers });
    return { runner, scheduler: runner.scheduler };
  },
  "shared scheduler": (maxConcurrent) => {
    const scheduler = new TaskScheduler({ maxConcurrent });
    return { runner: new AsyncRunner({ scheduler }), scheduler };
  },
};

for (const [kind, make] of Object.entries(KINDS)) {
  Deno.test(`shutdown() during a rush lets everything that was accepted finish (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(3);
    let ran = 0;
    const handles = Array.from(
      { length: 50 },
      () =>
        runner.submit(async (context) => {
          await flush(2);
          // Part of accepted work: still let in.
          await context.submit(() => flush(1));
          ran++;
        }),
    );
    const gathered = runner.gather(
      Array.from({ length: 20 }, () => () => flush(2).then(() => ++ran)),
    );
    await flush(5);
    const report = await runner.shutdown();
    assertEquals(ran, 70);
    assertEquals(report, { cancelled: [], unfinished: [] });
    await Promise.all(handles);
    assertEquals((await gathered).length, 20);
  });

  Deno.test(`submit(), gather(), map(), race() and scope() are refused after shutdown() (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    const ending = runner.shutdown();
    for (const round of ["during", "after"]) {
      const handle = runner.submit(() => round);
      assertEquals(handle.state, "failed");
      await assertRejects(() => handle, DisposedError, "AsyncRunner.submit()");
      await assertRejects(() => runner.gather([() => 1]), DisposedError);
      await assertRejects(() => runner.race([() => 1]), DisposedError);
      await assertRejects(() => runner.any([() => 1]), DisposedError);
      await assertRejects(() => runner.scope(() => 1), DisposedError);
      assertThrows(() => runner.map([1], () => 1), DisposedError);
      // What is wrong is told first, as always.
      assertThrows(
        () => runner.submit(5 as unknown as () => void),
        TypeError,
      );
      await ending;
    }
  });

  Deno.test(`shutdown({ wait: false }) cancels everything within the turn, and nothing queued starts (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(1);
    let started = 0;
    const running = runner.submit(untilAborted, { name: "running" });
    await quiet();
    const queued = [1, 2].map((n) =>
      runner.submit(() => ++started, { name: `queued ${n}` })
    );
    const ending = runner.shutdown({ wait: false });
    assertEquals([running, ...queued].map(({ state }) => state), [
      "cancelled",
      "cancelled",
      "cancelled",
    ]);
    const { cancelled, unfinished } = await ending;
    assertEquals(
      cancelled.map(({ name }) => name).sort(),
      ["queued 1", "queued 2", "running"],
    );
    assertEquals([unfinished.length, started], [0, 0]);
    for (const handle of [running, ...queued]) {
      assertEquals((await errorOf(handle) as Error).name, "AbortError");
    }
  });

  Deno.test(`shutdown({ wait: false }) in the turn of the submit starts nothing (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(5);
    let started = 0;
    const handle = runner.submit(() => ++started);
    await runner.shutdown({ wait: false });
    assertEquals([started, handle.state], [0, "cancelled"]);
  });

  Deno.test(`shutdown({ timeout }) cuts off what takes longer, and names a task that never ends (${kind})`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const { runner, scheduler } = make(4);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const handles = [
      runner.submit(
        () => new Promise<void>((resolve) => setTimeout(resolve, 50)),
        { name: "quick enough" },
      ),
      runner.submit(untilAborted, { name: "stops when told" }),
      runner.submit(() => gate, { name: "never ends" }),
    ];
    let report: Awaited<ReturnType<AsyncRunner["shutdown"]>> | undefined;
    const ending = runner.shutdown({ timeout: 100, grace: 500 })
      .then((result) => report = result);
    for (let time = 0; time < 100; time += 25) await clock.tick(25);
    assertEquals(handles.map(({ state }) => state), [
      "succeeded",
      "cancelled",
      "cancelled",
    ]);
    assertEquals(report, undefined);
    await clock.tick(499);
    assertEquals(report, undefined);
    await clock.tick(1);
    assertEquals(report?.cancelled.map(({ name }) => name), [
      "stops when told",
      "never ends",
    ]);
    assertEquals(report?.unfinished.map(({ name }) => name), ["never ends"]);
    // The slot is its own until it ends.
    assertEquals(scheduler.running, 1);
    open();
    await ending;
    await clock.settle();
    assertEquals(scheduler.running, 0);
  });

  Deno.test(`shutdown() returns as soon as everything has ended, before its timeout (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    const handle = runner.submit(() => quiet());
    await runner.shutdown({ timeout: 60_000 });
    assertEquals(handle.state, "succeeded");
  });

  Deno.test(`shutdown() twice joins the first, and the more impatient call wins (${kind})`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const { runner } = make(2);
    const handle = runner.submit(untilAborted);
    await clock.settle();
    const patient = runner.shutdown({ timeout: 10_000 });
    const evenMorePatient = runner.shutdown();
    await clock.tick(100);
    assertEquals(handle.state, "running");
    const impatient = runner.shutdown({ timeout: 50 });
    await clock.tick(50);
    assertEquals(handle.state, "cancelled");
    const reports = await Promise.all([patient, evenMorePatient, impatient]);
    for (const report of reports) assertEquals(report, reports[0]);
    assertEquals(await runner.shutdown({ wait: false }), reports[0]);
  });

  Deno.test(`shutdown() from within a task ends by its timeout, and the task is told (${kind})`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const { runner } = make(2);
    const seen: unknown[] = [];
    const handle = runner.submit(async ({ signal }) => {
      const report = await runner.shutdown({ timeout: 10, grace: 20 });
      seen.push(signal.aborted, report.unfinished.map(({ name }) => name));
    }, { name: "ends everything" });
    await clock.tick(10);
    assertEquals(handle.state, "cancelled");
    await clock.tick(20);
    assertEquals(seen, [true, ["ends everything"]]);
  });

  Deno.test(`shutdown() from within a task that does not await it waits for that task (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    let ending: Promise<unknown> | undefined;
    let ended = false;
    const handle = runner.submit(async () => {
      ending = runner.shutdown();
      await quiet();
      ended = true;
      return "result";
    });
    assertEquals(await handle, "result");
    await ending;
    assert(ended);
  });

  Deno.test(`shutdown() waits for shielded work however long it takes, and for the task after it (${kind})`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const { runner } = make(2);
    const order: string[] = [];
    const sleep = (ms: number) =>
      new Promise<void>((resolve) => setTimeout(resolve, ms));
    runner.submit(async (context) => {
      try {
        await untilAborted(context);
      } finally {
        await context.shield(() => sleep(500));
        order.push("committed");
        await sleep(20);
        order.push("task has ended");
      }
    });
    await clock.settle();
    const ending = runner.shutdown({ wait: false, grace: 100 }).then(
      (report) => {
        order.push("shut down");
        return report;
      },
    );
    for (let time = 0; time < 600; time += 20) await clock.tick(20);
    assertEquals(order, ["committed", "task has ended", "shut down"]);
    assertEquals((await ending).unfinished, []);
  });

  Deno.test(`shutdown() waits for the shielded work of a child (${kind})`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const { runner } = make(3);
    const order: string[] = [];
    runner.submit(async (context) => {
      await context.submit(async (child) => {
        await child.shield(() =>
          new Promise<void>((resolve) => setTimeout(resolve, 3000))
        );
        order.push("child");
      });
    });
    await clock.settle();
    const ending = runner.shutdown({ wait: false, grace: 50 }).then(
      (report) => {
        order.push("shut down");
        return report;
      },
    );
    for (let time = 0; time < 3100; time += 100) await clock.tick(100);
    assertEquals(order, ["child", "shut down"]);
    assertEquals((await ending).unfinished, []);
  });

  Deno.test(`shutdown() lets an open scope go on: it is accepted work (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    const order: string[] = [];
    const scope = runner.scope(async (scope) => {
      await quiet();
      // Between two tasks nothing runs, and yet nothing is over.
      await scope.submit(() => order.push("task"));
      await quiet();
      await scope.submit(() => order.push("another"));
      await scope.scope((inner) => inner.submit(() => order.push("inner")));
      return "result";
    });
    await runner.shutdown();
    order.push("shut down");
    assertEquals(order, ["task", "another", "inner", "shut down"]);
    assertEquals(await scope, "result");
  });

  Deno.test(`shutdown() that cuts off cancels open scopes, their bodies included (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    const order: string[] = [];
    const scope = errorOf(runner.scope(async (scope) => {
      scope.defer(() => order.push("clean-up"));
      // Nothing runs: only the scope's signal can tell the body.
      await aborted(scope.signal);
      order.push("body");
      assertEquals(scope.submit(() => 1).state, "cancelled");
    }));
    await quiet();
    await runner.shutdown({ wait: false });
    order.push("shut down");
    assertEquals(order, ["body", "clean-up", "shut down"]);
    assertEquals((await scope as Error).name, "AbortError");
  });

  Deno.test(`await using waits for everything, and keeps the original error (${kind})`, async () => {
    await using _ = nothingLeft();
    const failure = new Error("original");
    let ended = false;
    let handle: TaskHandle<void> | undefined;
    const error = await errorOf((async () => {
      await using runner = make(2).runner;
      handle = runner.submit(async () => {
        await quiet();
        ended = true;
      });
      throw failure;
    })());
    assertStrictEquals(error, failure);
    assert(ended);
    assertEquals(handle?.state, "succeeded");
  });

  Deno.test(`shutdown() names wrong options, and ends nothing then (${kind})`, async () => {
    await using _ = nothingLeft();
    const { runner } = make(2);
    for (
      const [options, message] of [
        [{ timeout: -1 }, "timeout must be"],
        [{ timeout: NaN }, "timeout must be"],
        [{ grace: "1" }, "grace must be"],
        [{ wait: 1 }, "wait must be"],
      ] as const
    ) {
      const error = await errorOf(
        (async () => await runner.shutdown(options as object))(),
      );
      assertInstanceOf(error, Error);
      assert(error.message.startsWith(message), error.message);
    }
    assertEquals(await runner.submit(() => "still open"), "still open");
    await runner.shutdown();
  });
}

Deno.test("shutdown() of a runner that shares its scheduler leaves the tasks of others alone", async () => {
  await using scheduler = new TaskScheduler({ maxConcurrent: 4 });
  const one = new AsyncRunner({ scheduler });
  await using other = new AsyncRunner({ scheduler });
  await using _ = nothingLeft({ runner: [scheduler, one, other] });
  const { promise: gate, resolve: open } = Promise.withResolvers<string>();
  const others = [
    scheduler.submit(() => gate),
    other.submit(() => gate),
    other.scope((scope) => scope.submit(() => gate)),
  ];
  const mine = one.submit(untilAborted);
  await quiet();
  const { cancelled } = await one.shutdown({ wait: false });
  assertEquals(cancelled.map(({ id }) => id), [mine.id]);
  await one.onIdle();
  assertEquals(scheduler.running, 3);
  open("theirs");
  assertEquals(await Promise.all(others), ["theirs", "theirs", "theirs"]);
  assertEquals(await other.submit(() => 1), 1);
});

Deno.test("shutdown() of a shared scheduler ends the runners that share it", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 4 });
  const runner = new AsyncRunner({ scheduler });
  await using _ = nothingLeft({ runner: [scheduler, runner] });
  const scope = errorOf(runner.scope((scope) => aborted(scope.signal)));
  const gathered = errorOf(runner.gather([untilAborted]));
  await quiet();
  await scheduler.shutdown({ wait: false });
  assertEquals((await scope as Error).name, "AbortError");
  assertEquals((await gathered as Error).name, "AbortError");
  await assertRejects(() => runner.submit(() => 1), DisposedError);
  await assertRejects(() => runner.gather([() => 1]), DisposedError);
  await runner.shutdown();
});

Deno.test("onIdle() of a runner that shares its scheduler looks at its own tasks only, those of its scopes included", async () => {
  await using scheduler = new TaskScheduler({ maxConcurrent: 4 });
  await using runner = new AsyncRunner({ scheduler });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const theirs = scheduler.submit(() => gate);
  let ended = false;
  const scope = runner.scope((scope) => {
    scope.submit(async () => {
      await quiet();
      ended = true;
    });
  });
  await runner.onIdle();
  assert(ended);
  open();
  await Promise.all([theirs, scope]);
});

Deno.test("shutdown() of a paused runner lets its tasks finish", async () => {
  const runner = new AsyncRunner({ paused: true });
  await using _ = nothingLeft({ runner });
  const handle = runner.submit(() => 1);
  await quiet();
  assertEquals(handle.state, "queued");
  await runner.shutdown();
  assertEquals(await handle, 1);
});

Deno.test("shutdown() while an abort listener submits, cancels and shuts down again, ends everything", async () => {
  const runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const late: TaskHandle<unknown>[] = [];
  const again: Promise<unknown>[] = [];
  const handles: TaskHandle<unknown>[] = [];
  for (let index = 0; index < 6; index++) {
    handles.push(runner.submit((context: TaskContext) => {
      context.signal.addEventListener("abort", () => {
        late.push(runner.submit(() => 1), context.submit(() => 2));
        for (const handle of handles) handle.cancel();
        again.push(runner.shutdown({ wait: false }));
      });
      return untilAborted(context);
    }));
  }
  await quiet();
  const report = await runner.shutdown({ wait: false });
  assertEquals(report.unfinished, []);
  assertEquals(late.length, 6);
  for (const handle of late) assertInstanceOf(await errorOf(handle), Error);
  for (const result of await Promise.all(again)) assertEquals(result, report);
  for (const handle of handles) assertEquals(handle.state, "cancelled");
  assertEquals(runner.stats().running + runner.stats().queued, 0);
});
