/**
 * Streams beside their peers and beside hand-written loops, in one run. The work is a million
 * integers through map, filter and batch(100) into an array, unless a group says otherwise.
 * The heap is printed where a group is about memory.
 *
 * @module
 */
import { MuxAsyncIterator, pooledMap } from "@std/async";
import { Effect, Stream } from "effect";
import { from as ixFrom } from "ix/asynciterable";
import {
  buffer as ixBufferCount,
  filter as ixFilter,
  map as ixMap,
} from "ix/asynciterable/operators";
import { Readable } from "node:stream";
import { pMapIterable } from "p-map";
import {
  bufferCount,
  filter,
  from,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  reduce,
  toArray,
} from "rxjs";
import * as si from "streaming-iterables";
import { asyncMerge, AsyncStream } from "../streams/mod.ts";

const COUNT = 1_000_000;
const MANY = { n: 9, warmup: 3 };
const FEW = { n: 3, warmup: 1 };
const ONCE = { n: 1, warmup: 0 };

const double = (n: number) => n * 2;
const isKept = (n: number) => n % 3 !== 0;

function* numbers(count = COUNT): Generator<number> {
  for (let n = 0; n < count; n++) yield n;
}

async function* numbersLater(count = COUNT): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n;
}

function readable(count = COUNT): ReadableStream<number> {
  let n = 0;
  return new ReadableStream<number>({
    pull: (controller) =>
      n < count ? controller.enqueue(n++) : controller.close(),
  });
}

