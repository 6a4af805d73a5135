/**
 * runner.map: laziness, bounds, order, failures, closing.
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
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  AsyncRunner,
  DisposedError,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { map } from "../../../runner/batch/map.ts";
import { coreOf } from "../../../runner/scheduler/scheduler.ts";
import { SchedulerHost } from "../../../runner/scheduler/scheduler_host.ts";
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

/** An endless source that counts how often it was read and closed. */
class Endless implements AsyncIterable<number> {
  read = 0;
  closed = 0;

  async *[Symbol.asyncIterator](): AsyncIterator<number> {
    try {
      for (;;) {
        await undefined;
        yield this.read++;
      }
    } finally {
      this.closed++;
    }
  }
}

/** An endless synchronous source. */
class EndlessSync implements Iterable<number> {
  read = 0;
  closed = 0;

  *[Symbol.iterator](): Iterator<number> {
    try {
      for (;;) yield this.read++;
    } finally {
      this.closed++;
    }
  }
}

for (const Source of [Endless, EndlessSync]) {
  for (const ordered of [true, false]) {
    const what = `${Source.name}, ordered: ${ordered}`;

    Deno.test(`map() closes an infinite source once after a break, having read at most concurrency + 1 ahead (${what})`, async () => {
      await using runner = new AsyncRunner({ maxWorkers: 4 });
      await using _ = nothingLeft({ runner });
      const source = new Source();
      let taken = 0;
      for await (
        const _ of runner.map(source, (n) => n, { concurrency: 3, ordered })
      ) {
        taken++;
        assert(source.read <= taken + 3 + 1, `${source.read} at ${taken}`);
        if (taken === 10) break;
      }
      // A read that was pending is not waited for: the source is closed when it wakes.
      await quiet();
      assertEquals(source.closed, 1);
      assert(source.read <= 14, `read ${source.read}`);
      assertEquals(runner.stats().running, 0);
    });

    Deno.test(`map() stops reading while its consumer is slow (${what})`, async () => {
      await using runner = new AsyncRunner({ maxWorkers: 4 });
      await using _ = nothingLeft({ runner });
      const source = new Source();
      const map = runner.map(source, (n) => n, { concurrency: 2, ordered });
      await map.next();
      await quiet();
      const { read } = source;
      assert(read <= 1 + 2 + 1, `read ${read}`);
      await flush(200);
      assertEquals(source.read, read);
      await map.return?.();
      assertEquals(source.closed, 1);
    });

    Deno.test(`map() cancels what is in work, awaits it and closes the source when a call fails (${what})`, async () => {
      await using runner = new AsyncRunner({ maxWorkers: 3 });
      await using _ = nothingLeft({ runner });
      const source = new Source();
      let ended = 0;
      const error = await errorOf((async () => {
        for await (
          const _ of runner.map(source, async (n, _, { signal }) => {
            if (n === 4) throw new Error("fifth");
            if (n < 4) return n;
            await aborted(signal);
            await quiet();
            ended++;
          }, { ordered })
        );
      })());
      assertEquals((error as Error).message, "fifth");
      assertEquals(source.closed, 1);
      assertEquals(runner.stats().running, 0);
      assert(ended <= 2);
    });

    Deno.test(`map() fails with the failure of a call, not with the cancelling of those that wait (${what})`, async () => {
      await using runner = new AsyncRunner({ maxWorkers: 1 });
      await using _ = nothingLeft({ runner });
      const error = await errorOf((async () => {
        for await (
          const _ of runner.map(new Source(), async (n) => {
            await quiet();
            throw new Error(`call ${n}`);
          }, { concurrency: 5, ordered })
        );
      })());
      assertEquals((error as Error).message, "call 0");
    });

    Deno.test(`map() ends with the reason of its signal, also while nothing is in work (${what})`, async () => {
      await using runner = new AsyncRunner({ maxWorkers: 2 });
      const controller = new AbortController();
      await using _ = nothingLeft({ runner, signals: [controller.signal] });
      const source = new Source();
      const map = runner.map(source, (n) => n, {
        ordered,
        signal: controller.signal,
      });
      assertEquals(await map.next(), { done: false, value: 0 });
      await quiet();
      const reason = new Error("enough");
      controller.abort(reason);
      await quiet();
      assertEquals(source.closed, 1);
      // What had been computed is still there in order; then comes the reason, once.
      const error = await errorOf((async () => {
        for await (const _ of { [Symbol.asyncIterator]: () => map });
      })());
      assertStrictEquals(error, reason);
      assertEquals(await map.next(), { done: true, value: undefined });
    });
  }
}

