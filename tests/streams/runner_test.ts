import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  AsyncRunner,
  TaskPriority,
  type TaskRunner,
} from "../../runner/mod.ts";
import { AsyncStream } from "../../streams/mod.ts";
import { HeldTask, microtasks } from "../support/held_task.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { failureOf } from "./support/probe.ts";
import { captureReports } from "../support/captured_console.ts";

for (const ordered of [true, false]) {
  Deno.test(`map() with a runner takes its queued calls back when it is left while others keep the runner busy, ${ordered ? "ordered" : "unordered"}`, async () => {
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    await using _ = nothingLeft({ runner });
    const held = new HeldTask();
    const other = runner.submit(held.run);
    let calls = 0;
    let closed = 0;
    async function* source() {
      try {
        for (let n = 0;; n++) yield await Promise.resolve(n);
      } finally {
        closed++;
      }
    }
    const reading = AsyncStream.from(source())
      .map(() => calls++, { runner, concurrency: 3, ordered })[
      Symbol.asyncIterator
    ]();
    const pending = reading.next();
    await microtasks();
    assertEquals(runner.stats().queued, 3);
    await reading.return?.();
    assertEquals(await pending, { done: true, value: undefined });
    assertEquals([runner.stats().queued, closed], [0, 1]);
    held.end();
    await other;
    await microtasks();
    assertEquals(calls, 0);
  });
}

Deno.test("map() with a runner waits for the call that runs, and takes back the others, when it is left", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const held = new HeldTask<string>();
  const started: number[] = [];
  const reading = AsyncStream.from([1, 2, 3]).map((n) => {
    started.push(n);
    return n === 1 ? "first" : held.run(undefined as never);
  }, { runner, concurrency: 3 })[Symbol.asyncIterator]();
  assertEquals(await reading.next(), { done: false, value: "first" });
  await microtasks();
  let left = false;
  const leaving = reading.return?.().then(() => left = true);
  await microtasks();
  assertStrictEquals(left, false);
  held.end("second");
  await leaving;
  await microtasks();
  assertEquals(started, [1, 2]);
  assertEquals(runner.stats().queued, 0);
});

Deno.test("map() with a runner takes its queued calls back when one fails", async (test) => {
  for (const ordered of [true, false]) {
    await test.step(
      ordered ? "but for those before it, in order" : "all, unordered",
      async () => {
        await using runner = new AsyncRunner({ maxWorkers: 1 });
        await using _ = nothingLeft({ runner });
        // The third call is the first to run.
        const urgent: TaskRunner = {
          isFull: false,
          ready: () => Promise.resolve(),
          submit(task, options) {
            const handle = runner.submit(task, options);
            if (++submitted === 3) handle.setPriority(TaskPriority.HIGH);
            return handle;
          },
        };
        let submitted = 0;
        const started: number[] = [];
        const results: number[] = [];
        const held = new HeldTask();
        const other = runner.submit(held.run);
        const failed = failureOf(
          AsyncStream.from([1, 2, 3, 4, 5]).map((n) => {
            started.push(n);
            if (n === 3) throw "third";
            return n;
          }, { runner: urgent, ordered }).forEach((n) => void results.push(n)),
        );
        await microtasks();
        held.end();
        await other;
        assertStrictEquals(await failed, "third");
        assertEquals(started, ordered ? [3, 1, 2] : [3]);
        assertEquals(results, ordered ? [1, 2] : []);
        assertEquals(runner.stats().queued, 0);
      },
    );
  }
});

Deno.test("map() with a runner tells the observer of a later failure, or the console, and a scope's failures belong to the scope", async () => {
  /** Two calls that fail in one turn. */
  const failing = (runner: TaskRunner, errors: Record<string, string>) => {
    const calls = ["first", "second"].map((error) => ({
      error,
      ...Promise.withResolvers(),
    }));
    const failed = failureOf(
      AsyncStream.from(calls).map(({ promise }) => promise, { runner }).drain(),
    );
    return {
      failed,
      fail: (order: string[]) => {
        for (const which of order) {
          calls.find(({ error }) => error === which)?.reject(errors[which]);
        }
      },
    };
  };
  for (const where of ["observer", "console", "scope"]) {
    // No objects: what is told by whom does not hang on them.
    const errors = { first: "first", second: "second" };
    using reports = captureReports();
    const observed: unknown[] = [];
    await using runner = new AsyncRunner({
      observer: where === "observer"
        ? { settled: (_, reason) => void observed.push(reason) }
        : undefined,
    });
    if (where === "scope") {
      const failure = await failureOf(runner.scope(async (scope) => {
        const { failed, fail } = failing(scope, errors);
        await microtasks();
        // The one before it in order is cancelled for it, and is what the map rejects with.
        fail(["second", "first"]);
        assertStrictEquals((await failed as Error).name, "AbortError");
      }));
      assertEquals(
        (failure as AggregateError).errors,
        [errors.second, errors.first],
      );
    } else {
      const { failed, fail } = failing(runner, errors);
      await microtasks();
      fail(["first", "second"]);
      assertStrictEquals(await failed, errors.first);
    }
    assertEquals(
      observed,
      where === "observer" ? [errors.first, errors.second] : [],
    );
    assertEquals(
      reports.lines.map((line) => line.replace(/task-\d+/, "task")),
      where === "console" ? ['Late failure of task task: "second"'] : [],
    );
  }
});
