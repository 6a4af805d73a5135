/**
 * What a task does with its context: children and the slots that are lent to them, progress,
 * shielded work, and the watchdog for schedulers that are stuck.
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
  type StallReport,
  type TaskContext,
  type TaskHandle,
  TaskPriority,
} from "../../../runner/mod.ts";
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

/** No slot is taken and nothing waits, and the next task runs. */
async function assertWhole(runner: AsyncRunner): Promise<void> {
  assertEquals(runner.stats().running, 0);
  assertEquals(runner.stats().queued, 0);
  const gauge = new Gauge();
  await runner.gather(
    Array.from(
      { length: 3 * runner.maxWorkers },
      () => gauge.watch(() => quiet()),
    ),
  );
  assertEquals(gauge.most, runner.maxWorkers);
}

// --- Children and lent slots ------------------------------------------------------------------

Deno.test("context.submit() 1,000 deep with maxWorkers 1 finishes", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const depth = async (context: TaskContext, left: number): Promise<number> =>
    left === 0
      ? 0
      : 1 + await context.submit((child) => depth(child, left - 1));
  assertEquals(await runner.submit((context) => depth(context, 1000)), 1000);
  await assertWhole(runner);
});

Deno.test("context.submit() 10,000 deep is cancelled without a stack overflow, and all of it ends", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  let open = 0;
  let deepest = false;
  const depth = async (context: TaskContext, left: number): Promise<void> => {
    open++;
    try {
      if (left > 0) {
        await context.submit((child) => depth(child, left - 1));
      } else {
        deepest = true;
        await untilAborted(context);
      }
    } finally {
      open--;
    }
  };
  const handle = runner.submit((context) => depth(context, 10_000));
  while (!deepest) await new Promise((resolve) => setTimeout(resolve, 1));
  const reason = new Error("enough");
  handle.cancel(reason);
  assertStrictEquals(await errorOf(handle), reason);
  await runner.onIdle();
  assertEquals(open, 0);
  await assertWhole(runner);
});

Deno.test("context.submit() of a tree, where siblings each await their children, finishes with any number of workers", async () => {
  for (const maxWorkers of [1, 2, 3, 7]) {
    await using runner = new AsyncRunner({ maxWorkers });
    const sum = async (
      context: TaskContext,
      level: number,
    ): Promise<number> => {
      if (level === 0) {
        await flush(2);
        return 1;
      }
      const children = Array.from(
        { length: 3 },
        () => context.submit((child) => sum(child, level - 1)),
      );
      return (await Promise.all(children)).reduce((a, b) => a + b, 0);
    };
    const roots = await runner.gather(
      Array.from(
        { length: 4 },
        () => (context: TaskContext) => sum(context, 4),
      ),
    );
    assertEquals(roots, [81, 81, 81, 81]);
    await assertWhole(runner);
  }
});

Deno.test("context.submit() lends a slot to one child at a time: the limit holds for what really works", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const gauge = new Gauge();
  await runner.gather(
    Array.from({ length: 3 }, () => async (context: TaskContext) => {
      await Promise.all(
        Array.from(
          { length: 5 },
          () => context.submit(gauge.watch(() => flush(3))),
        ),
      );
    }),
  );
  assert(gauge.most <= 2, `${gauge.most} at once`);
  assertEquals(gauge.total, 15);
  await assertWhole(runner);
});

for (
  const [how, wait] of Object.entries<
    (children: TaskHandle<number>[]) => PromiseLike<unknown>
  >({
    "await": async (children) => {
      for (const child of children) await child;
    },
    "Promise.all": (children) => Promise.all(children),
    "Promise.allSettled": (children) => Promise.allSettled(children),
    "Promise.race": (children) => Promise.race(children),
    "then": (children) =>
      new Promise((resolve) => {
        let left = children.length;
        for (const child of children) child.then(() => --left || resolve(left));
      }),
    "finally": (children) =>
      children.reduce<Promise<unknown>>(
        (last, child) => last.then(() => child.finally(() => {})),
        Promise.resolve(),
      ),
    "returning it": (children) => children[0] as PromiseLike<unknown>,
  })
) {
  Deno.test(`context.submit() lends the slot however the children are awaited: ${how}`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    await runner.submit((context) =>
      wait([1, 2, 3].map((n) => context.submit(() => n)))
    );
    await assertWhole(runner);
  });
}