Deno.test("map() reads nothing before the first next()", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const source = new EndlessSync();
  const map = runner.map(source, (n) => n);
  await quiet();
  assertEquals(source.read, 0);
  assertEquals(await map.return?.(), { done: true, value: undefined });
  assertEquals(await map.next(), { done: true, value: undefined });
  assertEquals(source.read, 0);
});

Deno.test("map() gives results in order, or with ordered false as they end", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  for (const ordered of [true, false]) {
    const gates = new Map<string, () => void>();
    const results: string[] = [];
    const reading = (async () => {
      const map = runner.map(
        ["a", "b", "c"],
        (name) =>
          new Promise<string>((resolve) =>
            gates.set(name, () => resolve(name))
          ),
        { ordered },
      );
      for await (const name of map) results.push(name);
    })();
    await quiet();
    for (const name of ["b", "c", "a"]) {
      gates.get(name)?.();
      await quiet();
    }
    await reading;
    assertEquals(results, ordered ? ["a", "b", "c"] : ["b", "c", "a"]);
  }
});

Deno.test("map() in order still delivers what came before the element that failed", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const got: number[] = [];
  const error = await errorOf((async () => {
    for await (
      const n of runner.map([0, 1, 2, 3], async (n, _, { signal }) => {
        if (n === 2) throw new Error("third");
        if (n === 1) await flush(20);
        if (n > 2) await aborted(signal);
        return n;
      })
    ) got.push(n);
  })());
  assertEquals((error as Error).message, "third");
  assertEquals(got, [0, 1]);
});

Deno.test("map() fails with the error of a source that throws, after what runs has ended", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  let running = 0;
  async function* source(): AsyncGenerator<number> {
    yield 1;
    await undefined;
    throw new Error("source");
  }
  const error = await errorOf((async () => {
    for await (
      const _ of runner.map(source(), async (n) => {
        running++;
        await quiet();
        running--;
        return n;
      }, { ordered: false })
    );
  })());
  assertEquals((error as Error).message, "source");
  assertEquals(running, 0);
});

Deno.test("map() over a source that hangs ends when its signal aborts", async () => {
  await using runner = new AsyncRunner();
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  const hanging: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
  };
  const next = errorOf(
    runner.map(hanging, (n) => n, { signal: controller.signal }).next(),
  );
  await quiet();
  const reason = new Error("no more waiting");
  controller.abort(reason);
  assertStrictEquals(await next, reason);
});

Deno.test("map() with an aborted signal reads nothing", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const source = new EndlessSync();
  const reason = new Error("too late");
  const map = runner.map(source, (n) => n, {
    signal: AbortSignal.abort(reason),
  });
  assertStrictEquals(await errorOf(map.next()), reason);
  assertEquals(source.read, 0);
});

Deno.test("map() ends its calls when it is closed, and awaits them", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const order: string[] = [];
  async function use(): Promise<void> {
    await using map = runner.map([0, 1, 2], async (n, _, context) => {
      if (n === 0) return n;
      await aborted(context.signal);
      await quiet();
      order.push(`call ${n} has ended`);
    });
    await map.next();
    await quiet();
  }
  await use();
  order.push("closed");
  assertEquals(order.pop(), "closed");
  assertEquals(order.sort(), ["call 1 has ended", "call 2 has ended"]);
});

Deno.test("map() runs at most concurrency calls, and no more than the runner allows", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  for (const [concurrency, most] of [[2, 2], [3, 3], [10, 3]] as const) {
    const gauge = new Gauge();
    for await (
      const _ of runner.map(
        Array.from({ length: 20 }),
        gauge.watch(() => flush(2)),
        { concurrency },
      )
    );
    assertEquals(gauge.most, most);
  }
});

