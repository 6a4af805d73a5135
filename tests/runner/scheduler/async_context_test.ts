/**
 * AsyncLocalStorage: work sees the store of whoever submitted it, whenever and by whomever it is
 * started.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { assertEquals } from "@std/assert";
import { AsyncRunner, type Task, TaskPriority } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { flush, quiet } from "../../support/tasks.ts";

const storage = new AsyncLocalStorage<string>();
const store = () => storage.getStore();

/** Looks at the store at once, and again after some turns. */
const look: Task<(string | undefined)[]> = async () => {
  const first = store();
  await flush(3);
  return [first, store()];
};

/** A runner with one worker that is busy in a store of its own until `open` is called. */
function busyRunner() {
  const runner = new AsyncRunner({ maxWorkers: 1 });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const holder = storage.run("holder", () => runner.submit(() => gate));
  return { runner, open, holder };
}

Deno.test("submit() keeps the submitter's store for a queued task, also after a change of priority", async () => {
  await using _ = nothingLeft();
  const { runner, open, holder } = busyRunner();
  const a = storage.run("a", () => runner.submit(look));
  const b = storage.run("b", () => runner.submit(look));
  const none = runner.submit(look);
  storage.run("somebody else", () => b.setPriority(TaskPriority.HIGH));
  await quiet();
  storage.run("opener", open);
  assertEquals(await a, ["a", "a"]);
  assertEquals(await b, ["b", "b"]);
  assertEquals(await none, [undefined, undefined]);
  await holder;
  await runner.shutdown();
});

Deno.test("gather() runs all its tasks, and reads its source, in the caller's store", async () => {
  await using _ = nothingLeft();
  const { runner, open, holder } = busyRunner();
  const sourceSaw: unknown[] = [];
  function* tasks(): Iterable<typeof look> {
    for (let index = 0; index < 4; index++) {
      sourceSaw.push(store());
      yield look;
    }
  }
  const gathered = storage.run("gather", () => runner.gather(tasks()));
  // Ends between the gather's tasks, in another store, and lets the next one be submitted.
  const others = storage.run(
    "others",
    () => Array.from({ length: 4 }, () => runner.submit(look)),
  );
  open();
  assertEquals(await gathered, Array(4).fill(["gather", "gather"]));
  assertEquals(await Promise.all(others), Array(4).fill(["others", "others"]));
  assertEquals(sourceSaw, Array(4).fill("gather"));
  await holder;
  await runner.shutdown();
});

for (const ordered of [true, false]) {
  Deno.test(`map({ ordered: ${ordered} }) calls its function in the store in which map was called`, async () => {
    await using _ = nothingLeft();
    const { runner, open, holder } = busyRunner();
    const map = storage.run(
      "map",
      () => runner.map([1, 2, 3, 4], () => look({} as never), { ordered }),
    );
    const others = storage.run(
      "others",
      () => Array.from({ length: 4 }, () => runner.submit(look)),
    );
    open();
    const seen = await storage.run("consumer", async () => {
      const seen = [];
      for await (const result of map) seen.push(result);
      assertEquals(store(), "consumer");
      return seen;
    });
    assertEquals(seen, Array(4).fill(["map", "map"]));
    await Promise.all([holder, ...others]);
    await runner.shutdown();
  });
}

Deno.test("race() and any() run their tasks in the caller's store", async () => {
  await using _ = nothingLeft();
  const { runner, open, holder } = busyRunner();
  const race = storage.run("race", () => runner.race([look, look]));
  const any = storage.run(
    "any",
    () => runner.any([() => Promise.reject(new Error(store())), look]),
  );
  open();
  assertEquals(await race, ["race", "race"]);
  assertEquals(await any, ["any", "any"]);
  await holder;
  await runner.shutdown();
});

Deno.test("scope() runs body, tasks and clean-ups in the store in which they were given", async () => {
  await using _ = nothingLeft();
  const { runner, open, holder } = busyRunner();
  const seen: Record<string, unknown> = {};
  const scope = storage.run("scope", () =>
    runner.scope(async (scope) => {
      seen.body = store();
      const task = scope.submit(look);
      const special = storage.run("special", () => scope.submit(look));
      await scope.scope(async (inner) => {
        seen.inner = await inner.submit(look);
      });
      scope.defer(() => {
        seen.cleanup = store();
      });
      seen.task = await task;
      seen.special = await special;
    }));
  open();
  await scope;
  assertEquals(seen, {
    body: "scope",
    inner: ["scope", "scope"],
    cleanup: "scope",
    task: ["scope", "scope"],
    special: ["special", "special"],
  });
  await holder;
  await runner.shutdown();
});

Deno.test("context.submit() gives a child the store of the task, in a lent slot too", async () => {
  await using _ = nothingLeft();
  const { runner, open, holder } = busyRunner();
  const parent = storage.run("parent", () =>
    runner.submit(async (context) => {
      const child = context.submit(look);
      const special = storage.run("child", () => context.submit(look));
      return [await child, await special];
    }));
  open();
  assertEquals(await parent, [["parent", "parent"], ["child", "child"]]);
  await holder;
  await runner.shutdown();
});

Deno.test("a store does not leak into what is submitted without one", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const first = storage.run("first", () => runner.submit(look));
  const second = runner.submit(look);
  assertEquals(await first, ["first", "first"]);
  assertEquals(await second, [undefined, undefined]);
  assertEquals(store(), undefined);
});