Deno.test("context.submit() gives a promise that chains like any other", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  assertEquals(
    await runner.submit(async (context) => {
      const child = context.submit(() => 1);
      assertInstanceOf(child, Promise);
      const plain = child.then((n) => n + 1);
      assertEquals(
        await context.submit(() => Promise.reject(new Error("x"))).catch((
          error,
        ) => error.message),
        "x",
      );
      return await plain;
    }),
    2,
  );
});

Deno.test("context.submit() cancels the children with the reason that cancels the parent", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const reasons: unknown[] = [];
  const handles: TaskHandle<unknown>[] = [];
  const parent = runner.submit(async (context) => {
    handles.push(
      context.submit(async ({ signal }) => {
        await aborted(signal);
        reasons.push(signal.reason);
      }),
      // Waits: two slots are taken by parent and child, the third by another.
      context.submit(untilAborted),
      context.submit(untilAborted),
    );
    await Promise.all(handles);
  });
  await quiet();
  const reason = new Error("the whole family");
  parent.cancel(reason);
  assertEquals(handles.map(({ state }) => state), [
    "cancelled",
    "cancelled",
    "cancelled",
  ]);
  for (const handle of [parent, ...handles]) {
    assertStrictEquals(await errorOf(handle), reason);
  }
  await runner.onIdle();
  assertEquals(reasons, [reason]);
  await assertWhole(runner);
});

Deno.test("context.submit() cancels the children with the parent's TimeoutError", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  let child: TaskHandle<unknown> | undefined;
  const parent = errorOf(runner.submit(async (context) => {
    child = context.submit(untilAborted);
    await child;
  }, { timeout: 50 }));
  await clock.tick(50);
  const error = await parent;
  assertEquals((error as Error).name, "TimeoutError");
  assert(child !== undefined);
  assertStrictEquals(await errorOf(child), error);
});

Deno.test("context.submit() lets no child outlive its parent: the parent ends when they have", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await using _ = nothingLeft({ runner });
  const order: string[] = [];
  const started = Promise.withResolvers<string>();
  const parent = runner.submit((context) => {
    context.submit(async ({ signal }) => {
      started.resolve("result");
      await aborted(signal);
      await quiet();
      order.push("child");
    });
    context.submit(() => order.push("never starts"), {
      priority: TaskPriority.BACKGROUND,
    });
    return started.promise;
  });
  parent.then(() => order.push("parent"));
  const other = await runner.submit(() => "other");
  assertEquals([await parent, other], ["result", "other"]);
  await quiet();
  assertEquals(order.filter((what) => what !== "never starts"), [
    "child",
    "parent",
  ]);
  await assertWhole(runner);
});

Deno.test("context.submit() in a task that has ended or was cancelled is refused", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  let kept: TaskContext | undefined;
  await runner.submit((context) => {
    kept = context;
  });
  assert(kept !== undefined);
  const late = kept.submit(() => 1);
  assertEquals(late.state, "cancelled");
  assertStringIncludes((await errorOf(late) as Error).message, "has ended");
  const reason = new Error("cancelled");
  const inCancelled: TaskHandle<unknown>[] = [];
  const parent = runner.submit(async (context) => {
    await aborted(context.signal);
    inCancelled.push(context.submit(() => 1));
  });
  await quiet();
  parent.cancel(reason);
  await runner.onIdle();
  assertEquals(inCancelled.length, 1);
  assertStrictEquals(await errorOf(inCancelled[0]!), reason);
});

Deno.test("context.submit() inherits the priority and takes its own options", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  await runner.submit(async (context) => {
    const child = context.submit(({ priority, name }) => [priority, name], {
      name: "the child",
    });
    assertEquals(await child, [TaskPriority.HIGH, "the child"]);
    const low = context.submit(() => {}, { priority: TaskPriority.LOW });
    assertEquals(low.priority, TaskPriority.LOW);
    await low;
    assertThrows(
      () => context.submit(() => {}, { weight: 2 }),
      RangeError,
      "weight must not be above that of the parent task (1)",
    );
    assertThrows(
      () => context.submit(5 as unknown as () => void),
      TypeError,
      "task must be a function",
    );
  }, { priority: TaskPriority.HIGH });
});