Deno.test("map() honours its priority", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const order: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = runner.submit(() => gate);
  await quiet();
  const normal = runner.submit(() => order.push("normal"));
  const next = runner.map(["urgent"], (name) => order.push(name), {
    priority: TaskPriority.HIGH,
  }).next();
  open();
  await Promise.all([holder, normal, next]);
  assertEquals(order, ["urgent", "normal"]);
});

Deno.test("map() waits for room in a bounded queue, and a break meanwhile closes the source at once", async () => {
  await using runner = new AsyncRunner({
    maxWorkers: 1,
    maxQueue: 1,
    overflow: "reject",
  });
  await using _ = nothingLeft({ runner });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const others = [runner.submit(() => gate), runner.submit(() => {})];
  await quiet();
  const source = new EndlessSync();
  const map = runner.map(source, (n) => n);
  const next = map.next();
  await quiet();
  assertEquals(source.read, 0);
  await map.return?.();
  assertEquals((await next).done, true);
  open();
  await Promise.all(others);
  const results: number[] = [];
  for await (
    const n of runner.map([1, 2, 3, 4], async (n) => {
      await flush(2);
      return n;
    }, { concurrency: 4 })
  ) results.push(n);
  assertEquals(results, [1, 2, 3, 4]);
  assertEquals(source.read, 0);
});

Deno.test("map() gives nothing more once its runner has been shut down", async () => {
  const runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const source = new EndlessSync();
  let calls = 0;
  const map = runner.map(source, () => ++calls, { concurrency: 1 });
  await map.next();
  await runner.shutdown();
  const callsAtShutdown = calls;
  const error = await errorOf((async () => {
    for (;;) await map.next();
  })());
  assertInstanceOf(error, Error);
  assertStringIncludes(error.message, "shut down");
  assertEquals(calls, callsAtShutdown);
  assertEquals(source.closed, 1);
});

Deno.test("map() cut off by a shutdown fails with its reason and starts nothing more", async () => {
  const runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  const source = new Endless();
  const next = errorOf(
    runner.map(source, (_n, _i, context) => untilAborted(context)).next(),
  );
  await quiet();
  const report = await runner.shutdown({ timeout: 0 });
  assertEquals(report.unfinished, []);
  assertInstanceOf(await next, DOMException);
  assertEquals(runner.stats().running + runner.stats().queued, 0);
});

Deno.test("map() that is first read after a shutdown reads nothing and is refused", async () => {
  const runner = new AsyncRunner();
  const source = new EndlessSync();
  const map = runner.map(source, (n) => n);
  await runner.shutdown();
  assertInstanceOf(await errorOf(map.next()), DisposedError);
  assertEquals(source.read, 0);
});

Deno.test("map() that is left tells the observer of what its calls throw then, not of their cancelling", async () => {
  const late: unknown[] = [];
  await using runner = new AsyncRunner({
    maxWorkers: 3,
    observer: { ended: (_task, error) => error && late.push(error) },
  });
  const failure = new Error("clean-up");
  const map = runner.map([0, 1, 2], async (n, _, context) => {
    if (n === 0) return n;
    if (n === 1) await untilAborted(context);
    await aborted(context.signal);
    throw failure;
  });
  await map.next();
  await map.return?.();
  assertEquals(late, [failure]);
});

Deno.test("map() in order fails as the first in order does, and tells of what failed behind it", async () => {
  for (const observer of [undefined, { settled() {} }]) {
    using clock = new FakeClock();
    using printed = new CapturedConsole();
    await later(clock);
    await using runner = new AsyncRunner({ observer });
    const result = errorOf(
      runner.map([0, 1, 2], async function read(n, _, context) {
        if (n === 2) return await untilAborted(context);
        if (n === 0) await flush(20);
        throw new RangeError(`call ${n}`);
      }).next(),
    );
    await clock.tick();
    assertEquals((await result as Error).message, "call 0");
    // An observer has heard of it as it hears of every outcome.
    assertEquals(
      printed.take(),
      observer === undefined
        ? ["Late failure of task read: RangeError: call 1"]
        : [],
    );
  }
});

