/**
 * The types of the runner's methods: what is inferred at the call. Checked by the compiler; running
 * them shows that they do not lie.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { assertType, type IsExact } from "@std/testing/types";
import {
  AsyncRunner,
  type Task,
  type TaskContext,
  type TaskHandle,
  TaskPriority,
  type TaskRunner,
  TaskScheduler,
  type TaskScope,
} from "../../runner/mod.ts";
import { nothingLeft } from "../support/nothing_left.ts";

Deno.test("submit() gives a handle of what the task gives, awaited", async () => {
  await using runner = new AsyncRunner();
  const sync = runner.submit(() => 1);
  assertType<IsExact<typeof sync, TaskHandle<number>>>(true);
  const asynchronous = runner.submit(async () => await Promise.resolve("a"));
  assertType<IsExact<typeof asynchronous, TaskHandle<string>>>(true);
  const value = await runner.submit((context) => {
    assertType<IsExact<typeof context, TaskContext>>(true);
    return context.submit(() => true);
  });
  assertType<IsExact<typeof value, boolean>>(true);
  assertEquals([await sync, await asynchronous, value], [1, "a", true]);
});

Deno.test("gather() keeps tuple types, and gives an array for an array or an iterable", async () => {
  await using runner = new AsyncRunner();
  const tuple = await runner.gather([
    () => 1,
    async () => await Promise.resolve("a"),
    () => Promise.resolve(true),
  ]);
  assertType<IsExact<typeof tuple, [number, string, boolean]>>(true);
  const array = await runner.gather([1, 2].map((n) => () => n));
  assertType<IsExact<typeof array, number[]>>(true);
  function* tasks(): Generator<Task<string>> {
    yield () => "a";
  }
  const iterable = await runner.gather(tasks());
  assertType<IsExact<typeof iterable, string[]>>(true);
  const set = await runner.gather(new Set([() => Promise.resolve(5)]));
  assertType<IsExact<typeof set, number[]>>(true);
  const nothing = await runner.gather([]);
  assertType<IsExact<typeof nothing, []>>(true);
  assertEquals([tuple, array, iterable, set], [
    [1, "a", true],
    [1, 2],
    ["a"],
    [5],
  ]);
});

Deno.test("gather({ settled: true }) keeps tuple types of PromiseSettledResult", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const tuple = await runner.gather([() => 1, () => Promise.resolve("a")], {
    settled: true,
  });
  assertType<
    IsExact<
      typeof tuple,
      [PromiseSettledResult<number>, PromiseSettledResult<string>]
    >
  >(true);
  const tasks = new Set<Task<number>>([() => 1]);
  const set = await runner.gather(tasks, { settled: true });
  assertType<IsExact<typeof set, PromiseSettledResult<number>[]>>(true);
  const plain = await runner.gather([() => 1], { priority: TaskPriority.LOW });
  assertType<IsExact<typeof plain, [number]>>(true);
  assertEquals(set, [{ status: "fulfilled", value: 1 }]);
});

Deno.test("map() gives what its function gives, awaited", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const strings = runner.map([1, 2], (n, index) => {
    assertType<IsExact<typeof n, number>>(true);
    assertType<IsExact<typeof index, number>>(true);
    return String(n);
  });
  assertType<
    IsExact<typeof strings, AsyncIterableIterator<string> & AsyncDisposable>
  >(true);
  const promised = runner.map(
    [Promise.resolve(1)],
    async (n) => await Promise.resolve(n > 0),
  );
  for await (const value of promised) {
    assertType<IsExact<typeof value, boolean>>(true);
  }
  assertEquals((await strings.next()).value, "1");
  await strings.return?.();
});

Deno.test("race(), any() and scope() give what their tasks and body give", async () => {
  await using runner = new AsyncRunner();
  const first = await runner.race([() => 1, () => Promise.resolve(2)]);
  assertType<IsExact<typeof first, number>>(true);
  const any = await runner.any<string | number>([() => "a", () => 2]);
  assertType<IsExact<typeof any, string | number>>(true);
  const scoped = await runner.scope(async (scope) => {
    assertType<IsExact<typeof scope, TaskScope>>(true);
    return await scope.submit(() => "scoped");
  });
  assertType<IsExact<typeof scoped, string>>(true);
  assertEquals([first, any, scoped], [1, "a", "scoped"]);
});

Deno.test("AsyncRunner, TaskScheduler and a scope all are a TaskRunner", async () => {
  const use = async (runner: TaskRunner): Promise<number> => {
    if (runner.isFull) await runner.ready();
    return await runner.submit(() => 1);
  };
  await using runner = new AsyncRunner();
  await using scheduler = new TaskScheduler();
  assertEquals(
    [await use(runner), await use(scheduler), await runner.scope(use)],
    [1, 1, 1],
  );
});