function byHand(source: Iterable<number>): number[][] {
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const value of source) {
    const doubled = double(value);
    if (!isKept(doubled)) continue;
    if (batch.push(doubled) === 100) {
      batches.push(batch);
      batch = [];
    }
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

async function byHandLater(source: AsyncIterable<number>): Promise<number[][]> {
  const batches: number[][] = [];
  let batch: number[] = [];
  for await (const value of source) {
    const doubled = double(value);
    if (!isKept(doubled)) continue;
    if (batch.push(doubled) === 100) {
      batches.push(batch);
      batch = [];
    }
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

const ours = (source: ConstructorParameters<typeof AsyncStream<number>>[0]) =>
  new AsyncStream(source).map(double).filter(isKept).batch(100).collect();

const sync = "synchronous source: map, filter, batch of 1,000,000";
Deno.bench(
  "AsyncStream",
  { group: sync, baseline: true, ...MANY },
  async () => {
    await ours(numbers());
  },
);
Deno.bench("hand-written loop", { group: sync, ...MANY }, () => {
  byHand(numbers());
});
Deno.bench("native iterator helpers", { group: sync, ...MANY }, () => {
  // They have no batch: the loop over the end of the chain makes them.
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const value of numbers().map(double).filter(isKept)) {
    if (batch.push(value) === 100) {
      batches.push(batch);
      batch = [];
    }
  }
});
Deno.bench("rxjs", { group: sync, ...MANY }, async () => {
  await lastValueFrom(
    from(numbers()).pipe(
      map(double),
      filter(isKept),
      bufferCount(100),
      toArray(),
    ),
  );
});
Deno.bench("Effect (its range)", { group: sync, ...FEW }, async () => {
  await Effect.runPromise(
    Stream.range(0, COUNT - 1).pipe(
      Stream.map(double),
      Stream.filter(isKept),
      Stream.grouped(100),
      Stream.runCollect,
    ),
  );
});
Deno.bench(
  "three native TransformStreams",
  { group: sync, ...ONCE },
  async () => {
    let batch: number[] = [];
    const stages = ReadableStream.from(numbers())
      .pipeThrough(
        new TransformStream<number, number>({
          transform: (value, controller) => controller.enqueue(double(value)),
        }),
      )
      .pipeThrough(
        new TransformStream<number, number>({
          transform: (value, controller) => {
            if (isKept(value)) controller.enqueue(value);
          },
        }),
      )
      .pipeThrough(
        new TransformStream<number, number[]>({
          transform: (value, controller) => {
            if (batch.push(value) < 100) return;
            controller.enqueue(batch);
            batch = [];
          },
        }),
      );
    await Array.fromAsync(stages);
  },
);

const array = "array: map, filter, batch of 1,000,000";
const values = Array.from(numbers());
Deno.bench("AsyncStream of an array", {
  group: array,
  baseline: true,
  ...MANY,
}, async () => {
  await ours(values);
});
Deno.bench("hand-written loop over it", { group: array, ...MANY }, () => {
  byHand(values);
});

const later = "asynchronous source: map, filter, batch of 1,000,000";
Deno.bench("AsyncStream of an async generator", {
  group: later,
  baseline: true,
  ...FEW,
}, async () => {
  await ours(numbersLater());
});
Deno.bench("hand-written for await", { group: later, ...FEW }, async () => {
  await byHandLater(numbersLater());
});
Deno.bench("rxjs of an async generator", { group: later, ...FEW }, async () => {
  await lastValueFrom(
    from(numbersLater()).pipe(
      map(double),
      filter(isKept),
      bufferCount(100),
      toArray(),
    ),
  );
});
Deno.bench("streaming-iterables", { group: later, ...FEW }, async () => {
  await si.collect(
    si.batch(100, si.filter(isKept, si.map(double, numbersLater()))),
  );
});
// Of the slow ones a tenth of the elements: read their times tenfold.
Deno.bench("IxJS, 100,000 only", { group: later, ...ONCE }, async () => {
  const batches = ixFrom(numbersLater(COUNT / 10)).pipe(
    ixMap(double),
    ixFilter(isKept),
    ixBufferCount(100),
  );
  let count = 0;
  for await (const _ of batches) count++;
});
Deno.bench(
  "Node's stream operators, 100,000 only",
  { group: later, ...ONCE },
  async () => {
    await Readable.from(numbersLater(COUNT / 10)).map(double).filter(isKept)
      .toArray();
  },
);
Deno.bench(
  "Effect of an async generator",
  { group: later, ...ONCE },
  async () => {
    await Effect.runPromise(
      Stream.fromAsyncIterable(numbersLater(COUNT / 10), (error) => error).pipe(
        Stream.map(double),
        Stream.filter(isKept),
        Stream.grouped(100),
        Stream.runCollect,
      ),
    );
  },
);

const web = "ReadableStream source, sum of 1,000,000";
Deno.bench("AsyncStream of a ReadableStream", {
  group: web,
  baseline: true,
  ...FEW,
}, async () => {
  await new AsyncStream(readable()).reduce((sum, n) => sum + n, 0);
});
Deno.bench("bare for await over values()", { group: web, ...FEW }, async () => {
  let sum = 0;
  for await (const value of readable().values()) sum += value;
});

const iterated = "read by for await, 1,000,000";
const lines = Array.from({ length: 1000 }, (_, n) => `line ${n}`);
const batched = () =>
  AsyncStream.fromBatches(() => {
    let left = COUNT / lines.length;
    return { pull: () => left-- > 0 ? lines : undefined };
  });
Deno.bench("batch source, for await", {
  group: iterated,
  baseline: true,
  ...FEW,
}, async () => {
  let length = 0;
  for await (const line of batched()) length += line.length;
});
Deno.bench("batch source, forEach", { group: iterated, ...FEW }, async () => {
  let length = 0;
  await batched().forEach((line) => {
    length += line.length;
  });
});
Deno.bench(
  "async generator, map, for await",
  { group: iterated, ...FEW },
  async () => {
    let sum = 0;
    for await (const value of new AsyncStream(numbersLater()).map(double)) {
      sum += value;
    }
  },
);
Deno.bench(
  "async generator, bare for await",
  { group: iterated, ...FEW },
  async () => {
    let sum = 0;
    for await (const value of numbersLater()) sum += double(value);
  },
);

const fused = "fused operators over 1,000,000";
for (const operators of [1, 3, 10]) {
  Deno.bench(`${operators} maps`, {
    group: fused,
    baseline: operators === 1,
    ...FEW,
  }, async () => {
    let stream = new AsyncStream(numbers());
    for (let n = 0; n < operators; n++) stream = stream.map((n) => n + 1);
    await stream.drain();
  });
}

const concurrent = "map with concurrency 16 over 100,000";
const CALLS = 100_000;
const call = async (n: number) => {
  await null;
  return n;
};
Deno.bench("AsyncStream, ordered", {
  group: concurrent,
  baseline: true,
  ...MANY,
}, async () => {
  await new AsyncStream(numbers(CALLS)).map(call, { concurrency: 16 }).count();
});
Deno.bench(
  "AsyncStream, unordered",
  { group: concurrent, ...MANY },
  async () => {
    await new AsyncStream(numbers(CALLS))
      .map(call, { concurrency: 16, ordered: false }).count();
  },
);
Deno.bench(
  "rxjs mergeMap (unordered)",
  { group: concurrent, ...FEW },
  async () => {
    await lastValueFrom(
      from(numbersLater(CALLS)).pipe(
        mergeMap(call, 16),
        reduce((count) => count + 1, 0),
      ),
    );
  },
);
Deno.bench("p-map's pMapIterable", { group: concurrent, ...MANY }, async () => {
  let count = 0;
  for await (
    const _ of pMapIterable(numbers(CALLS), call, { concurrency: 16 })
  ) count++;
});
Deno.bench(
  "streaming-iterables parallelMap",
  { group: concurrent, ...FEW },
  async () => {
    let count = 0;
    for await (const _ of si.parallelMap(16, call, numbers(CALLS))) count++;
  },
);
Deno.bench("std's pooledMap", { group: concurrent, ...FEW }, async () => {
  let count = 0;
  for await (const _ of pooledMap(16, numbers(CALLS), call)) count++;
});

const merged = "merge of 10 async generators, 1,000,000 together";
const ten = () => Array.from({ length: 10 }, () => numbersLater(COUNT / 10));
Deno.bench(
  "asyncMerge",
  { group: merged, baseline: true, ...FEW },
  async () => {
    await asyncMerge(...ten()).count();
  },
);
Deno.bench(
  "rxjs merge (no backpressure)",
  { group: merged, ...FEW },
  async () => {
    await lastValueFrom(
      merge(...ten().map((source) => from(source))).pipe(
        reduce((count) => count + 1, 0),
      ),
    );
  },
);
Deno.bench(
  "streaming-iterables parallelMerge",
  { group: merged, ...FEW },
  async () => {
    let count = 0;
    for await (const _ of si.parallelMerge(...ten())) count++;
  },
);
Deno.bench("std's MuxAsyncIterator", { group: merged, ...FEW }, async () => {
  const mux = new MuxAsyncIterator<number>();
  for (const source of ten()) mux.add(source);
  let count = 0;
  for await (const _ of mux) count++;
});

const timed = "batch(100) of 1,000,000 from an async generator";
Deno.bench("batch", { group: timed, baseline: true, ...FEW }, async () => {
  await new AsyncStream(numbersLater()).batch(100).count();
});
Deno.bench("batch with a timeout", { group: timed, ...FEW }, async () => {
  await new AsyncStream(numbersLater()).batch(100, { timeout: 1000 }).count();
});

const large = "constant memory";
const watched = new Set<string>();
/**
 * Prints how the heap grows while `stream` is read: once, though a bench is called three times
 * at least.
 */
async function watchHeap(name: string, stream: AsyncStream<unknown>) {
  if (watched.has(name)) return;
  watched.add(name);
  const started = performance.now();
  const start = Deno.memoryUsage().heapUsed;
  let most = 0;
  let count = 0;
  await stream.forEach(() => {
    if (++count % 500_000 === 0) {
      most = Math.max(most, Deno.memoryUsage().heapUsed - start);
    }
  });
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `# ${name}: at most ${(most / 2 ** 20).toFixed(1)} MiB more heap, ${
      seconds.toFixed(1)
    } s`,
  );
}
Deno.bench("100,000,000 elements through a chain", {
  group: large,
  ...ONCE,
}, async () => {
  await watchHeap(
    "100,000,000 elements",
    AsyncStream.range(0, 100_000_000).map(double).filter(isKept).window(2)
      .map(([a = 0, b = 0]) => a + b),
  );
});
Deno.bench("10,000,000 merged beside a source that never settles", {
  group: large,
  ...ONCE,
}, async () => {
  const never: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
  };
  await watchHeap(
    "10,000,000 merged beside a source that never settles",
    asyncMerge(numbersLater(10_000_000), never).take(10_000_000),
  );
});
