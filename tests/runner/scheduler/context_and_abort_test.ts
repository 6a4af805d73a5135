/**
 * TaskScheduler: the submitter's async context, and the same program aborted at every step.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  ResourcePool,
  TaskPriority,
  TaskScheduler,
} from "../../../runner/mod.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { HeldTask, microtasks, watched } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("a queued task sees its submitter's store, also after a priority change", async () => {
  const storage = new AsyncLocalStorage<string>();
  const scheduler = new TaskScheduler({ maxConcurrent: 1 });
  const held = new HeldTask();
  const first = storage.run("first", () => scheduler.submit(held.run));
  await microtasks();
  const read = async () => {
    const before = storage.getStore();
    await undefined;
    return [before, storage.getStore()];
  };
  const a = storage.run("a", () => scheduler.submit(read));
  const b = storage.run("b", () => scheduler.submit(read));
  const none = scheduler.submit(read);
  b.setPriority(TaskPriority.HIGH);
  held.end();
  assertEquals(await Promise.all([a, b, none]), [
    ["a", "a"],
    ["b", "b"],
    [undefined, undefined],
  ]);
  await first;
  assertEquals(storage.getStore(), undefined);
});

/**
 * A program with two slots, weights, a key limit and a lease inside, aborted after `steps`
 * microtasks. Returns whether it had ended by then.
 */
async function abortedAfter(steps: number): Promise<boolean> {
  const controller = new AbortController();
  const { signal } = controller;
  const scheduler = new TaskScheduler({ maxConcurrent: 2, maxPerKey: 1 });
  const pool = new ResourcePool({ maxResources: 1, factory: () => ({}) });
  let inUse = 0;
  const work = async (context: { signal: AbortSignal }) => {
    await using lease = await pool.acquire({ signal: context.signal });
    assertEquals(++inUse, 1);
    try {
      await undefined;
      context.signal.throwIfAborted();
      await undefined;
      return lease.resource;
    } finally {
      inUse--;
    }
  };
  const handles = [1, 2, 1, 1, 2, 1].map((weight, index) =>
    watched(scheduler.submit(work, {
      weight,
      key: index % 2,
      signal,
      priority: (index % 3) as TaskPriority,
    }))
  );
  await microtasks(steps);
  const ended = handles.every(({ state }) => state === "succeeded");
  controller.abort("now");
  const outcomes = await Promise.allSettled(handles);
  await scheduler.onIdle();
  for (const [index, outcome] of outcomes.entries()) {
    const { state } = handles[index]!;
    assertEquals(
      state,
      outcome.status === "fulfilled" ? "succeeded" : "cancelled",
    );
    if (outcome.status === "rejected") assertEquals(outcome.reason, "now");
  }
  // Everything is there again: both slots at once, each key's place, and the resource.
  assertEquals([scheduler.running, scheduler.size, inUse], [0, 0, 0]);
  const held = new HeldTask();
  const both = [0, 1].map((key) => scheduler.submit(held.run, { key }));
  await microtasks();
  assertEquals([scheduler.running, held.starts], [2, 2]);
  held.end();
  await Promise.all(both);
  assert(await scheduler.submit(() => true, { weight: 2 }));
  assert(await pool.use(() => true));
  const { submitted, succeeded, failed, cancelled } = scheduler.stats();
  assertEquals(submitted, succeeded + failed + cancelled);
  assertEquals(failed, 0);
  await pool.close();
  assertEquals(timers.size, 0);
  return ended;
}

Deno.test("the same program aborted after its first step, its second, and so on to the end, loses nothing", async () => {
  await using _ = nothingLeft();
  let steps = 0;
  while (!await abortedAfter(steps)) {
    steps++;
    assert(steps < 500, "it never ends");
  }
  assert(steps > 20, `only ${steps} steps`);
});
