import { assert, assertEquals } from "@std/assert";
import { idleTimers, timers } from "../../../_internal/timer_queue.ts";
import { AsyncQueue, AsyncStream } from "../../../streams/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { asyncProbe, failureOf } from "../support/probe.ts";
import { abortListeners, nothingLeft } from "../../support/nothing_left.ts";

/** Collects what comes, with the time at which it came. */
function record<T>(clock: FakeClock, stream: AsyncStream<T>) {
  const start = clock.time.now;
  const seen: [time: number, value: T][] = [];
  const controller = new AbortController();
  let end: string | undefined;
  const running = stream.forEach(
    (value) => void seen.push([clock.time.now - start, value]),
    { signal: controller.signal },
  ).then(() => end = "ended", (error) => end = `failed: ${error}`);
  return { seen, running, controller, end: () => end };
}

/** Lets time pass as it does: the reactions to a timer run before the next millisecond. */
async function pass(clock: FakeClock, duration: number): Promise<void> {
  for (let passed = 0; passed < duration; passed++) await clock.tick(1);
}

/** Every operator on time, for the tests of what it leaves behind. */
const timed: [string, (stream: AsyncStream<number>) => AsyncStream<unknown>][] =
  [
    ["batch", (stream) => stream.batch(100, { timeout: 50 })],
    ["windowTime", (stream) => stream.windowTime(50)],
    ["debounce", (stream) => stream.debounce(50)],
    ["sample", (stream) => stream.sample(50)],
    ["throttle", (stream) => stream.throttle(50)],
    ["delay", (stream) => stream.delay(50)],
    ["timeout", (stream) => stream.timeout(50)],
    ["merge with interval", (stream) => stream.merge(AsyncStream.interval(50))],
  ];

for (const [name, operate] of timed) {
  Deno.test(`AsyncStream.${name}() leaves no timer and no open source after an abort, a break and a failure`, async () => {
    await using _ = nothingLeft();
    using clock = new FakeClock();
    const before = timers.size;
    for (const after of [0, 1, 25, 49, 50, 60]) {
      const aborted = asyncProbe({ hangAt: 2 });
      const { running, controller, end } = record(
        clock,
        operate(AsyncStream.from(aborted)),
      );
      await clock.tick(after);
      controller.abort("stop");
      await clock.settle();
      aborted.wake();
      await running;
      await clock.settle();
      assertEquals(timers.size, before, `aborted after ${after}`);
      if (end() === "failed: stop") assertEquals(aborted.returns, 1);

      const left = asyncProbe({ hangAt: 2 });
      const iterator = operate(AsyncStream.from(left))[Symbol.asyncIterator]();
      const pending = iterator.next().catch(() => {});
      await clock.tick(after);
      const returned = iterator.return?.();
      left.wake();
      await clock.settle();
      await returned;
      await pending;
      await clock.settle();
      assertEquals(
        [timers.size, left.returns],
        [before, 1],
        `left after ${after}`,
      );

      const failing = asyncProbe({ failAt: 1, error: "broken" });
      const recorded = record(clock, operate(AsyncStream.from(failing)));
      await clock.tick(200);
      assertEquals(recorded.end(), "failed: broken");
      assertEquals([timers.size, failing.returns], [before, 0]);
      for (const { signal } of [controller, recorded.controller]) {
        assertEquals(abortListeners(signal), 0);
      }
    }
  });
}

Deno.test("AsyncStream.batch() with a timeout gives a batch when it is full or so long after its first value", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const { seen, end } = record(
    clock,
    queue.stream().batch(3, { timeout: 100 }),
  );
  await clock.tick(500);
  assertEquals(seen, [], "no empty batch");
  for (const n of [1, 2, 3, 4]) queue.tryPut(n);
  await clock.tick(50);
  queue.tryPut(5);
  assertEquals(seen, [[500, [1, 2, 3]]]);
  await clock.tick(49);
  assertEquals(seen.length, 1);
  await clock.tick(1);
  assertEquals(
    seen.slice(1),
    [[600, [4, 5]]],
    "an old timer does not flush the next batch",
  );
  queue.tryPut(6);
  await clock.tick(99);
  queue.close();
  await clock.settle();
  assertEquals(seen.slice(2), [[699, [6]]]);
  assertEquals([end(), timers.size], ["ended", 0]);
});

Deno.test("AsyncStream.batch() with a timeout leaves no empty batch after an exact multiple", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const { seen } = record(
    clock,
    AsyncStream.range(0, 4).batch(2, { timeout: 10 }),
  );
  await clock.tick(100);
  assertEquals(seen.map(([, batch]) => batch), [[0, 1], [2, 3]]);
});

