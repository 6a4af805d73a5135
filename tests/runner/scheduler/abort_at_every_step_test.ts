/**
 * The same small program is aborted at its first step, then at its second, and so on to its end;
 * after each run nothing may be missing and everything settled. Finds what random tests miss.
 *
 * A step is whatever the program and the scheduler do that can be seen: a change of a task that
 * the observer is told of, and each turn of the microtask queue.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  AsyncRunner,
  ResourcePool,
  type TaskContext,
  TaskPriority,
  type TaskScheduler,
} from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { flush, Gauge, quiet } from "../../support/tasks.ts";

/** A step is a turn, or a change that an observer sees (then the abort comes from within it). */
type Steps = "turns" | "changes";

/** What a program runs on. */
interface Ground {
  runner: AsyncRunner;
  scheduler: TaskScheduler;
  pool: ResourcePool<object>;
  signal: AbortSignal;
  /** Counts the tasks that are between their beginning and their real end. */
  gauge: Gauge;
}

/** Waits for some turns, and stops at an abort. */
async function work(context: TaskContext, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    context.signal.throwIfAborted();
    await undefined;
  }
}

const PROGRAMS: Record<string, (ground: Ground) => Promise<unknown>> = {
  "submits with weights, keys, priorities and a lease": async (
    { runner, pool, signal, gauge },
  ) => {
    const leased = gauge.watch(async (context: TaskContext) => {
      await using lease = await pool.acquire({ signal: context.signal });
      await work(context, 3);
      return lease.resource;
    });
    const plain = gauge.watch((context: TaskContext) => work(context, 2));
    await Promise.all([
      runner.submit(leased, { signal, key: "k" }),
      runner.submit(plain, { signal, weight: 2 }),
      runner.submit(leased, { signal, key: "k", priority: TaskPriority.HIGH }),
      runner.submit(plain, {
        signal,
        key: "other",
        priority: TaskPriority.LOW,
      }),
      runner.submit(plain, { signal, weight: 2, priority: TaskPriority.HIGH }),
      runner.submit(leased, { signal }),
      // Ignores its signal.
      runner.submit(gauge.watch(() => flush(5)), { signal, key: "k" }),
    ]);
  },

  "children in lent slots, with a lease and a shield inside": async (
    { runner, pool, signal, gauge },
  ) => {
    const deep = gauge.watch(
      async (context: TaskContext, left: number): Promise<void> => {
        if (left === 0) {
          await pool.use(() => work(context, 2), { signal: context.signal });
          await context.shield(() => flush(2));
          return;
        }
        await Promise.all([
          context.submit((child) => deep(child, left - 1), { key: "k" }),
          context.submit((child) => work(child, 1)),
        ]);
      },
    );
    await Promise.all([
      runner.submit((context) => deep(context, 2), { signal, key: "k" }),
      runner.submit(async (context) => {
        await context.submit((child) => deep(child, 1), { weight: 2 });
      }, { signal, weight: 2 }),
      runner.submit((context) => deep(context, 1), { signal }),
    ]);
  },

  "gather, race and any": async ({ runner, pool, signal, gauge }) => {
    const leased = gauge.watch((context: TaskContext) =>
      pool.use(() => work(context, 2), { signal: context.signal })
    );
    const fails = gauge.watch(async (context: TaskContext) => {
      await work(context, 1);
      throw new Error("planned");
    });
    function* tasks() {
      for (let index = 0; index < 5; index++) yield leased;
    }
    await Promise.all([
      runner.gather(tasks(), { signal }),
      runner.gather([leased, fails, leased], { signal, settled: true }),
      runner.race([leased, leased, leased], { signal }),
      runner.any([fails, leased, leased], { signal }),
    ]);
  },

  "map, ordered and not": async ({ runner, pool, signal, gauge }) => {
    async function* source() {
      for (let index = 0; index < 4; index++) {
        await undefined;
        yield index;
      }
    }
    const call = gauge.watch(
      (_value: number, _index: number, context: TaskContext) =>
        pool.use(() => work(context, 2), { signal: context.signal }),
    );
    const drain = async (ordered: boolean) => {
      for await (
        const _ of runner.map(source(), call, { signal, ordered })
      );
    };
    await Promise.all([drain(true), drain(false)]);
  },

  "scopes within scopes": async ({ runner, pool, signal, gauge }) => {
    const leased = gauge.watch((context: TaskContext) =>
      pool.use(() => work(context, 2), { signal: context.signal })
    );
    let cleanups = 0;
    try {
      await runner.scope(async (outer) => {
        outer.defer(() => cleanups++);
        outer.submit(leased, { key: "k" });
        outer.submit(leased, { weight: 2 });
        await outer.scope(async (inner) => {
          inner.defer(async () => {
            await flush(1);
            cleanups++;
          });
          inner.submit(leased, { key: "k" });
          await inner.submit((context) => context.submit(leased));
        });
      }, { signal });
    } finally {
      // Both were opened, or only the outer one, or none.
      assert(cleanups <= 2);
    }
  },
};

