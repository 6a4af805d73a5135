/**
 * A signal that many calls share gets its listener back from each of them, however it ended.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  asyncRun,
  AsyncRunner,
  ResourcePool,
  TaskScheduler,
} from "../../runner/mod.ts";
import { microtasks } from "../support/held_task.ts";
import { mostAbortListeners, nothingLeft } from "../support/nothing_left.ts";
import { errorOf } from "../support/tasks.ts";

const failure = new Error("planned");
const later = async () => {
  await microtasks();
  return 1;
};
const fails = async () => {
  await microtasks();
  throw failure;
};

/** What is called with a signal, listens, and ends by itself; the failure it ends with, if any. */
type Call = (runner: AsyncRunner, signal: AbortSignal) => Promise<unknown>;

async function drain(results: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of results);
}

async function first(results: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of results) break;
}

const CALLS: Record<string, Call> = {
  "submit()": (runner, signal) => runner.submit(later, { signal }),
  "submit() that fails": (runner, signal) => runner.submit(fails, { signal }),
  "gather()": (runner, signal) => runner.gather([later, later], { signal }),
  "gather() that fails": (runner, signal) =>
    runner.gather([later, fails], { signal }),
  "gather({ settled })": (runner, signal) =>
    runner.gather([later, fails], { signal, settled: true }),
  "map()": (runner, signal) => drain(runner.map([1, 2, 3], later, { signal })),
  "map() that fails": (runner, signal) =>
    drain(runner.map([1, 2, 3], fails, { signal })),
  "map() that is left": (runner, signal) =>
    first(runner.map([1, 2, 3], later, { signal })),
  "race()": (runner, signal) => runner.race([later, later], { signal }),
  "race() that fails": (runner, signal) =>
    runner.race([fails, later], { signal }),
  "any()": (runner, signal) => runner.any([fails, later], { signal }),
  "any() that fails": (runner, signal) =>
    runner.any([fails, fails], { signal }),
  "scope()": (runner, signal) =>
    runner.scope((scope) => void scope.submit(later), { signal }),
  "scope() that fails": (runner, signal) =>
    runner.scope((scope) => void scope.submit(fails), { signal }),
  "onIdle()": async (runner, signal) => {
    void runner.submit(later);
    await runner.onIdle(signal);
  },
  "ready()": async (runner, signal) => {
    const tasks = [runner.submit(later), runner.submit(later)];
    await microtasks(5);
    tasks.push(runner.submit(later));
    await runner.ready(signal);
    await Promise.all(tasks);
  },
  "asyncRun()": (_, signal) => asyncRun(later, { signal }),
  "asyncRun() that fails": (_, signal) => asyncRun(fails, { signal }),
  "a scheduler that is shut down": async (_, signal) => {
    const scheduler = new TaskScheduler({ signal });
    await microtasks();
    await scheduler.shutdown();
  },
  "a runner that is shut down": async (_, signal) => {
    const runner = new AsyncRunner({ signal });
    await microtasks();
    await runner.shutdown();
  },
  "a runner that shares a scheduler and is shut down": async (
    { scheduler },
    signal,
  ) => {
    const runner = new AsyncRunner({ scheduler, signal });
    await microtasks();
    await runner.shutdown();
  },
  "ResourcePool.acquire()": async (_, signal) => {
    await using pool = new ResourcePool({ maxResources: 1, factory: later });
    (await pool.acquire({ signal })).release();
  },
  "ResourcePool.acquire() whose factory fails": async (_, signal) => {
    await using pool = new ResourcePool({ maxResources: 1, factory: fails });
    await pool.acquire({ signal });
  },
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name} leaves no listener on its signal`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 2, maxQueue: 1 });
    const { signal } = new AbortController();
    await using _ = nothingLeft({ runner, signals: [signal] });
    const most = mostAbortListeners(signal);
    const error = await errorOf(call(runner, signal));
    // Otherwise this would mean nothing.
    assertEquals(most(), 1);
    const isToFail = name.includes("fail");
    if (!isToFail) assertEquals(error, undefined);
    else {assertEquals(
        [error, ...(error as AggregateError).errors ?? []].at(-1),
        failure,
      );}
  });
}

Deno.test("asyncRun() that is aborted in its clean-up leaves no timer", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const reason = new Error("late");
  const error = await errorOf(
    asyncRun(({ defer }) => {
      defer(() => controller.abort(reason));
    }, { signal: controller.signal, gracePeriod: 60_000 }),
  );
  assertEquals(error, reason);
});