Deno.test("AsyncStream.batch() with a timeout loses and reorders nothing while the consumer is busy", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const seen: number[][] = [];
  const running = queue.stream().batch(4, { timeout: 10 }).forEach(
    async (batch) => {
      seen.push(batch);
      await new Promise((resolve) => setTimeout(resolve, 35));
    },
  );
  for (let n = 0; n < 20; n++) {
    queue.tryPut(n);
    await clock.tick(7);
  }
  queue.close();
  for (let n = 0; n < 20; n++) await clock.tick(40);
  await running;
  assertEquals(seen.flat(), Array.from({ length: 20 }, (_, n) => n));
  assertEquals(
    seen.every((batch) => batch.length > 0 && batch.length <= 4),
    true,
  );
});

Deno.test("AsyncStream.batch() with a timeout delivers the partial batch before a failure, or drops it", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  for (
    const [onError, expected] of [["deliver", [[0, 1], [2]]], ["drop", [[
      0,
      1,
    ]]]] as ["deliver" | "drop", number[][]][]
  ) {
    const { seen, end } = record(
      clock,
      AsyncStream.from(asyncProbe({ failAt: 3, error: "broken" })).batch(2, {
        timeout: 10,
        onError,
      }),
    );
    await clock.tick(100);
    assertEquals([seen.map(([, batch]) => batch), end()], [
      expected,
      "failed: broken",
    ]);
  }
});

Deno.test("AsyncStream.interval() keeps its rhythm and makes no bursts", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const { seen, controller, running } = record(clock, AsyncStream.interval(10));
  await clock.tick(10);
  await clock.tick(10);
  await clock.tick(5);
  assertEquals(seen, [[10, 0], [20, 1]]);
  controller.abort();
  await running;
  assertEquals(timers.size, 0);

  const iterator = AsyncStream.interval(10)[Symbol.asyncIterator]();
  const first = iterator.next();
  await clock.tick(10);
  await first;
  await clock.tick(95);
  const start = clock.time.now;
  const second = iterator.next();
  await clock.tick(5);
  assertEquals([(await second).value, clock.time.now - start], [1, 5]);
  await iterator.return?.();
});

Deno.test("AsyncStream.debounce() gives the last value before a silence, and the last one at the end", async () => {
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const { seen, end } = record(clock, queue.stream().debounce(10));
  for (const [wait, n] of [[0, 1], [5, 2], [5, 3], [20, 4], [9, 5]] as const) {
    await pass(clock, wait);
    queue.tryPut(n);
  }
  await clock.settle();
  assertEquals(seen, [[20, 3]]);
  queue.close();
  await clock.settle();
  assertEquals([seen.slice(1), end()], [[[39, 5]], "ended"]);
});

Deno.test("AsyncStream.throttle() gives the first value, then none for a period", async () => {
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const { seen, end } = record(clock, queue.stream().throttle(10));
  for (let n = 0; n < 25; n++) {
    queue.tryPut(n);
    await clock.tick(1);
  }
  queue.close();
  await clock.settle();
  assertEquals([seen, end()], [[[0, 0], [10, 10], [20, 20]], "ended"]);
});

Deno.test("AsyncStream.sample() gives the latest value at each tick, if there is a new one", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const { seen, controller, running } = record(
    clock,
    queue.stream().sample(10),
  );
  for (const n of [1, 2, 3]) {
    queue.tryPut(n);
    await pass(clock, 4);
  }
  await pass(clock, 30);
  queue.tryPut(4);
  await pass(clock, 20);
  assertEquals(seen, [[10, 3], [50, 4]]);
  controller.abort();
  await running;
});

Deno.test("AsyncStream.delay() shifts all values by the same time, however many come at once", async () => {
  using clock = new FakeClock();
  const { seen, end } = record(clock, AsyncStream.range(0, 100).delay(10));
  await pass(clock, 9);
  assertEquals([seen.length, end()], [0, undefined]);
  await pass(clock, 1);
  assertEquals(
    [seen, end()],
    [Array.from({ length: 100 }, (_, n) => [10, n]), "ended"],
  );
});

Deno.test("AsyncStream.delay() keeps the distances, and gives the failure after the last value", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const queue = new AsyncQueue<string>();
  const { seen, end } = record(clock, queue.stream().delay(10));
  for (const [wait, value] of [[0, "a"], [3, "b"], [4, "c"]] as const) {
    await pass(clock, wait);
    queue.tryPut(value);
  }
  queue.close("broken");
  await pass(clock, 9);
  assertEquals([seen, end()], [[[10, "a"], [13, "b"]], undefined]);
  await pass(clock, 1);
  assertEquals(
    [seen, end()],
    [[[10, "a"], [13, "b"], [17, "c"]], "failed: broken"],
  );
});