Deno.test("map() that is left before a failure was delivered tells of that", async () => {
  using clock = new FakeClock();
  using printed = new CapturedConsole();
  await later(clock);
  await using runner = new AsyncRunner();
  const map = runner.map([0, 1], async function read(n, _, context) {
    if (n === 0) return await untilAborted(context);
    throw new RangeError("call 1");
  });
  const next = map.next();
  await clock.tick();
  const left = map.return?.();
  await clock.tick();
  await left;
  assertEquals((await next).done, true);
  assertEquals(printed.take(), [
    "Late failure of task read: RangeError: call 1",
  ]);
});

Deno.test("map() delivers the result of a call that has ended within its own submit", async () => {
  let isFirst = true;
  await using runner = new AsyncRunner({
    maxQueue: 1,
    overflow: "reject",
    observer: {
      // The queue has reached its bound: what may start does, within this submit.
      queued: () => {
        if (isFirst) {
          isFirst = false;
          runner.submit(() => {});
        }
      },
    },
  });
  const results: number[] = [];
  const reading = (async () => {
    for await (const n of runner.map([1, 2], (n) => n)) results.push(n);
  })();
  await quiet();
  assertEquals(results, [1, 2]);
  await reading;
});

Deno.test("map() whose host refuses a task fails, and is held by nobody", async () => {
  await using scheduler = new TaskScheduler({ maxConcurrent: 2 });
  const core = coreOf(scheduler);
  const refusal = new TypeError("no task of mine");
  class Refusing extends SchedulerHost {
    override submitJob(): void {
      throw refusal;
    }
  }
  const host = new Refusing(core, undefined, undefined);
  const results = map(host, [1, 2], (n) => n, {});
  assertStrictEquals(await errorOf(results.next()), refusal);
  assertEquals(core.followers.size, 0);
  assertEquals(scheduler.size + scheduler.running, 0);
});

Deno.test("map() applies its deadline to every call, however late it begins", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const begun: number[] = [];
  const results = runner.map([1, 2, 3], async (n, _index, { signal }) => {
    begun.push(n);
    if (n === 2) await aborted(signal);
    return n;
  }, { deadline: performance.now() + 100 });
  assertEquals((await results.next()).value, 1);
  const second = errorOf(results.next());
  await clock.tick(99);
  assertEquals(runner.stats().running, 1);
  await clock.tick(1);
  assertEquals((await second as Error).name, "TimeoutError");
  assertEquals(begun, [1, 2]);
});

Deno.test("map() names a wrong argument", async () => {
  await using runner = new AsyncRunner();
  assertThrows(
    () => runner.map([1], 5 as unknown as () => void),
    TypeError,
    "fn must be a function, got 5",
  );
  assertThrows(
    () => runner.map([1], () => 1, { concurrency: 0 }),
    RangeError,
    "concurrency must be a positive integer or Infinity, got 0",
  );
  assertThrows(
    () => runner.map([1], () => 1, { priority: 9 as TaskPriority }),
    RangeError,
    "priority must be a TaskPriority",
  );
  const shut = new AsyncRunner();
  await shut.shutdown();
  assertThrows(() => shut.map([1], () => 1), Error, "after shutdown");
});

Deno.test("map() of an endless source leaves nothing behind, however often it fails", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  for (let round = 0; round < 200; round++) {
    await assertRejects(
      () =>
        runner.map(new EndlessSync(), () => {
          throw new Error("at once");
        }, { concurrency: 100 }).next(),
      Error,
      "at once",
    );
  }
  assertEquals(runner.stats().queued + runner.stats().running, 0);
});

