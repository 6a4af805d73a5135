/**
 * TaskScheduler: timers and I/O get their turn, memory stays small.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { macrotask } from "../../../_internal/macrotask.ts";
import { TaskScheduler } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";

/**
 * The most tasks that ran between two turns of the event loop. Counted, not timed: what else the
 * machine has to do makes a turn longer, but lets no more tasks run in it.
 */
async function mostInOneTurn(
  work: (ran: () => void) => Promise<unknown>,
): Promise<number> {
  let most = 0;
  let count = 0;
  let isDone = false;
  const turns = (async () => {
    while (!isDone) {
      await macrotask();
      most = Math.max(most, count);
      count = 0;
    }
  })();
  await work(() => count++);
  most = Math.max(most, count);
  isDone = true;
  await turns;
  return most;
}

Deno.test("200,000 tasks that never leave the microtask queue let timers and I/O have their turn", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 10 });
  await using _ = nothingLeft({ runner: scheduler });
  let count = 0;
  const most = await mostInOneTurn((ran) =>
    Promise.all(Array.from({ length: 10 }, async () => {
      for (let index = 0; index < 20_000; index++) {
        await scheduler.submit(async () => {
          await undefined;
          ran();
        });
        count++;
      }
    }))
  );
  assertEquals(count, 200_000);
  // Some milliseconds, at about a microsecond each.
  assert(most < 40_000, `${most} tasks in one turn`);
});

Deno.test("tasks that each compute for a while let timers and I/O have their turn", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  const most = await mostInOneTurn((ran) =>
    Promise.all(Array.from({ length: 300 }, () =>
      scheduler.submit(() => {
        const end = performance.now() + 1;
        while (performance.now() < end) { /* computes */ }
        ran();
      })))
  );
  assert(most <= 16, `${most} tasks of 1 ms in one turn`);
});

testWith(
  ["run", "read"],
  "a queued task takes less than 400 bytes, and nothing stays of keys without work",
  async () => {
    const program = `
      const { TaskScheduler } = await import(${
      JSON.stringify(new URL("../../../runner/mod.ts", import.meta.url).href)
    });
      const heap = () => { gc(); gc(); return Deno.memoryUsage().heapUsed; };
      const task = () => 1;
      const scheduler = new TaskScheduler({ paused: true });
      const handles = new Array(300000).fill(undefined);
      const before = heap();
      for (let index = 0; index < handles.length; index++) {
        handles[index] = scheduler.submit(task);
      }
      const perTask = (heap() - before) / handles.length;
      scheduler.clear();
      handles.fill(undefined);
      await new Promise((resolve) => setTimeout(resolve, 0));
      const keyed = new TaskScheduler({ maxPerKey: 1, maxConcurrent: 10 });
      const start = heap();
      for (let round = 0; round < 100; round++) {
        for (let index = 0; index < 10000; index++) {
          keyed.submit(task, { key: round * 10000 + index });
        }
        await keyed.onIdle();
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
      const kept = (heap() - start) / 1000000;
      console.log(JSON.stringify({ perTask, kept }));
    `;
    const { stdout, stderr, success } = await new Deno.Command(
      Deno.execPath(),
      {
        args: ["eval", "--v8-flags=--expose-gc", program],
        stdout: "piped",
        stderr: "piped",
      },
    ).output();
    assert(success, new TextDecoder().decode(stderr));
    const { perTask, kept } = JSON.parse(new TextDecoder().decode(stdout));
    assert(perTask < 400, `${perTask} bytes a task`);
    assert(kept < 4, `${kept} bytes of each key`);
  },
);
