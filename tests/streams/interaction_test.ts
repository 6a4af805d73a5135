import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  asyncMap,
  AsyncPipeline,
  AsyncQueue,
  AsyncStream,
  StreamConsumedError,
  StreamOverflowError,
} from "../../streams/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import {
  asyncProbe,
  failureOf,
  never,
  settle,
  syncProbe,
} from "./support/probe.ts";
import { nothingLeft } from "../support/nothing_left.ts";

/** 0, 1, 2 … and the reasons for which it was cancelled. */
function cancellable(): {
  readable: ReadableStream<number>;
  reasons: unknown[];
} {
  let next = 0;
  const reasons: unknown[] = [];
  const readable = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(next++),
    cancel: (reason) => void reasons.push(reason),
  }, { highWaterMark: 0 });
  return { readable, reasons };
}

/** One chunk, then nothing; and the reasons for which it was cancelled. */
function idleAfterOne(): {
  readable: ReadableStream<number>;
  reasons: unknown[];
} {
  const reasons: unknown[] = [];
  const readable = new ReadableStream<number>({
    start: (controller) => controller.enqueue(1),
    cancel: (reason) => void reasons.push(reason),
  });
  return { readable, reasons };
}

for (
  const [name, options] of [
    ["one call at a time", {}],
    ["several calls at a time", { concurrency: 4 }],
  ] as const
) {
  Deno.test(`AsyncStream.timeout() does not wait for a function that hangs, with ${name}`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const source = asyncProbe();
    const failing = failureOf(
      AsyncStream.from(source).map(() => never(), options).timeout(20)
        .collect(),
    );
    await clock.tick(20);
    assertEquals((await failing as Error).name, "TimeoutError");
    assertEquals(source.returns, 1);
  });

  Deno.test(`AsyncStream.map() tells the source why it is left, with ${name}`, async () => {
    await using _ = nothingLeft();
    const { readable, reasons } = cancellable();
    const reader = AsyncStream.from(readable).map((n) => n, options)
      .toReadableStream().getReader();
    await reader.read();
    await reader.cancel("left");
    const failure = new Error("mapper");
    const other = cancellable();
    await failureOf(
      AsyncStream.from(other.readable).map(() => {
        throw failure;
      }, options).collect(),
    );
    assertEquals([reasons, other.reasons], [["left"], [failure]]);
  });
}

Deno.test("AsyncStream of a ReadableStream that was closed unread is consumed, not empty", async () => {
  await using _ = nothingLeft();
  const { readable, reasons } = cancellable();
  const stream = AsyncStream.from(readable);
  assertEquals(await stream.take(0).collect(), []);
  assertEquals(await stream.take(0).collect(), []);
  assertEquals(reasons.length, 1);
  assertInstanceOf(await failureOf(stream.collect()), StreamConsumedError);
});

Deno.test("AsyncStream.through() says that a transform is in use, and closes the source", async () => {
  await using _ = nothingLeft();
  const written = new TransformStream<number, number>();
  written.writable.getWriter();
  const read = new TransformStream<number, number>();
  read.readable.getReader();
  const sources = [syncProbe(), syncProbe()];
  assertInstanceOf(
    await failureOf(AsyncStream.from(sources[0]!).through(written).collect()),
    TypeError,
  );
  assertInstanceOf(
    await failureOf(AsyncStream.from(sources[1]!).through(read).collect()),
    StreamConsumedError,
  );
  assertEquals(sources.map((source) => source.returns), [1, 1]);
});

Deno.test("AsyncPipeline.toTransformStream() cancels a source that is idle", async () => {
  await using _ = nothingLeft();
  const { readable, reasons } = idleAfterOne();
  const pipeline = new AsyncPipeline<number>().addStage(asyncMap((n) => n));
  const reader = readable.pipeThrough(pipeline.toTransformStream()).getReader();
  await reader.read();
  await reader.cancel("left");
  await settle();
  assertEquals(reasons, ["left"]);
});

Deno.test("AsyncPipeline.toTransformStream() tells a source that is idle of a stage's failure", async () => {
  await using _ = nothingLeft();
  const { readable, reasons } = idleAfterOne();
  const failure = new Error("stage");
  const pipeline = new AsyncPipeline<number>().addStage(asyncMap(() => {
    throw failure;
  }));
  const reader = readable.pipeThrough(pipeline.toTransformStream()).getReader();
  assertEquals(await failureOf(reader.read()), failure);
  await settle();
  assertEquals(reasons, [failure]);
});

Deno.test("AsyncQueue.abort() fails a writer that is idle, also one that is made later", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  const writer = queue.writable.getWriter();
  const reason = new Error("stopped");
  queue.abort(reason);
  assertEquals(await failureOf(writer.closed), reason);
  const aborted = new AsyncQueue<number>();
  aborted.abort(reason);
  const late = aborted.writable.getWriter();
  assertEquals(await failureOf(late.closed), reason);
});

for (const operator of ["groupBy", "partition"] as const) {
  Deno.test(`AsyncStream.${operator}() closes the source before it fails with an overflow`, async () => {
    await using _ = nothingLeft();
    const source = asyncProbe();
    const stream = AsyncStream.from(source);
    const failing = operator === "groupBy"
      ? stream.groupBy(() => "all", { buffer: 2 }).collect()
      : stream.partition((n) => n < 0, { buffer: 2 })[0].collect();
    assertInstanceOf(await failureOf(failing), StreamOverflowError);
    assertEquals([source.returns, source.isClosed], [1, true]);
  });
}

