/**
 * The headline table of async_core's documentation (tasks 8 to 10x, HTTP 5 to 8x, files 3 to 5x,
 * streams 2 to 3x over doing it one after the other), measured here: each group's first row is the
 * sequential program, the others what this package makes of it.
 *
 * @module
 */
import { asyncReadFile, asyncWriteFile, readAll } from "../file/mod.ts";
import { asyncBatchRequests, AsyncHTTPClient } from "../http/mod.ts";
import { AsyncRunner } from "../runner/mod.ts";
import { AsyncStream } from "../streams/mod.ts";
import { benchDirectory, inLoops } from "./file_support.ts";
import { startServer } from "./http_process.ts";

const FEW = { n: 3, warmup: 1 };

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

// Tasks

const tasks = "claim: 40 tasks of 10 ms, 10 workers";
Deno.bench("one after the other", { group: tasks, ...FEW }, async () => {
  for (let n = 0; n < 40; n++) await pause(10);
});
Deno.bench("AsyncRunner.gather", {
  group: tasks,
  baseline: true,
  ...FEW,
}, async () => {
  await using runner = new AsyncRunner({ maxWorkers: 10 });
  await runner.gather(Array.from({ length: 40 }, () => () => pause(10)));
});

// HTTP

const slow = `${await startServer()}/slow`;
const client = new AsyncHTTPClient({ retryPolicy: { maxRetries: 3 } });
const requests = "claim: 40 requests of 50 ms, 10 at a time";
Deno.bench(
  "one after the other",
  { group: requests, n: 1, warmup: 0 },
  async () => {
    for (let n = 0; n < 40; n++) await client.get(slow).json();
  },
);
Deno.bench("asyncBatchRequests", {
  group: requests,
  baseline: true,
  ...FEW,
}, async () => {
  await asyncBatchRequests(Array(40).fill(slow), { client, maxConcurrent: 10 });
});

// Files

const directory = benchDirectory();
const paths = Array.from({ length: 2_000 }, (_, n) => `${directory}/${n}`);
const content = "x".repeat(4_096);
for (const path of paths) Deno.writeTextFileSync(path, content);

const reads = "claim: 2,000 files of 4 KiB read, 16 at once";
Deno.bench("one after the other", { group: reads, ...FEW }, async () => {
  for (const path of paths) await asyncReadFile(path);
});
Deno.bench("readAll", { group: reads, baseline: true, ...FEW }, async () => {
  await readAll(paths).count();
});

const writes = "claim: 2,000 files of 4 KiB written, 16 at once";
Deno.bench("one after the other", { group: writes, ...FEW }, async () => {
  for (const path of paths) await asyncWriteFile(path, content);
});
Deno.bench("asyncWriteFile", {
  group: writes,
  baseline: true,
  ...FEW,
}, async () => {
  await inLoops(paths, 16, (path) => asyncWriteFile(path, content));
});

// Streams

const waiting =
  "claim: a stream of 100 elements that wait 10 ms each, 8 at once";
Deno.bench("one after the other", { group: waiting, ...FEW }, async () => {
  for (let n = 0; n < 100; n++) await pause(10);
});
Deno.bench("AsyncStream.map, concurrency 8", {
  group: waiting,
  baseline: true,
  ...FEW,
}, async () => {
  await AsyncStream.range(0, 100).map(() => pause(10), { concurrency: 8 })
    .drain();
});

const computing = "claim: a stream of 1,000,000 numbers, map, filter, batch";
const COUNT = 1_000_000;
async function* map(source: AsyncIterable<number>) {
  for await (const n of source) yield n * 2;
}
async function* filter(source: AsyncIterable<number>) {
  for await (const n of source) if (n % 3 !== 0) yield n;
}
async function* batch(source: AsyncIterable<number>) {
  let items: number[] = [];
  for await (const n of source) {
    if (items.push(n) === 100) {
      yield items;
      items = [];
    }
  }
  yield items;
}
// Asynchronous in its protocol, as the source document's streams are, and in nothing else.
async function* numbers() {
  for (let n = 0; n < COUNT; n++) yield n;
}
Deno.bench(
  "async generators, one in the other",
  { group: computing, ...FEW },
  async () => {
    for await (const _ of batch(filter(map(numbers()))));
  },
);
Deno.bench("AsyncStream over an async generator", {
  group: computing,
  baseline: true,
  ...FEW,
}, async () => {
  await new AsyncStream(numbers()).map((n) => n * 2)
    .filter((n) => n % 3 !== 0).batch(100).drain();
});
Deno.bench("AsyncStream.range", { group: computing, ...FEW }, async () => {
  await AsyncStream.range(0, COUNT).map((n) => n * 2)
    .filter((n) => n % 3 !== 0).batch(100).drain();
});
Deno.bench("hand-written loop", { group: computing, ...FEW }, () => {
  let items: number[] = [];
  for (let n = 0; n < COUNT; n++) {
    const doubled = n * 2;
    if (doubled % 3 !== 0 && items.push(doubled) === 100) items = [];
  }
});