Deno.test("context.submit() of heavy tasks lends all their slots", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3 });
  const results = await runner.gather(
    Array.from({ length: 4 }, (_, index) => async (context: TaskContext) => {
      const children = [1, 1, 1].map((weight) =>
        context.submit(() => flush(3).then(() => index), { weight })
      );
      return (await Promise.all(children)).length;
    }),
  );
  assertEquals(results, [3, 3, 3, 3]);
  const heavy = runner.submit(
    async (context) =>
      await context.submit(
        async (child) => await child.submit(() => "deep", { weight: 3 }),
        { weight: 3 },
      ),
    {
      weight: 3,
    },
  );
  assertEquals(await heavy, "deep");
  await assertWhole(runner);
});

Deno.test("context.submit() with the key of its parent runs in the parent's place", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 4, maxPerKey: 1 });
  const deep = async (context: TaskContext, left: number): Promise<number> =>
    left === 0 ? 0 : 1 +
      await context.submit((child) => deep(child, left - 1), { key: "k" });
  const [one, other] = await Promise.all([
    runner.submit((context) => deep(context, 20), { key: "k" }),
    runner.submit((context) => deep(context, 20), { key: "k" }),
  ]);
  assertEquals([one, other], [20, 20]);
  // The key has its one place again, and only that.
  const gauge = new Gauge();
  await Promise.all(
    Array.from(
      { length: 5 },
      () => runner.submit(gauge.watch(() => flush(3)), { key: "k" }),
    ),
  );
  assertEquals(gauge.most, 1);
  await assertWhole(runner);
});

Deno.test("context.submit() lends the place of a key to one at a time, however many await it", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 5, maxPerKey: 1 });
  const gauge = new Gauge();
  const leaf = gauge.watch(() => quiet());
  await runner.submit(async (context) => {
    await Promise.all(
      Array.from(
        { length: 3 },
        () =>
          context.submit(async (inner) => {
            await inner.submit(leaf, { key: "k" });
          }),
      ),
    );
  }, { key: "k" });
  assertEquals(gauge.most, 1);
  await assertWhole(runner);
});

Deno.test("context.submit() lends the place of a key only while the task awaits the child, or what awaits it", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 5, maxPerKey: 1 });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  let leafStarted = false;
  const handle = runner.submit(async (context) => {
    const middle = context.submit(async (inner) => {
      await inner.submit(() => {
        leafStarted = true;
      }, { key: "k" });
    });
    // At work: its place is not free.
    await gate;
    assertEquals(leafStarted, false);
    assertEquals(middle.state, "running");
    await middle;
  }, { key: "k" });
  await quiet();
  assertEquals(leafStarted, false);
  open();
  await handle;
  assertEquals(leafStarted, true);
  await assertWhole(runner);
});

Deno.test("context.submit() lends every slot that can be lent when one end makes room for several children", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2, maxPerKey: 1 });
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const held = (name: string) => () => {
    started.push(name);
    return new Promise<void>((resolve) => ends.set(name, resolve));
  };
  const one = runner.submit(async ({ submit }) => {
    await Promise.all([
      submit(held("keyed"), { key: "k" }),
      submit(held("plain")),
    ]);
  });
  const other = runner.submit(async ({ submit }) => {
    await submit(held("keyed too"), { key: "k" });
  });
  await quiet();
  assertEquals(started, ["keyed"]);
  // Its end frees the slot of its parent, and the place of the key.
  ends.get("keyed")?.();
  await quiet();
  assertEquals(started.sort(), ["keyed", "keyed too", "plain"]);
  for (const end of ends.values()) end();
  await Promise.all([one, other]);
  await assertWhole(runner);
});

Deno.test("context.submit() lends the slot to a child behind one whose key has no free place", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2, maxPerKey: 1 });
  const result = runner.submit(async ({ submit }) => {
    // In the other slot, with the place of the key: it ends only when the last child has.
    const holder = submit(async () => {
      await flush(3);
      return await last;
    }, { key: "k" });
    const behind = submit(() => "behind", { key: "k" });
    const last = submit(() => "last");
    return await Promise.all([holder, behind, last]);
  });
  await quiet();
  assertEquals(result.state, "succeeded");
  assertEquals(await result, ["last", "behind", "last"]);
  await assertWhole(runner);
});

