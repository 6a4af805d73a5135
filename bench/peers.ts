/**
 * The schedulers that ours is measured beside, each behind one call: run `count` tasks at a
 * concurrency and wait until all have settled.
 *
 * @module
 */
import { priorityQueue, queue } from "async";
import { bulkhead } from "cockatiel";
import { Effect } from "effect";
import fastq from "fastq";
import pLimit from "p-limit";
import pMap from "p-map";
import PQueue from "p-queue";

/** Runs `count` calls of `task`, `concurrency` at once. */
export type RunAll = (
  count: number,
  concurrency: number,
  task: () => Promise<unknown>,
) => Promise<unknown>;

/** By name, the quick ones first. */
export const schedulers: Record<string, RunAll> = {
  "hand-written loops (no queue)": async (count, concurrency, task) => {
    let next = 0;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (next++ < count) await task();
      }),
    );
  },
  "p-map (no queue, no priorities)": (count, concurrency, task) =>
    pMap(Array(count).fill(0), task, { concurrency }),
  "async.queue": async (count, concurrency, task) => {
    const tasks = queue(async (_: number) => await task(), concurrency);
    for (let i = 0; i < count; i++) tasks.push(i);
    await tasks.drain();
  },
  "fastq": async (count, concurrency, task) => {
    const tasks = fastq.promise(async (_: number) => await task(), concurrency);
    const all = [];
    for (let i = 0; i < count; i++) all.push(tasks.push(i));
    await Promise.all(all);
  },
  "p-limit": async (count, concurrency, task) => {
    const limit = pLimit(concurrency);
    const all = [];
    for (let i = 0; i < count; i++) all.push(limit(task));
    await Promise.all(all);
  },
  "async.priorityQueue, five priorities": async (count, concurrency, task) => {
    const tasks = priorityQueue(async (_: number) => await task(), concurrency);
    for (let i = 0; i < count; i++) tasks.push(i, i % 5);
    await tasks.drain();
  },
  "effect": (count, concurrency, task) =>
    Effect.runPromise(
      Effect.forEach(Array(count).fill(0), () => Effect.promise(task), {
        concurrency,
        discard: true,
      }),
    ),
  "cockatiel bulkhead": async (count, concurrency, task) => {
    const policy = bulkhead(concurrency, Infinity);
    const all = [];
    for (let i = 0; i < count; i++) all.push(policy.execute(task));
    await Promise.all(all);
  },
  "p-queue, five priorities": async (count, concurrency, task) => {
    const tasks = new PQueue({ concurrency });
    const all = [];
    for (let i = 0; i < count; i++) {
      all.push(tasks.add(task, { priority: i % 5 }));
    }
    await Promise.all(all);
  },
};