Deno.test("AsyncStream.groupBy() fails a group that is read after it was left, rather than end it", async () => {
  await using _ = nothingLeft();
  const [entry] = await AsyncStream.range(0, 10).groupBy((n) => n % 2).take(1)
    .collect();
  // One was taken.
  const [, group] = entry!;
  const seen: number[] = [];
  const failure = await failureOf(group.forEach((n) => void seen.push(n)));
  assertInstanceOf(failure, StreamConsumedError);
  assertEquals(seen, [0]);
});

Deno.test("AsyncStream.retry() without pause lets timers run, and takes no stack", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const { signal } = controller;
  let attempts = 0;
  const timer = setInterval(() => {
    if (attempts > 100) controller.abort(new Error("by a timer"));
  }, 5);
  const endless = AsyncStream.from<number>(() => {
    attempts++;
    throw new Error("always");
  }).retry({ maxRetries: Infinity }).abortable(signal);
  assertEquals(await failureOf(endless.collect()), signal.reason);
  clearInterval(timer);
});

Deno.test("AsyncStream.retry() keeps the first failure when something inside can be read once", async () => {
  await using _ = nothingLeft();
  const once = asyncProbe({ failAt: 1, error: new Error("first") });
  const failure = await failureOf(
    AsyncStream.of(1).flatMap(() => once).retry().collect(),
  );
  assertInstanceOf(failure, StreamConsumedError);
  assertEquals((failure.cause as Error).message, "first");
});

Deno.test("AsyncStream.retry() refuses a concat() or zip() of which one source can be read once", () => {
  for (
    const stream of [
      AsyncStream.from(syncProbe()).concat([1]),
      AsyncStream.of(1).concat(syncProbe()),
      AsyncStream.of(1).zip(syncProbe()),
    ]
  ) {
    try {
      stream.retry();
    } catch (error) {
      assertInstanceOf(error, TypeError);
      continue;
    }
    throw new Error("retry() accepted it");
  }
  AsyncStream.of(1).concat([2]).zip([3]).retry();
});

Deno.test("AsyncStream.concat() closes the sources that it never comes to", async () => {
  await using _ = nothingLeft();
  const [taken, failed, unread] = [syncProbe(), syncProbe(), syncProbe()];
  await AsyncStream.of(1).concat(taken).take(1).collect();
  await failureOf(
    AsyncStream.of(1).map(() => {
      throw new Error("mapper");
    }).concat(failed).collect(),
  );
  await AsyncStream.of(1).concat(unread).take(0).collect();
  for (const source of [taken, failed, unread]) {
    assertEquals([source.pulls, source.returns], [0, 1]);
  }
});

Deno.test("AsyncStream.through() fails when the source fails to close after a break", async () => {
  await using _ = nothingLeft();
  const closeError = new Error("close");
  const source = asyncProbe({ closeError });
  const stream = AsyncStream.from(source).through(new TransformStream());
  assertEquals(await failureOf(stream.take(1).collect()), closeError);
});

Deno.test("AsyncStream.partition() of a source that has all at once serves two readers that begin together", async () => {
  const [even, odd] = AsyncStream.range(0, 1000)
    .partition((n) => n % 2 === 0, { buffer: 4 });
  assertEquals(await Promise.all([even.count(), odd.count()]), [500, 500]);
});

Deno.test("AsyncStream.groupBy() of a source that has all at once serves groups that are read as they come", async () => {
  const counts: Promise<number>[] = [];
  await AsyncStream.range(0, 999).groupBy((n) => n % 3, { buffer: 4 })
    .forEach(([, group]) => void counts.push(group.count()));
  assertEquals(await Promise.all(counts), [333, 333, 333]);
  const mapped = AsyncStream.range(0, 999).groupBy((n) => n % 3, { buffer: 4 })
    .map(([, group]) => group.count(), { concurrency: 3 });
  assertEquals(await mapped.collect(), [333, 333, 333]);
});

for (const overflow of ["drop-oldest", "drop-newest", "error"] as const) {
  Deno.test(`AsyncStream.tee() with ${overflow} takes from no reader that keeps up`, async () => {
    const [one, other] = AsyncStream.range(0, 1000)
      .tee(2, { buffer: 4, overflow });
    assertEquals(await Promise.all([one.count(), other.count()]), [1000, 1000]);
  });
}

for (const overflow of ["drop-oldest", "drop-newest", "error"] as const) {
  Deno.test(`AsyncStream.tee() with ${overflow} takes from no reader that pauses for others after a standstill`, async () => {
    const { now } = performance;
    let reads = 0;
    let stood = 0;
    performance.now = () => {
      if (++reads % 7 === 0) stood += 1_000;
      return now.call(performance) + stood;
    };
    try {
      const [one, other] = AsyncStream.range(0, 5000)
        .tee(2, { buffer: 4, overflow });
      assertEquals(await Promise.all([one.count(), other.count()]), [
        5000,
        5000,
      ]);
    } finally {
      performance.now = now;
    }
  });
}

Deno.test("AsyncStream.groupBy() takes no longer for an element when there are many groups", async () => {
  const start = performance.now();
  const groups = AsyncStream.range(0, 60_000).groupBy((n) => n % 20_000);
  const counts: Promise<number>[] = [];
  await groups.forEach(([, group]) => void counts.push(group.count()));
  const total = (await Promise.all(counts)).reduce((sum, n) => sum + n, 0);
  assertEquals(total, 60_000);
  // 0.3 s; over a minute when each element looks at every group.
  assert(performance.now() - start < 15_000);
});

Deno.test("AsyncStream.groupBy() names a group whose key is no text", async () => {
  await using _ = nothingLeft();
  const key = Object.create(null);
  const error = await AsyncStream.range(0, 10)
    .groupBy(() => key, { buffer: 1 }).drain().catch((error) => error);
  assertInstanceOf(error, StreamOverflowError);
  assert(error.message.includes("an object (no prototype)"));
});