Deno.test("context.submit() lends the slot to the children of a key in their order, once it has a place", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2, maxPerKey: 1 });
  await using _ = nothingLeft({ runner });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = runner.submit(() => gate, { key: "k" });
  const started: string[] = [];
  const parent = runner.submit(async ({ submit }) => {
    const child = (name: string, key?: string) =>
      submit(() => void started.push(name), { key });
    const children = [
      child("a", "k"),
      child("b", "k"),
      child("c"),
      child("d", "k"),
      child("e"),
    ];
    children[1]?.cancel();
    await Promise.allSettled(children);
  });
  await quiet();
  assertEquals(started, ["c", "e"]);
  open();
  await Promise.all([holder, parent]);
  assertEquals(started, ["c", "e", "a", "d"]);
  await assertWhole(runner);
});

Deno.test("a child whose slot is lent and who ignores its signal keeps the slot until it ends", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const parent = runner.submit(async (context) =>
    await context.submit(() => gate)
  );
  await quiet();
  parent.cancel();
  await errorOf(parent);
  let started = false;
  const next = runner.submit(() => {
    started = true;
  });
  await quiet();
  assert(!started);
  open();
  await next;
  await assertWhole(runner);
});

/** What a task does: works, then has children and awaits them or not. */
interface Plan {
  turns: number;
  weight: number;
  key: string | undefined;
  fails: boolean;
  awaits: "all" | "one by one" | "none";
  children: Plan[];
}

const plan = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.record({
    turns: fc.nat({ max: 5 }),
    weight: fc.integer({ min: 1, max: 3 }),
    key: fc.constantFrom("a", "b", undefined),
    fails: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    awaits: fc.constantFrom("all", "one by one", "none"),
    children: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.constant<Plan[]>([]),
      fc.array(tie("plan"), { maxLength: 3 }),
    ),
  }),
})).plan;

Deno.test("context.submit() in random families: the limit holds, nothing hangs, every slot and place comes back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat()), { maxLength: 3 }),
      fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
      async (roots, cancels, maxPerKey) => {
        // Time stands still, so that a busy machine holds no task back for timers.
        using _clock = new FakeClock();
        const limit = 3;
        await using runner = new AsyncRunner({ maxWorkers: limit, maxPerKey });
        await using _ = nothingLeft({ runner });
        const handles: TaskHandle<unknown>[] = [];
        let working = 0;
        let active = 0;
        const ofKey = new Map<string | undefined, number>();
        const broken: string[] = [];

        const run = async (context: TaskContext, own: Plan): Promise<void> => {
          active++;
          try {
            working += own.weight;
            // Noted, not thrown: what a task throws here is its outcome.
            if (working > limit) broken.push(`${working} slots at work`);
            const alike = (ofKey.get(own.key) ?? 0) + 1;
            ofKey.set(own.key, alike);
            if (own.key !== undefined && alike > (maxPerKey ?? limit)) {
              broken.push(`${alike} of key ${own.key} at work`);
            }
            try {
              await flush(own.turns);
            } finally {
              working -= own.weight;
              ofKey.set(own.key, (ofKey.get(own.key) ?? 0) - 1);
            }
            if (own.fails) throw new Error("planned");
            const children = own.children.map((child) => {
              const weight = Math.min(child.weight, own.weight);
              const handle = context.submit(
                (inner) => run(inner, { ...child, weight }),
                { weight, key: child.key },
              );
              handles.push(handle);
              return handle;
            });
            if (own.awaits === "all") await Promise.allSettled(children);
            if (own.awaits === "one by one") {
              for (const child of children) await errorOf(child);
            }
            if (own.awaits === "none") {
              for (const child of children) child.catch(() => {});
              await flush(2);
            }
          } finally {
            active--;
          }
        };

        for (const root of roots) {
          handles.push(
            runner.submit((context) => run(context, root), {
              weight: root.weight,
              key: root.key,
            }),
          );
        }
        const outcomes = roots.map((_, index) => errorOf(handles[index]!));
        for (const [turns, which] of cancels) {
          await flush(turns);
          handles[which % handles.length]?.cancel();
        }
        await Promise.all(outcomes);
        await runner.onIdle();
        assertEquals([active, working], [0, 0]);
        assertEquals(broken, []);
        for (const handle of handles) {
          assert(handle.state !== "queued" && handle.state !== "running");
        }
        for (const key of ["a", "b"]) {
          const gauge = new Gauge();
          await Promise.all(
            // Long enough that they overlap, whenever the scheduler lets the event loop turn.
            Array.from(
              { length: 4 },
              () => runner.submit(gauge.watch(() => quiet()), { key }),
            ),
          );
          assertEquals(gauge.most, Math.min(maxPerKey ?? limit, limit));
        }
        await assertWhole(runner);
      },
    ),
    { numRuns: 200, seed: 16 },
  );
});

