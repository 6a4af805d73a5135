/**
 * Random tasks, scopes and pools.
 *
 * @module
 */
import {
  ResourcePool,
  type TaskContext,
  type TaskHandle,
  type TaskScope,
} from "../../runner/mod.ts";
import { Fault, holds, type Load, pause } from "./load.ts";

const CANCELLED = new Error("cancelled by the soak");

/** Tasks of every kind: each settles once, as it was told to, and none runs twice. */
export const tasks: Load = async (random, { runner, signal }) => {
  const own = new AbortController();
  const count = random.integer(20, 200);
  const runs = new Array<number>(count).fill(0);
  let active = 0;
  const work = (index: number, duration: number, fails: boolean) =>
  async (
    context: TaskContext,
  ): Promise<number> => {
    runs[index] = (runs[index] ?? 0) + 1;
    active++;
    try {
      if (duration > 0) await pause(duration);
      if (index % 7 === 0) {
        const child = context.submit(() => pause(0).then(() => index));
        holds(await child === index, "a child's value is its own");
      }
      if (fails) throw new Fault(`task ${index}`);
      return index;
    } finally {
      active--;
    }
  };
  const handles: TaskHandle<number>[] = [];
  for (let index = 0; index < count; index++) {
    const handle = runner.submit(
      work(index, random.integer(0, 3), random.chance(0.1)),
      {
        priority: random.pick([0, 1, 2, 3, 4] as const),
        signal: random.chance(0.5) ? signal : own.signal,
        ...(random.chance(0.2) ? { timeout: random.integer(1, 20) } : {}),
        ...(random.chance(0.1)
          ? { deadline: performance.now() + random.integer(0, 20) }
          : {}),
        ...(random.chance(0.1) ? { weight: 2 } : {}),
        ...(random.chance(0.2) ? { key: index % 3 } : {}),
      },
    );
    handle.catch(() => {});
    handles.push(handle);
    if (random.chance(0.05)) {
      handles[random.integer(0, index)]?.cancel(CANCELLED);
    }
    if (random.chance(0.02)) await pause(1);
  }
  if (random.chance(0.3)) own.abort(CANCELLED);
  const results = await Promise.allSettled(handles);
  results.forEach((result, index) => {
    holds((runs[index] ?? 0) <= 1, `task ${index} ran at most once`);
    if (result.status === "fulfilled") {
      holds(result.value === index, `task ${index} gave its own value`);
      holds(runs[index] === 1, `task ${index} ran`);
      return;
    }
    const { reason } = result;
    holds(
      reason === CANCELLED ||
        reason instanceof Fault && reason.message === `task ${index}` ||
        reason?.name === "TimeoutError" || reason?.name === "AbortError",
      `task ${index} failed as it was told to, not with ${reason}`,
    );
  });
  // A handle settles before a task that ignores its signal has ended.
  for (let waited = 0; active > 0 && waited < 100; waited++) await pause(5);
  holds(active === 0, "every task has ended");
};

/** Trees of scopes: nothing of a scope runs when it has settled. */
export const scopes: Load = async (random, { runner, signal }) => {
  let active = 0;
  const grow = async (scope: TaskScope, depth: number): Promise<void> => {
    let cleaned = false;
    scope.defer(() => {
      cleaned = true;
    });
    holds(!cleaned, "clean-ups run at the end");
    for (let index = random.integer(1, 4); index > 0; index--) {
      const duration = random.integer(0, 4);
      const fails = random.chance(0.05);
      scope.submit(async () => {
        active++;
        try {
          await pause(duration);
          if (fails) throw new Fault("in a scope");
        } finally {
          active--;
        }
      }).catch(() => {});
    }
    if (depth > 0) await scope.scope((inner) => grow(inner, depth - 1));
    if (random.chance(0.1)) throw new Fault("of a scope");
  };
  try {
    await runner.scope((scope) => grow(scope, random.integer(0, 3)), {
      signal,
    });
  } catch (error) {
    const errors = error instanceof AggregateError ? error.errors : [error];
    for (const each of errors.flat(9)) {
      holds(
        each instanceof Fault || each instanceof AggregateError ||
          each?.name === "AbortError",
        `a scope fails with what failed in it, not with ${each}`,
      );
    }
  }
  holds(active === 0, "no task outlives its scope");
};

/** A pool whose factory, resources and callers fail: nothing is lent twice, nothing is lost. */
export const pools: Load = async (random, { signal }) => {
  const maxResources = random.integer(1, 5);
  let made = 0;
  let cleaned = 0;
  const pool = new ResourcePool({
    maxResources,
    minResources: random.integer(0, 1),
    factory: async () => {
      await pause(random.integer(0, 1));
      if (random.chance(0.1)) throw new Fault("factory");
      made++;
      holds(made - cleaned <= maxResources, "no more than maxResources");
      return { users: 0, isGood: true };
    },
    validate: (resource) => resource.isGood,
    cleanup: async () => {
      await pause(0);
      cleaned++;
    },
    idleTimeout: random.pick([1, 50, Infinity]),
    onError: () => {},
  });
  const caller = async (): Promise<void> => {
    const own = new AbortController();
    const controller = random.chance(0.3) ? own : undefined;
    if (controller !== undefined) {
      setTimeout(() => controller.abort(CANCELLED), random.integer(0, 4));
    }
    try {
      await pool.use(async (resource) => {
        resource.users++;
        holds(resource.users === 1, "a resource has one user");
        await pause(random.integer(0, 2));
        resource.users--;
        resource.isGood = !random.chance(0.1);
        if (random.chance(0.1)) throw new Fault("user");
      }, { signal: controller?.signal ?? signal, timeout: 5_000 });
    } catch (error) {
      holds(
        error instanceof Fault || error === CANCELLED,
        `an acquire fails as it was told to, not with ${error}`,
      );
    }
  };
  await Promise.all(Array.from({ length: random.integer(5, 60) }, caller));
  holds(pool.stats.waiting === 0, "nobody waits");
  await pool.close();
  holds(made === cleaned, `each resource is cleaned up: ${made}, ${cleaned}`);
};
