import { assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncRunner } from "../../runner/mod.ts";
import { AsyncStream } from "../../streams/mod.ts";
import { HeldTask, microtasks } from "../support/held_task.ts";
import { nothingLeft } from "../support/nothing_left.ts";

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
