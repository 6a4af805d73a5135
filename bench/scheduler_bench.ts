/**
 * The scheduler beside its peers, what each option costs, and what a long queue costs.
 * Each iteration is a whole run; the ratios are what `deno bench` prints as its summary.
 *
 * @module
 */
import {
  AsyncRunner,
  type SchedulerOptions,
  type SubmitOptions,
  type TaskPriority,
  TaskScheduler,
} from "../runner/mod.ts";
import pMap, { pMapIterable } from "p-map";
import { schedulers } from "./peers.ts";

const CONCURRENCY = 10;
const COUNT = 100_000;
/** Iterations of a quick run, and of one that takes seconds. */
const MANY = { n: 15, warmup: 5 };
const FEW = { n: 2, warmup: 1 };

const task = async () => {
  await null;
  return 1;
};

async function ours(
  count: number,
  optionsOf: (index: number) => SubmitOptions | undefined,
  options: SchedulerOptions = {},
): Promise<void> {
  await using scheduler = new TaskScheduler({
    maxConcurrent: CONCURRENCY,
    ...options,
  });
  for (let i = 0; i < count; i++) scheduler.submit(task, optionsOf(i));
  await scheduler.onIdle();
}

const fivePriorities = (i: number) => ({ priority: i % 5 as TaskPriority });

const peers = `scheduler: ${COUNT} tasks at concurrency ${CONCURRENCY}`;
Deno.bench("TaskScheduler, five priorities", {
  group: peers,
  baseline: true,
  ...MANY,
}, async () => await ours(COUNT, fivePriorities));
Deno.bench("TaskScheduler, one priority", {
  group: peers,
  ...MANY,
}, async () => await ours(COUNT, () => undefined));
for (const [name, run] of Object.entries(schedulers)) {
  const slow = name.startsWith("p-queue") || name.startsWith("cockatiel");
  Deno.bench(name, { group: peers, ...(slow ? FEW : MANY) }, async () => {
    await run(COUNT, CONCURRENCY, task);
  });
}

const short = "scheduler: 100 times 1,000 tasks at concurrency 10";
Deno.bench("TaskScheduler, five priorities", {
  group: short,
  baseline: true,
  ...MANY,
}, async () => {
  for (let i = 0; i < 100; i++) await ours(1_000, fivePriorities);
});
for (
  const name of [
    "hand-written loops (no queue)",
    "p-map (no queue, no priorities)",
    "async.priorityQueue, five priorities",
    "p-limit",
  ]
) {
  Deno.bench(name, { group: short, ...MANY }, async () => {
    for (let i = 0; i < 100; i++) {
      await schedulers[name]?.(1_000, CONCURRENCY, task);
    }
  });
}

const batches = `gather and map: ${COUNT} at concurrency ${CONCURRENCY}`;
const tasks = Array.from({ length: COUNT }, () => task);
Deno.bench("runner.gather", {
  group: batches,
  baseline: true,
  ...MANY,
}, async () => {
  await using runner = new AsyncRunner({ maxWorkers: CONCURRENCY });
  await runner.gather(tasks);
});
Deno.bench("runner.map", { group: batches, ...MANY }, async () => {
  await using runner = new AsyncRunner({ maxWorkers: CONCURRENCY });
  for await (const _ of runner.map(tasks, task));
});
Deno.bench("p-map", { group: batches, ...MANY }, async () => {
  await pMap(tasks, task, { concurrency: CONCURRENCY });
});
Deno.bench("p-map's iterable", { group: batches, ...MANY }, async () => {
  const results = pMapIterable(tasks, task, { concurrency: CONCURRENCY });
  for await (const _ of results);
});

const costs = `what an option costs: ${COUNT} tasks`;
const shared = new AbortController().signal;
const used: Record<string, [(i: number) => SubmitOptions, SchedulerOptions?]> =
  {
    "none": [() => ({})],
    "a timeout": [() => ({ timeout: 60_000 })],
    "a shared signal": [() => ({ signal: shared })],
    "keys (20, five at once)": [(i) => ({ key: i % 20 }), { maxPerKey: 5 }],
    "aging": [fivePriorities, { aging: 1_000 }],
    "weights 1 to 3": [(i) => ({ weight: 1 + i % 3 })],
    "a rate limit that never holds": [() => ({}), {
      rateLimit: { limit: COUNT * 2, interval: 1 },
    }],
  };
for (const [name, [optionsOf, options]] of Object.entries(used)) {
  Deno.bench(name, {
    group: costs,
    baseline: name === "none",
    ...MANY,
  }, async () => await ours(COUNT, optionsOf, options));
}

const long = "a queue of 1,000,000 tasks";
Deno.bench("1,000,000 in one queue", {
  group: long,
  baseline: true,
  n: 3,
  warmup: 1,
}, async () => await ours(1_000_000, () => undefined));
Deno.bench("1,000 times 1,000", { group: long, n: 3, warmup: 1 }, async () => {
  for (let i = 0; i < 1_000; i++) await ours(1_000, () => undefined);
});
Deno.bench("cancel 1,000,000, one by one from the middle", {
  group: long,
  n: 3,
  warmup: 1,
}, async (bench) => {
  const scheduler = new TaskScheduler({ paused: true });
  const handles = Array.from(
    { length: 1_000_000 },
    () => scheduler.submit(task),
  );
  bench.start();
  for (let i = 0; i < handles.length; i++) {
    handles[(i + 500_000) % handles.length]?.cancel();
  }
  bench.end();
  // A million rejections: let them be handled before the next million.
  await scheduler.onIdle();
  await null;
});
