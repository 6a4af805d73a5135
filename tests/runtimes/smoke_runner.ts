/**
 * The runner's part of the smoke suite.
 *
 * @module
 */
import {
  asyncBackground,
  asyncRun,
  AsyncRunner,
  asyncTimeout,
  OffloadError,
  ResourcePool,
  TaskPriority,
  TaskScheduler,
} from "../../runner/mod.ts";
import { holds, pause, rejection, same } from "./check.ts";
import type { SmokeCase } from "./smoke.ts";

interface Storage {
  run<T>(store: string, fn: () => T): T;
  getStore(): string | undefined;
}

function asyncLocalStorage(): (new () => Storage) | undefined {
  const { process } = globalThis as {
    process?: {
      getBuiltinModule?(
        name: string,
      ): { AsyncLocalStorage: new () => Storage };
    };
  };
  return process?.getBuiltinModule?.("node:async_hooks").AsyncLocalStorage;
}

/** What holds of the runner. */
export const runnerCases: readonly SmokeCase[] = [
  {
    name: "runner: priorities are kept, and the limit is not exceeded",
    async run() {
      const scheduler = new TaskScheduler({ maxConcurrent: 2, paused: true });
      const order: string[] = [];
      let running = 0;
      let most = 0;
      const task = (name: string) => async () => {
        order.push(name);
        most = Math.max(most, ++running);
        await pause(1);
        running--;
      };
      const handles = [
        scheduler.submit(task("low"), { priority: TaskPriority.LOW }),
        scheduler.submit(task("normal")),
        scheduler.submit(task("critical"), { priority: TaskPriority.CRITICAL }),
        scheduler.submit(task("high"), { priority: TaskPriority.HIGH }),
      ];
      scheduler.resume();
      await Promise.all(handles);
      same(order, ["critical", "high", "normal", "low"]);
      same(most, 2);
      await scheduler.shutdown();
    },
  },
  {
    name: "runner: gather, map, race and any",
    async run() {
      const runner = new AsyncRunner({ maxWorkers: 3 });
      same(await runner.gather([() => 1, () => Promise.resolve("two")]), [
        1,
        "two",
      ]);
      const mapped: number[] = [];
      for await (
        const value of runner.map([1, 2, 3, 4], (n) => pause(1).then(() => n))
      ) mapped.push(value);
      same(mapped, [1, 2, 3, 4]);
      const slow = ({ signal }: { signal: AbortSignal }) =>
        new Promise<string>((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        );
      same(await runner.race([slow, () => "first"]), "first");
      same(
        await runner.any([() => Promise.reject(new Error("no")), () => "yes"]),
        "yes",
      );
      same(runner.stats().running, 0);
      await runner.shutdown();
    },
  },
  {
    name:
      "runner: cancel, signal, timeout and deadline settle with their reason",
    async run() {
      const runner = new AsyncRunner({ maxWorkers: 1 });
      const held = ({ signal }: { signal: AbortSignal }) =>
        new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => resolve())
        );
      const reason = { why: "cancelled" };
      const running = runner.submit(held);
      const controller = new AbortController();
      const queued = runner.submit(() => 1, { signal: controller.signal });
      await pause(0);
      controller.abort(reason);
      holds(await rejection(queued) as unknown === reason, "the same reason");
      running.cancel(reason);
      holds(await rejection(running) as unknown === reason, "the same reason");
      same(
        (await rejection(runner.submit(held, { timeout: 5 }))).name,
        "TimeoutError",
      );
      const late = { deadline: performance.now() + 5 };
      same(
        (await rejection(runner.submit(held, late))).name,
        "TimeoutError",
      );
      await runner.shutdown();
    },
  },
  {
    name: "runner: a scope's failure cancels its siblings and waits for them",
    async run() {
      const runner = new AsyncRunner({ maxWorkers: 4 });
      let ended = false;
      const error = await rejection(runner.scope(async (scope) => {
        const sibling = scope.submit(async ({ signal }) => {
          await new Promise<void>((resolve) =>
            signal.addEventListener("abort", () => resolve())
          );
          ended = true;
        });
        scope.submit(() => Promise.reject(new Error("boom"))).catch(() => {});
        await sibling;
      }));
      holds(/boom/.test(`${error.message} ${error.cause}`), "the error");
      holds(ended, "the sibling has ended");
      await runner.shutdown();
    },
  },
  {
    name: "runner: a task that awaits its children lends them its slot",
    async run() {
      const runner = new AsyncRunner({ maxWorkers: 1 });
      const nested = (depth: number) =>
      (context: {
        submit<T>(task: (context: never) => T | Promise<T>): Promise<T>;
      }): Promise<number> | number =>
        depth === 0 ? 0 : context
          .submit<number>(nested(depth - 1) as never)
          .then((n) => n + 1);
      same(await runner.submit(nested(200) as never), 200);
      await runner.shutdown();
    },
  },
  {
    name: "runner: tasks of microtasks let timers run",
    async run() {
      const runner = new AsyncRunner({ maxWorkers: 4 });
      let timerRan = false;
      let seen = false;
      setTimeout(() => timerRan = true, 1);
      let spent = 0;
      const tasks = Array.from({ length: 2_000 }, () => async () => {
        await null;
        const until = performance.now() + 0.02;
        while (performance.now() < until) spent++;
        seen ||= timerRan;
      });
      await runner.gather(tasks);
      holds(seen && spent > 0, "a timer ran while tasks were drained");
      await runner.shutdown();
    },
  },
  {
    name: "runner: a queued task keeps its submitter's async context",
    async run() {
      const Storage = asyncLocalStorage();
      // Browsers have none, and then there is nothing to keep.
      if (Storage === undefined) return;
      const storage = new Storage();
      const runner = new AsyncRunner({ maxWorkers: 1 });
      const first = runner.submit(() => pause(2));
      const handle = storage.run("kept", () =>
        runner.submit(async () => {
          await null;
          return storage.getStore();
        }));
      await first;
      same(await handle, "kept");
      same(storage.getStore(), undefined);
      await runner.shutdown();
    },
  },
  {
    name: "runner: a pool lends, waits and closes",
    async run() {
      let made = 0;
      let cleaned = 0;
      const pool = new ResourcePool({
        maxResources: 2,
        factory: () => ({ id: ++made }),
        cleanup: () => cleaned++,
        idleTimeout: 60_000,
      });
      const ids = await Promise.all(
        Array.from({ length: 20 }, () =>
          pool.use(async ({ id }) => {
            await pause(0);
            return id;
          })),
      );
      same([...new Set(ids)].sort(), [1, 2]);
      await pool.close();
      same([made, cleaned], [2, 2]);
    },
  },
  {
    name: "runner: asyncRun cleans up; asyncTimeout and asyncBackground",
    async run() {
      const order: string[] = [];
      const value = await asyncRun(({ defer }) => {
        defer(() => order.push("cleaned"));
        order.push("main");
        return 42;
      });
      same([value, order], [42, ["main", "cleaned"]]);
      same(await asyncTimeout(60_000, () => "in time"), "in time");
      const late = asyncTimeout(1, () => new Promise(() => {}));
      same((await rejection(late)).name, "TimeoutError");
      const deadline = asyncTimeout(60_000);
      holds(!deadline.signal.aborted, "not yet");
      deadline[Symbol.dispose]();
      same(await asyncBackground(() => "done"), "done");
    },
  },
  {
    name: "runner: offload() says what is missing where there is no worker",
    async run() {
      // In one bundled file: even where there are workers, their entry is not beside it.
      const runner = new AsyncRunner({ maxWorkers: 1 });
      const error = await rejection(
        runner.offload(
          "data:text/javascript,export const f = () => 1",
          "f",
          [],
        ),
      );
      holds(error instanceof OffloadError, `an OffloadError, got ${error}`);
      await runner.shutdown();
    },
  },
];