Deno.test("map() gives what Array.map gives, under any limits and any order of ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          value: fc.integer(),
          turns: fc.nat({ max: 8 }),
          fails: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
        }),
        { maxLength: 30 },
      ),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      fc.boolean(),
      async (plan, maxWorkers, concurrency, ordered, asynchronous) => {
        await using runner = new AsyncRunner({ maxWorkers });
        await using _ = nothingLeft({ runner });
        const gauge = new Gauge();
        async function* later(): AsyncGenerator<typeof plan[number]> {
          for (const step of plan) {
            await flush(step.turns % 3);
            yield step;
          }
        }
        const results: number[] = [];
        const error = await errorOf((async () => {
          for await (
            const result of runner.map(
              asynchronous ? later() : plan,
              gauge.watch(async ({ value, turns, fails }, index) => {
                assertStrictEquals(plan[index]?.value, value);
                await flush(turns);
                if (fails) throw new RangeError("planned");
                return value;
              }),
              { concurrency, ordered },
            )
          ) results.push(result);
        })());
        const expected = plan.map(({ value }) => value);
        const firstFailure = plan.findIndex(({ fails }) => fails);
        if (firstFailure === -1) {
          assertEquals(error, undefined);
          if (!ordered) results.sort((a, b) => a - b);
          assertEquals(
            results,
            ordered ? expected : expected.sort((a, b) => a - b),
          );
        } else {
          assertInstanceOf(error, RangeError);
          // In order: all that came before the first failure.
          if (ordered) assertEquals(results, expected.slice(0, firstFailure));
        }
        assert(gauge.most <= Math.min(maxWorkers, concurrency));
        assertEquals(gauge.now, 0);
        assertEquals(runner.stats().running + runner.stats().queued, 0);
      },
    ),
    { numRuns: 150, seed: 14 },
  );
});

Deno.test("map() lends the slot of a call to the children that it awaits", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const results: number[] = [];
  for await (
    const n of runner.map(
      [1, 2, 3],
      async (n, _, context) =>
        await context.submit(async (child) => await child.submit(() => n * 2)),
      { concurrency: 3 },
    )
  ) results.push(n);
  assertEquals(results, [2, 4, 6]);
  assertEquals(runner.stats().running, 0);
});

Deno.test("map() without concurrency follows maxWorkers as it changes", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const ends: (() => void)[] = [];
  let running = 0;
  const results = runner.map(
    Array.from({ length: 9 }, (_, index) => index),
    async (value) => {
      running++;
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
      return value;
    },
  );
  // Nothing was read yet, and a change does not begin to.
  runner.maxWorkers = 1;
  await quiet();
  assertEquals(ends.length, 0);
  runner.maxWorkers = 2;
  const collected = Array.fromAsync(results);
  await quiet();
  assertEquals(running, 2);
  // Raised while all of them are at work: further ones start at once.
  runner.maxWorkers = 4;
  await quiet();
  assertEquals(running, 4);
  // Lowered: as they end, no other starts until fewer are left.
  runner.maxWorkers = 1;
  for (const end of ends.splice(0, 3)) end();
  await quiet();
  assertEquals([running, runner.scheduler.size], [1, 0]);
  runner.maxWorkers = 3;
  while (ends.length > 0) {
    ends.shift()?.();
    await quiet();
  }
  assertEquals(await collected, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  // The scheduler knows it no longer.
  assertEquals(coreOf(runner.scheduler).followers.size, 0);
});

Deno.test("map() without concurrency follows an adaptive limit", async () => {
  using clock = new FakeClock();
  const runner = new AsyncRunner({
    maxWorkers: 2,
    adaptive: { min: 1, max: 20 },
  });
  const gauge = new Gauge();
  const collected = Array.fromAsync(
    runner.map(
      Array.from({ length: 600 }),
      gauge.watch(() =>
        new Promise<void>((resolve) => setTimeout(resolve, 10))
      ),
    ),
  );
  while (gauge.total < 600) await clock.tick(10);
  await clock.tick(10);
  await collected;
  assert(gauge.most > 4, `${gauge.most} at once`);
  assert(gauge.most <= 20, `${gauge.most} at once`);
});

Deno.test("map() with a concurrency of its own keeps to it when maxWorkers is raised", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const gauge = new Gauge();
  const results = Array.fromAsync(
    runner.map([1, 2, 3, 4, 5, 6], gauge.watch(() => quiet()), {
      concurrency: 2,
    }),
  );
  await quiet();
  runner.maxWorkers = 6;
  await results;
  assertEquals(gauge.most, 2);
});