Deno.test("AsyncStream.delay() reads no more than its buffer ahead, and nothing while a due value waits", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  let reads = 0;
  const stream = AsyncStream.range(0).tap(() => reads++)
    .delay(10, { buffer: 4 });
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  await pass(clock, 50);
  assertEquals(await first, { done: false, value: 0 });
  // Four under way at first; all were due at once, and three of them wait to be taken.
  assertEquals(reads, 4);
  for (const n of [1, 2, 3]) {
    assertEquals(await iterator.next(), { done: false, value: n });
  }
  assertEquals(reads, 8);
  await iterator.return?.();
  await pass(clock, 50);
  assertEquals(reads, 8);
});

Deno.test("AsyncStream.delay() of 0 changes nothing and waits for nothing", async () => {
  using _ = new FakeClock();
  assertEquals(await AsyncStream.of(1, 2).delay(0).collect(), [1, 2]);
});

Deno.test("AsyncStream.windowTime() gives what came in each stretch of time, none that is empty", async () => {
  using clock = new FakeClock();
  const queue = new AsyncQueue<number>();
  const { seen, end } = record(clock, queue.stream().windowTime(10));
  for (const [wait, n] of [[0, 1], [9, 2], [2, 3], [25, 4], [2, 5]] as const) {
    await pass(clock, wait);
    queue.tryPut(n);
  }
  await clock.tick(1);
  queue.close();
  await clock.settle();
  assertEquals([seen, end()], [
    [[10, [1, 2]], [20, [3]], [39, [4, 5]]],
    "ended",
  ]);
});

Deno.test("AsyncStream.timeout() counts the wait for each value, not the consumer's time", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const iterator = AsyncStream.interval(8).timeout(10)[Symbol.asyncIterator]();
  for (let n = 0; n < 3; n++) {
    const next = iterator.next();
    await clock.tick(8);
    assertEquals((await next).value, n);
    await clock.tick(100);
  }
  await iterator.return?.();
  const slow = failureOf(AsyncStream.interval(20).timeout(10).first());
  await clock.tick(10);
  assertEquals((await slow as DOMException).name, "TimeoutError");
  assertEquals(timers.size, 0);
});

Deno.test("AsyncStream.retry() waits between attempts", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const times: number[] = [];
  const { end } = record(
    clock,
    AsyncStream.from<number>(() => {
      times.push(clock.time.now);
      throw "down";
    }).retry({ maxRetries: 3, delay: (attempt) => attempt * 10 }),
  );
  for (let n = 0; n < 7; n++) await clock.tick(10);
  assertEquals(times.map((time) => time - (times[0] ?? 0)), [0, 10, 30, 60]);
  assertEquals([end(), timers.size], ["failed: down", 0]);
});

for (const isBegun of [false, true]) {
  Deno.test(
    `AsyncStream.tee() ${
      isBegun
        ? "is silent about a branch that is read slowly"
        : "says once what it waits for when one branch is not begun, and goes on when it is"
    }`,
    async () => {
      using clock = new FakeClock();
      const reported: string[] = [];
      const { error: consoleError } = console;
      console.error = (...values: unknown[]) => reported.push(values.join(" "));
      try {
        const [a, b] = AsyncStream.range(0, 100).tee(2, { buffer: 4 });
        const slow = b[Symbol.asyncIterator]();
        if (isBegun) await slow.next();
        let hasEnded = false;
        const all = a.collect().finally(() => hasEnded = true);
        await clock.settle();
        await clock.tick(4999);
        assertEquals(reported, []);
        await clock.tick(1);
        await clock.tick(60_000);
        assertEquals([reported.length, hasEnded], [isBegun ? 0 : 1, false]);
        if (!isBegun) assert(reported[0]?.includes("Promise.all"), reported[0]);
        let rest = isBegun ? 1 : 0;
        while (!(await slow.next()).done) rest++;
        assertEquals([(await all).length, rest], [100, 100]);
        assertEquals(idleTimers.size, 0);
      } finally {
        console.error = consoleError;
      }
    },
  );
}

Deno.test("AsyncStream.tee() leaves no timer of its message behind when the waiting reader goes", async () => {
  await using _ = nothingLeft();
  const [a] = AsyncStream.range(0).tee(2, { buffer: 4 });
  const iterator = a[Symbol.asyncIterator]();
  for (let n = 0; n < 4; n++) await iterator.next();
  const waiting = iterator.next();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(idleTimers.size, 1);
  await iterator.return?.();
  assertEquals((await waiting).done, true);
  assertEquals(idleTimers.size, 0);
});