// --- Progress ---------------------------------------------------------------------------------

Deno.test("context.progress() reaches onProgress while the task runs, and not after its end", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const seen: unknown[] = [];
  let kept: TaskContext | undefined;
  const handle = runner.submit(async (context) => {
    kept = context;
    context.progress(0.5);
    await quiet();
    context.progress({ done: 1 });
  }, { onProgress: (value) => seen.push(value) });
  await handle;
  kept?.progress("late");
  assertEquals(seen, [0.5, { done: 1 }]);
  const cancelled = runner.submit(async (context) => {
    await aborted(context.signal);
    context.progress("after the cancel");
  }, { onProgress: (value) => seen.push(value) });
  await quiet();
  cancelled.cancel();
  await runner.onIdle();
  assertEquals(seen.length, 2);
  await runner.submit((context) => context.progress("nobody listens"));
});

Deno.test("context.progress() survives an onProgress that throws", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const { error: print } = console;
  const printed: unknown[][] = [];
  console.error = (...what) => printed.push(what);
  try {
    assertEquals(
      await runner.submit((context) => {
        context.progress(1);
        return "went on";
      }, {
        name: "watched",
        onProgress: () => {
          throw new Error("display is broken");
        },
      }),
      "went on",
    );
  } finally {
    console.error = print;
  }
  assertEquals(printed.length, 1);
  assertStringIncludes(String(printed[0]?.[0]), "watched");
});

// --- Shielded work ----------------------------------------------------------------------------

Deno.test("context.shield() finishes after a cancel, and keeps the slot until then", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const order: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const handle = runner.submit(async (context) => {
    await context.shield(async (signal) => {
      await gate;
      assert(!signal.aborted);
      order.push("committed");
    });
  });
  await quiet();
  handle.cancel();
  assertEquals(handle.state, "cancelled");
  const next = runner.submit(() => order.push("next"));
  await quiet();
  assertEquals(order, []);
  open();
  await next;
  assertEquals(order, ["committed", "next"]);
});

Deno.test("context.shield() that the task does not await keeps the slot all the same", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const order: string[] = [];
  await runner.submit((context) => {
    context.shield(async () => {
      await quiet();
      order.push("shielded");
    });
  });
  await runner.submit(() => order.push("next"));
  assertEquals(order, ["shielded", "next"]);
});

Deno.test("context.shield() gives the result and the error of its function", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  assertEquals(await runner.submit((context) => context.shield(() => 5)), 5);
  await assertRejects(
    () =>
      runner.submit((context) =>
        context.shield(() => {
          throw new RangeError("shielded");
        })
      ),
    RangeError,
    "shielded",
  );
});

// --- Deadlines inside each other ----------------------------------------------------------------

for (const [inner, outer] of [[50, 100], [100, 50]] as const) {
  Deno.test(`nested deadlines: the earlier one wins (child ${inner} ms, parent ${outer} ms)`, async () => {
    using clock = new FakeClock();
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    await using _ = nothingLeft({ runner });
    const start = performance.now();
    const ends: Record<string, number> = {};
    const end = (name: string) => () => {
      ends[name] ??= performance.now() - start;
    };
    const parent = runner.submit(async (context) => {
      const child = context.submit(untilAborted, {
        name: "child",
        deadline: start + inner,
      });
      child.catch(end("child"));
      await errorOf(child);
      await untilAborted(context);
    }, { name: "parent", deadline: start + outer });
    parent.catch(end("parent"));
    for (let time = 0; time < 120; time += 10) await clock.tick(10);
    assertEquals(ends, { child: Math.min(inner, outer), parent: outer });
    const error = await errorOf(parent);
    assertEquals((error as Error).name, "TimeoutError");
    assertStringIncludes((error as Error).message, "parent");
  });
}

Deno.test("a deadline and a timeout: the earlier one wins, and the message names it", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  for (
    const [timeout, deadline, named] of [
      [30, 60, "timeout of 30 ms"],
      [60, 30, "deadline"],
    ] as const
  ) {
    const result = errorOf(runner.submit(untilAborted, {
      timeout,
      deadline: performance.now() + deadline,
    }));
    await clock.tick(30);
    const error = await result;
    assertEquals((error as Error).name, "TimeoutError");
    assertStringIncludes((error as Error).message, named);
  }
});

