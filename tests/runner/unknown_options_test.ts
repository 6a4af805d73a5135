/**
 * What takes options, and what it makes of those that it does not know.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  asyncBackground,
  asyncRun,
  AsyncRunner,
  asyncTimeout,
  type AsyncTimeoutOptions,
  ResourcePool,
  TaskPriority,
  TaskScheduler,
} from "../../runner/mod.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { testWith } from "../support/permissions.ts";
import { errorOf } from "../support/tasks.ts";

const task = () => 1;
const MODULE = "data:text/javascript,export const double = (n) => 2 * n;";

/** One call that takes options: what it is called, and what it takes. */
interface Taker {
  what: string;
  takes: string;
  /** What must be given beside the options that are looked at. */
  needs?: Record<string, unknown>;
  call: (options: never, runner: AsyncRunner) => unknown;
}

const SHARED = "aging, maxQueue, overflow, rateLimit, maxPerKey, adaptive, " +
  "paused, signal, observer, timeline, onStall";
const SUBMIT = "priority, timeout, deadline, signal, name, key, weight";
const BATCH = "priority, signal, timeout, deadline";

const takers: Taker[] = [
  {
    what: "TaskScheduler",
    takes: `maxConcurrent, ${SHARED}`,
    call: (options) => new TaskScheduler(options),
  },
  {
    what: "AsyncRunner",
    takes: `maxWorkers, timeout, priority, maxThreads, scheduler, ${SHARED}`,
    call: (options) => new AsyncRunner(options),
  },
  {
    what: "ResourcePool",
    takes: "maxResources, factory, minResources, cleanup, validate, " +
      "acquireTimeout, idleTimeout, maxLifetime, maxWaiting, " +
      "cleanupTimeout, trackLeaks, onError",
    needs: { maxResources: 1, factory: task },
    call: (options) => new ResourcePool(options),
  },
  {
    what: "acquire()",
    takes: "signal, timeout",
    call: async (options) => {
      const pool = new ResourcePool({ maxResources: 1, factory: task });
      (await pool.acquire(options)).release();
      await pool.close();
    },
  },
  {
    what: "acquire()",
    takes: "signal, timeout",
    call: (options) =>
      new ResourcePool({ maxResources: 1, factory: task })
        .use(() => {}, options),
  },
  {
    what: "close()",
    takes: "timeout",
    call: (options) =>
      new ResourcePool({ maxResources: 1, factory: task }).close(options),
  },
  {
    what: "gather()",
    takes: `${BATCH}, settled`,
    call: (options, runner) => runner.gather([task], options),
  },
  {
    what: "race()",
    takes: BATCH,
    call: (options, runner) => runner.race([task], options),
  },
  {
    what: "any()",
    takes: BATCH,
    call: (options, runner) => runner.any([task], options),
  },
  {
    what: "map()",
    takes: `${BATCH}, concurrency, ordered`,
    call: (options, runner) => runner.map([1], task, options),
  },
  {
    what: "scope()",
    takes: "signal, priority",
    call: (options, runner) => runner.scope(task, options),
  },
  {
    what: "scope()",
    takes: "signal, priority",
    call: (options, runner) =>
      runner.scope((scope) => scope.scope(task, options)),
  },
  {
    what: "offload()",
    takes: `${SUBMIT}, transfer`,
    call: async (options) => {
      await using runner = new AsyncRunner();
      await runner.offload(MODULE, "double", [2], options);
    },
  },
  {
    what: "shutdown()",
    takes: "wait, timeout, grace",
    call: (options) => new AsyncRunner().shutdown(options),
  },
  {
    what: "shutdown()",
    takes: "wait, timeout, grace",
    call: (options) => new TaskScheduler().shutdown(options),
  },
  {
    what: "asyncRun()",
    takes: "timeout, signal, handleSignals, gracePeriod",
    call: (options) => asyncRun(task, options),
  },
  {
    what: "asyncTimeout()",
    takes: "signal",
    call: (options) =>
      asyncTimeout(5, options as AsyncTimeoutOptions)[Symbol.dispose](),
  },
  {
    what: "asyncTimeout()",
    takes: "signal",
    call: (options) => asyncTimeout(5, task, options),
  },
  {
    what: "asyncBackground()",
    takes: `${SUBMIT}, onProgress, runner, onError`,
    call: (options, runner) =>
      asyncBackground(task, { runner, ...options as object }),
  },
];

const named = (name: string, value: unknown, needs: object = {}) =>
  ({ ...needs, [name]: value }) as never;

