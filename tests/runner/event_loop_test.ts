/**
 * TaskScheduler: timers and I/O get their turn, memory stays small.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { TaskScheduler } from "../../runner/mod.ts";
import { testWith } from "../support/permissions.ts";

/** The longest time for which a 1 ms interval was not called while `work` went on. */
async function longestDelay(work: () => Promise<unknown>): Promise<number> {
  // Warm, so that compiling counts for nothing.
  await work();
  let longest = 0;
  let last = performance.now();
  const look = () => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  };
  const interval = setInterval(look, 1);
  try {
    await work();
    look();
  } finally {
    clearInterval(interval);
  }
  return longest;
}

/** Not only once: the machine may have been busy with something else. */
async function assertDelaysBelow(
  bound: number,
  work: () => Promise<unknown>,
): Promise<void> {
  let longest = Infinity;
  for (let attempt = 0; attempt < 4 && longest > bound; attempt++) {
    longest = await longestDelay(work);
  }
  assert(longest <= bound, `timers were delayed by ${longest} ms`);
}

async function microtaskOnly(): Promise<void> {
  await undefined;
}

Deno.test("200,000 tasks that never leave the microtask queue do not starve timers", async () => {
  // Ten at a time the way they are used: submitted in pieces, each awaited.
  const scheduler = new TaskScheduler({ maxConcurrent: 10 });
  let count = 0;
  await assertDelaysBelow(60, async () => {
    count = 0;
    await Promise.all(Array.from({ length: 10 }, async () => {
      for (let index = 0; index < 20_000; index++) {
        await scheduler.submit(microtaskOnly);
        count++;
      }
    }));
  });
  assertEquals(count, 200_000);
});

Deno.test("tasks that each compute for a while do not starve timers", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 2 });
  // 300 ms of work, none of which leaves the microtask queue.
  await assertDelaysBelow(
    60,
    () =>
      Promise.all(Array.from({ length: 300 }, () =>
        scheduler.submit(() => {
          const end = performance.now() + 1;
          while (performance.now() < end) { /* computes */ }
        }))),
  );
});

testWith(
  ["run", "read"],
  "a queued task takes less than 400 bytes, and nothing stays of keys without work",
  async () => {
    const program = `
      const { TaskScheduler } = await import(${
      JSON.stringify(new URL("../../runner/mod.ts", import.meta.url).href)
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