// --- The watchdog -----------------------------------------------------------------------------

Deno.test("onStall names who holds the slots and who waits, when plain nested submits are stuck", async () => {
  using clock = new FakeClock();
  const stalls: StallReport[] = [];
  const runner = new AsyncRunner({
    maxWorkers: 2,
    onStall: { after: 100, report: (stall) => stalls.push(stall) },
  });
  await using _ = nothingLeft({ runner });
  const stuck = ["first", "second"].map((name) =>
    errorOf(runner.submit(
      // The mistake: not context.submit.
      () => runner.submit(() => 1, { name: `inner of ${name}` }),
      { name },
    ))
  );
  await clock.tick(99);
  assertEquals(stalls.length, 0);
  await clock.tick(1);
  assertEquals(stalls.length, 1);
  const [stall] = stalls;
  assertEquals(stall?.stalledFor, 100);
  assertEquals(stall?.running.map(({ name }) => name), ["first", "second"]);
  assertEquals(stall?.queued.map(({ name }) => name), [
    "inner of first",
    "inner of second",
  ]);
  // Told once for each stall.
  await clock.tick(1000);
  assertEquals(stalls.length, 1);
  await runner.shutdown({ wait: false, grace: 0 });
  await Promise.all(stuck);
});

Deno.test("onStall says nothing of a scheduler that is merely busy", async () => {
  using clock = new FakeClock();
  let stalls = 0;
  await using runner = new AsyncRunner({
    maxWorkers: 1,
    onStall: { after: 100, report: () => stalls++ },
  });
  const all = runner.gather(
    Array.from(
      { length: 20 },
      () => () => new Promise<void>((resolve) => setTimeout(resolve, 60)),
    ),
  );
  const more = Array.from({ length: 10 }, () => runner.submit(() => flush(5)));
  for (let time = 0; time < 1300; time += 20) await clock.tick(20);
  await all;
  await Promise.all(more);
  assertEquals(stalls, 0);
});

Deno.test("onStall says nothing while paused, while idle, or while children run in lent slots", async () => {
  using clock = new FakeClock();
  let stalls = 0;
  await using runner = new AsyncRunner({
    maxWorkers: 1,
    onStall: { after: 100, report: () => stalls++ },
  });
  await clock.tick(500);
  runner.scheduler.pause();
  const waiting = runner.submit(() => 1);
  await clock.tick(500);
  runner.scheduler.resume();
  await clock.settle();
  await waiting;
  const parent = runner.submit(async (context) => {
    for (let child = 0; child < 5; child++) {
      await context.submit(() =>
        new Promise<void>((resolve) => setTimeout(resolve, 60))
      );
    }
  });
  for (let time = 0; time < 400; time += 20) await clock.tick(20);
  await parent;
  assertEquals(stalls, 0);
});

Deno.test("onStall looks again after a pause", async () => {
  using clock = new FakeClock();
  let stalls = 0;
  const runner = new AsyncRunner({
    maxWorkers: 1,
    onStall: { after: 100, report: () => stalls++ },
  });
  await using _ = nothingLeft({ runner });
  const stuck = errorOf(runner.submit(() => runner.submit(() => 1)));
  await clock.settle();
  runner.scheduler.pause();
  await clock.tick(500);
  assertEquals(stalls, 0);
  runner.scheduler.resume();
  await clock.tick(100);
  assertEquals(stalls, 1);
  await runner.shutdown({ wait: false, grace: 0 });
  await stuck;
});

Deno.test("onStall whose report throws is reported itself, and the runner goes on", async () => {
  using clock = new FakeClock();
  const { error: print } = console;
  let printed = "";
  console.error = (...what) => printed += what.join(" ");
  try {
    await using runner = new AsyncRunner({
      maxWorkers: 1,
      onStall: {
        after: 10,
        report: () => {
          throw new Error("broken");
        },
      },
    });
    await using _ = nothingLeft({ runner });
    const slow = runner.submit(() =>
      new Promise<void>((resolve) => setTimeout(resolve, 50))
    );
    const next = runner.submit(() => "next");
    await clock.tick(50);
    await slow;
    assertEquals(await next, "next");
  } finally {
    console.error = print;
  }
  assertStringIncludes(printed, "onStall.report threw");
});