testWith(
  ["read"],
  "everything in runner/ but submit() refuses options that it does not know, and names those that it knows",
  async () => {
    await using runner = new AsyncRunner();
    await using _ = nothingLeft({ runner });
    for (const { what, takes, needs, call } of takers) {
      const error = await errorOf(
        (async () => await call(named("prioriti", 1, needs), runner))(),
      );
      assertEquals(
        String(error),
        `TypeError: ${what} has no option "prioriti"; it takes ${takes}`,
      );
      // What is left out is left out, whatever it is called.
      await call(named("prioriti", undefined, needs), runner);
    }
    assertEquals(await runner.submit(task, named("prioriti", 1)), 1);
  },
);

Deno.test("the options within an option of a scheduler are known by name, too", async () => {
  const report = () => {};
  for (
    const [name, given, takes] of [
      [
        "rateLimit",
        { limit: 1, interval: 1, spraed: true },
        "rateLimit.limit, rateLimit.interval, rateLimit.spread",
      ],
      ["adaptive", { spraed: 1 }, "adaptive.min, adaptive.max"],
      [
        "onStall",
        { after: 1, report, spraed: 1 },
        "onStall.after, onStall.report",
      ],
    ] as const
  ) {
    for (const Made of [TaskScheduler, AsyncRunner]) {
      await assertRejects(
        async () => await Promise.resolve(new Made({ [name]: given })),
        TypeError,
        `${name} has no option "${name}.spraed"; it takes ${takes}`,
      );
    }
  }
  // An observer may be of any class, and have more than is called.
  class Counting {
    count = 0;
    queued() {
      this.count++;
    }
  }
  const observer = new Counting();
  await using scheduler = new TaskScheduler({ observer });
  await scheduler.submit(task);
  assertEquals(observer.count, 1);
});

Deno.test("one wrong option has the same words wherever it is given", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const wrong = {
    priority: [9, "HIGH"],
    signal: [{}, new AbortController()],
    timeout: [-1, "5"],
    deadline: [NaN, "5"],
    name: [5],
    key: [{}],
    weight: [0],
    onProgress: [5],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const options = named(name, value);
      const expected = String(
        await errorOf((async () => await runner.submit(task, options))()),
      );
      for (const { takes, needs, call } of takers) {
        if (!takes.split(", ").includes(name)) continue;
        const error = await errorOf(
          (async () => await call(named(name, value, needs), runner))(),
        );
        assertEquals(String(error), expected);
      }
    }
  }
});

testWith(
  ["read"],
  "options may be frozen, and getters of a class",
  async () => {
    class Limits {
      get maxWorkers() {
        return 3;
      }
      get maxQueue() {
        return 7;
      }
      get timeout() {
        return undefined;
      }
    }
    await using runner = new AsyncRunner(new Limits());
    await using _ = nothingLeft({ runner });
    assertEquals(runner.maxWorkers, 3);
    const waiting = Array.from(
      { length: 10 },
      () => runner.submit(() => Promise.resolve()),
    );
    assertEquals(runner.isFull, true);
    await Promise.all(waiting);
    class Urgent {
      get priority() {
        return TaskPriority.HIGH;
      }
    }
    const priorityOf: (context: { priority: TaskPriority }) => TaskPriority = (
      { priority },
    ) => priority;
    const { HIGH } = TaskPriority;
    assertEquals(await runner.gather([priorityOf], new Urgent()), [HIGH]);
    assertEquals(await runner.race([priorityOf], new Urgent()), HIGH);
    assertEquals(
      await Array.fromAsync(
        runner.map([1], (_n, _i, context) => priorityOf(context), new Urgent()),
      ),
      [HIGH],
    );
    assertEquals(
      await runner.scope((outer) =>
        outer.scope((inner) => inner.submit(priorityOf), new Urgent())
      ),
      HIGH,
    );
    class InBackground extends Urgent {
      get runner() {
        return runner;
      }
    }
    assertEquals(await asyncBackground(priorityOf, new InBackground()), HIGH);
    await using other = new AsyncRunner();
    const handle = other.offload(MODULE, "double", [2], new Urgent());
    assertStrictEquals(handle.priority, HIGH);
    assertEquals([handle.name, await handle], ["double", 4]);
    class One {
      readonly #resource = "one";
      readonly maxResources = 1;
      readonly factory = () => this.#resource;
      get trackLeaks() {
        return true;
      }
    }
    await using pool = new ResourcePool(Object.freeze(new One()));
    await using lease = await pool.acquire(Object.freeze({ timeout: 5 }));
    assertEquals([lease.resource, pool.leases().length], ["one", 1]);
  },
);

Deno.test("AsyncRunner takes an option of a scheduler that is undefined beside a shared one", () => {
  const scheduler = new TaskScheduler();
  const runner = new AsyncRunner({
    scheduler,
    maxWorkers: undefined,
    maxQueue: undefined,
  });
  assertStrictEquals(runner.scheduler, scheduler);
});