/** Runs a program, aborts it at step `at`; false when it had ended before. */
async function abortAt(
  program: (ground: Ground) => Promise<unknown>,
  at: number,
  steps: Steps,
  end: (ground: Ground, controller: AbortController) => void,
): Promise<boolean> {
  const controller = new AbortController();
  const { signal } = controller;
  let step = 0;
  let aborted = false;
  let isOver = false;
  const abort = () => {
    if (aborted || isOver) return;
    aborted = true;
    end(ground, controller);
  };
  const count = () => {
    if (steps === "changes" && step++ === at) abort();
  };
  const runner = new AsyncRunner({
    maxWorkers: 2,
    maxPerKey: 1,
    observer: { queued: count, started: count, settled: count, ended: count },
  });
  const gauge = new Gauge();
  let made = 0;
  let cleaned = 0;
  const pool = new ResourcePool<object>({
    maxResources: 1,
    factory: async () => {
      await undefined;
      made++;
      return {};
    },
    cleanup: () => {
      cleaned++;
    },
  });
  await using _ = nothingLeft({ runner, pool, signals: [signal] });
  const ground = { runner, scheduler: runner.scheduler, pool, signal, gauge };
  const outcome = program(ground).then(
    () => isOver = true,
    () => isOver = true,
  );
  if (steps === "turns") {
    for (let turn = 0; turn < at && !isOver; turn++) await undefined;
    abort();
  }
  await outcome;
  await runner.onIdle();
  // Everything has settled and really ended.
  const stats = runner.stats();
  assertEquals([stats.running, stats.queued, gauge.now], [0, 0, 0]);
  assertEquals(
    stats.submitted,
    stats.succeeded + stats.failed + stats.cancelled,
  );
  // No lease is missing, and none is twice there.
  assertEquals([pool.stats.leased, pool.stats.waiting], [0, 0]);
  await pool.use(() => {});
  if (!runner.scheduler.isPaused) await assertWhole(runner);
  await pool.close();
  assertEquals(cleaned, made);
  await runner.shutdown();
  return aborted;
}

/** Both slots can be had at once, one of them for each key, and by one heavy task. */
async function assertWhole(runner: AsyncRunner): Promise<void> {
  const probe = runner.submit(() => "open");
  if ((await probe.then(() => true, () => false)) === false) return;
  const gauge = new Gauge();
  const byKey = new Gauge();
  await Promise.all([
    ...Array.from(
      { length: 4 },
      () => runner.submit(gauge.watch(() => quiet())),
    ),
    ...Array.from(
      { length: 3 },
      () => runner.submit(byKey.watch(() => quiet()), { key: "k" }),
    ),
    runner.submit(() => flush(2), { weight: 2 }),
  ]);
  assertEquals([gauge.most, byKey.most], [2, 1]);
}

const ENDS: Record<
  string,
  (ground: Ground, controller: AbortController) => void
> = {
  "by their signal": (_, controller) =>
    controller.abort(new DOMException("planned", "AbortError")),
  "by shutdown": ({ runner }) => {
    runner.shutdown({ wait: false });
  },
};

for (const [name, program] of Object.entries(PROGRAMS)) {
  for (const [how, end] of Object.entries(ENDS)) {
    for (const steps of ["turns", "changes"] as const) {
      Deno.test(`abort at every step, counted in ${steps}, ${how}: ${name}`, async () => {
        let at = 0;
        while (await abortAt(program, at, steps, end)) at++;
        // It was a real program.
        assert(at > 10, `only ${at} steps`);
      });
    }
  }
}
