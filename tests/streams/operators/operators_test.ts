import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AsyncQueue,
  AsyncStream,
  StreamConsumedError,
  StreamOverflowError,
} from "../../../streams/mod.ts";
import {
  asyncProbe,
  failureOf,
  never,
  settle,
  syncProbe,
  unclosed,
} from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { captureReports } from "../../support/captured_console.ts";

Deno.test("AsyncStream runs the pipelines of the source document", async () => {
  const stream = new AsyncStream([1, 2, 3, 4, 5]);
  assertEquals(
    await stream.map((x) => x * 2).filter((x) => x > 5).collect(),
    [6, 8, 10],
  );
  const batches = await AsyncStream.range(0, 250).map((x) => x * 2)
    .filter((x) => x % 4 === 0).batch(100).collect();
  assertEquals(batches.map((batch) => batch.length), [100, 25]);
});

Deno.test("AsyncStream awaits thenables wherever they appear", async () => {
  const thousandth = (n: number) => n === 999 ? Promise.resolve(n) : n;
  const all = Array.from({ length: 1000 }, (_, n) => n);
  const numbers = () => AsyncStream.range(0, 1000);
  assertEquals(await numbers().map(thousandth).collect(), all);
  assertEquals(
    await numbers().map((n) => n === 0 ? Promise.resolve(n) : n).collect(),
    all,
  );
  assertEquals(
    await numbers().filter((n) => n === 999 ? Promise.resolve(true) : true)
      .count(),
    1000,
  );
  assertEquals(
    await numbers().filter((n) => n === 999 ? Promise.resolve(false) : true)
      .count(),
    999,
  );
  assertEquals(
    await numbers().flatMap((n) => n === 999 ? Promise.resolve([n]) : [n])
      .collect(),
    all,
  );
  assertEquals(await numbers().tap(thousandth).count(), 1000);
  assertEquals(
    await numbers().scan((sum, n) =>
      n === 999 ? Promise.resolve(sum + n) : sum + n
    ).last(),
    499500,
  );
  assertEquals(
    await numbers().reduce(
      (sum, n) => n === 999 ? Promise.resolve(sum + n) : sum + n,
      0,
    ),
    499500,
  );
  assertEquals(
    await numbers().takeWhile((n) => Promise.resolve(n < 5)).collect(),
    [0, 1, 2, 3, 4],
  );
  assertEquals(
    await numbers().dropWhile((n) => Promise.resolve(n < 998)).collect(),
    [998, 999],
  );
  assertEquals(
    await numbers().distinct((n) => Promise.resolve(n % 3)).collect(),
    [0, 1, 2],
  );
  assertEquals(
    await AsyncStream.of(1, 3, 2).distinctUntilChanged((n) =>
      Promise.resolve(n % 2)
    ).collect(),
    [1, 2],
  );
  assertEquals(await numbers().some((n) => Promise.resolve(n === 999)), true);
  assertEquals(await numbers().every((n) => Promise.resolve(n < 999)), false);
  assertEquals(
    (await numbers().toMap((n) => Promise.resolve(n % 2), thousandth)).get(1),
    999,
  );
  // A foreign thenable, and promises in a synchronous source.
  const foreign: PromiseLike<number> = {
    then: (resolve) => Promise.resolve(7).then(resolve),
  };
  assertEquals(await AsyncStream.of(1).map(() => foreign).collect(), [7]);
  assertEquals(await AsyncStream.from([1, Promise.resolve(2), 3]).collect(), [
    1,
    2,
    3,
  ]);
  assertEquals(
    await AsyncStream.from(new Set([Promise.resolve(2), 3])).collect(),
    [2, 3],
  );
});

Deno.test("AsyncStream closes a synchronous iterator whose element rejects", async () => {
  await using _ = nothingLeft();
  const source = syncProbe();
  const rejecting = {
    next: () => ({
      done: false as const,
      value: Promise.reject(new Error("element")),
    }),
    return: () =>
      source.return?.() ?? { done: true as const, value: undefined },
    [Symbol.iterator]() {
      return this;
    },
  };
  const error = await failureOf(AsyncStream.from(rejecting).collect());
  assertEquals((error as Error).message, "element");
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream reads a one-shot source once and says so the second time", async () => {
  await using _ = nothingLeft();
  for (
    const make of [
      () => [1, 2].values(),
      async function* () {
        yield 1;
      },
      () => ReadableStream.from([1]),
    ]
  ) {
    const source = make();
    const stream = AsyncStream.from<number>(source);
    await stream.drain();
    assert(
      await failureOf(stream.map((n) => n).drain()) instanceof
        StreamConsumedError,
    );
    assert(
      await failureOf(AsyncStream.from<number>(source).drain()) instanceof
        StreamConsumedError,
    );
    const again = AsyncStream.from<number>(make);
    assertEquals(await again.count(), await again.count());
  }
  const collection = AsyncStream.from([1, 2]);
  assertEquals(await collection.count(), await collection.count());
});

Deno.test("AsyncStream does not grow the stack with elements that lead nowhere or with long chains", async () => {
  const million = AsyncStream.range(0, 1_000_000);
  assertEquals(await million.filter(() => false).collect(), []);
  assertEquals(await million.flatMap(() => []).count(), 0);
  assertEquals(await million.flatMap(() => AsyncStream.empty()).count(), 0);
  const { done } = await million.filter(() => false).toReadableStream()
    .getReader().read();
  assertEquals(done, true);
  let chain = AsyncStream.range(0, 100);
  for (let n = 0; n < 1000; n++) chain = chain.map((value) => value + 1);
  assertEquals(await chain.last(), 1099);
  let lateChain = AsyncStream.range(0, 10);
  for (let n = 0; n < 1000; n++) {
    lateChain = lateChain.map((value) =>
      n === 500 ? Promise.resolve(value + 1) : value + 1
    );
  }
  assertEquals(await lateChain.last(), 1009);
});

Deno.test("AsyncStream keeps the index of each operator", async () => {
  assertEquals(
    await AsyncStream.of("a", "b", "c").filter((_, index) => index !== 1)
      .map((value, index) => value + index).collect(),
    ["a0", "c1"],
  );
  assertEquals(await AsyncStream.of(5, 6).reduce((_, __, index) => index), 1);
});

Deno.test("AsyncStream.take() and drop() check their argument as the iterator helpers do", async () => {
  await using _ = nothingLeft();
  for (const wrong of [NaN, -1]) {
    assertThrows(() => AsyncStream.of(1).take(wrong), RangeError, "limit");
    assertThrows(() => AsyncStream.of(1).drop(wrong), RangeError, "count");
  }
  assertEquals(await AsyncStream.of(1, 2, 3).take(1.9).collect(), [1]);
  assertEquals(await AsyncStream.of(1, 2).take(Infinity).collect(), [1, 2]);
  assertEquals(await AsyncStream.of(1, 2).drop(Infinity).collect(), []);
});

Deno.test("AsyncStream.flatMap() refuses strings and what cannot be read, and closes the source", async () => {
  await using _ = nothingLeft();
  for (const inner of ["text", 5, undefined]) {
    const source = syncProbe();
    const error = await failureOf(
      AsyncStream.from(source).flatMap(() => inner as unknown as string[])
        .collect(),
    );
    assert(error instanceof TypeError);
    assertEquals(source.returns, 1);
  }
});

Deno.test("AsyncStream.batch() checks its size", () => {
  for (const size of [0, NaN, -1, 1.5]) {
    assertThrows(() => AsyncStream.of(1).batch(size), RangeError, "size");
    assertThrows(() => AsyncStream.of(1).window(size), RangeError, "size");
    assertThrows(() => AsyncStream.of(1).buffer(size), RangeError, "size");
  }
});

Deno.test("AsyncStream.batch() gives the partial batch at the end and before a failure, none that is empty", async () => {
  await using _ = nothingLeft();
  assertEquals(await AsyncStream.range(0, 5).batch(2).collect(), [[0, 1], [
    2,
    3,
  ], [4]]);
  assertEquals(await AsyncStream.range(0, 4).batch(2).collect(), [[0, 1], [
    2,
    3,
  ]]);
  assertEquals(await AsyncStream.empty().batch(2).collect(), []);
  const cases: ["deliver" | "drop", number[][]][] = [
    ["deliver", [[0, 1], [2]]],
    ["drop", [[0, 1]]],
  ];
  for (const [onError, expected] of cases) {
    const seen: number[][] = [];
    const error = new Error("source");
    assertStrictEquals(
      await failureOf(
        AsyncStream.from(syncProbe({ failAt: 3, error }))
          .batch(2, { onError }).forEach((batch) => void seen.push(batch)),
      ),
      error,
    );
    assertEquals(seen, expected);
    const iterated: number[][] = [];
    await failureOf((async () => {
      for await (
        const batch of AsyncStream.from(asyncProbe({ failAt: 3, error })).batch(
          2,
          { onError },
        )
      ) {
        iterated.push(batch);
      }
    })());
    assertEquals(iterated, expected);
  }
});

Deno.test("AsyncStream.batch() gives nothing more to a consumer that failed", async () => {
  await using _ = nothingLeft();
  let calls = 0;
  await failureOf(
    AsyncStream.range(0, 5).batch(2).forEach(() => {
      calls++;
      throw new Error("consumer");
    }),
  );
  assertEquals(calls, 1);
});

Deno.test("AsyncStream.batchBytes() fills batches up to the limit", async () => {
  const chunks = [3, 4, 5, 20, 1, 9, 10].map((n) => new Uint8Array(n));
  const batches = await AsyncStream.from(chunks).batchBytes(10).collect();
  assertEquals(
    batches.map((batch) => batch.map((chunk) => chunk.byteLength)),
    [[3, 4], [5], [20], [1, 9], [10]],
  );
  assertEquals(await AsyncStream.of("aé", "😀").batchBytes(4).count(), 2);
});

Deno.test("AsyncStream.window() slides, skips, and gives partial windows on request", async () => {
  const numbers = AsyncStream.range(1, 6);
  assertEquals(await numbers.window(2).collect(), [[1, 2], [2, 3], [3, 4], [
    4,
    5,
  ]]);
  assertEquals(await numbers.window(2, 3).collect(), [[1, 2], [4, 5]]);
  assertEquals(await numbers.window(2, 2).collect(), [[1, 2], [3, 4]]);
  assertEquals(await numbers.window(2, 2, { partial: true }).collect(), [
    [1, 2],
    [3, 4],
    [5],
  ]);
  assertEquals(await numbers.window(4, 1, { partial: true }).collect(), [
    [1, 2, 3, 4],
    [2, 3, 4, 5],
    [3, 4, 5],
    [4, 5],
    [5],
  ]);
  assertEquals(await numbers.window(9).collect(), []);
  assertEquals(await numbers.window(9, 9, { partial: true }).collect(), [[
    1,
    2,
    3,
    4,
    5,
  ]]);
  const [first, second] = await numbers.window(2).collect();
  first?.push(99);
  assertEquals(second, [2, 3], "windows are fresh arrays");
});

Deno.test("AsyncStream passes what an operator holds at its end through the ones below it", async () => {
  assertEquals(
    await AsyncStream.range(0, 5).batch(2).flatMap((batch) => batch).batch(3)
      .collect(),
    [[0, 1, 2], [3, 4]],
  );
  assertEquals(
    await AsyncStream.range(0, 3).window(3, 1, { partial: true }).flatten()
      .batch(2).collect(),
    [[0, 1], [2, 1], [2, 2]],
  );
  assertEquals(await AsyncStream.range(0, 5).batch(2).take(1).collect(), [[
    0,
    1,
  ]]);
  assertEquals(await AsyncStream.range(0, 5).take(3).batch(2).collect(), [[
    0,
    1,
  ], [2]]);
  assertEquals(
    await AsyncStream.range(0).take(2).flatMap((n) => [n, n]).batch(3)
      .collect(),
    [[0, 0, 1], [1]],
  );
});

// Concurrency

Deno.test("AsyncStream.map() with concurrency keeps its bound, its order and its errors", async () => {
  await using _ = nothingLeft();
  for (const ordered of [true, false]) {
    let inFlight = 0;
    let most = 0;
    const source = asyncProbe({ length: 50 });
    const results = await AsyncStream.from(source).map(async (n) => {
      most = Math.max(most, ++inFlight);
      for (let round = 0; round < 20 + (n * 7) % 11; round++) await null;
      inFlight--;
      return n;
    }, { concurrency: 4, ordered }).collect();
    assertEquals(most, 4);
    const all = Array.from({ length: 50 }, (_, n) => n);
    if (ordered) assertEquals(results, all);
    else assertEquals(results.toSorted((a, b) => a - b), all);
  }
});

Deno.test("AsyncStream.map() with concurrency closes the source once when one call fails, after the others have ended", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const slow = Promise.withResolvers<number>();
  const seen: number[] = [];
  let failure: unknown;
  const running = AsyncStream.from(source).map((n) => {
    if (n === 2) return settle().then(() => Promise.reject(new Error("third")));
    return n === 3 ? slow.promise : n;
  }, { concurrency: 4 }).forEach((n) => void seen.push(n)).catch((error) =>
    failure = error
  );
  for (let round = 0; round < 5; round++) await settle();
  assertEquals([seen, failure, source.returns], [[0, 1], undefined, 1]);
  slow.reject(new Error("later"));
  await running;
  assertEquals((failure as Error).message, "third");
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.map() with concurrency fails only when a slow return() of the source has ended", async () => {
  await using _ = nothingLeft();
  for (const ordered of [true, false]) {
    const source = asyncProbe();
    const closing = Promise.withResolvers<void>();
    const { return: close } = source;
    source.return = async () => {
      await closing.promise;
      return await close?.call(source) ?? { done: true, value: undefined };
    };
    let failure: unknown;
    const running = AsyncStream.from(source).map((n) => {
      if (n === 2) throw new Error("third");
      return n;
    }, { concurrency: 4, ordered }).drain().catch((error) => failure = error);
    for (let round = 0; round < 5; round++) await settle();
    assertEquals(failure, undefined);
    closing.resolve();
    await running;
    assertEquals((failure as Error).message, "third");
    assertEquals([source.returns, source.isClosed], [1, true]);
  }
});

Deno.test("AsyncStream.map() with concurrency waits for what is in flight when it is left early", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const slow = Promise.withResolvers<number>();
  let isDone = false;
  const running = AsyncStream.from(source)
    .map((n) => n === 1 ? slow.promise : settle().then(() => n), {
      concurrency: 3,
    })
    .first().then(() => isDone = true);
  for (let round = 0; round < 5; round++) await settle();
  assertEquals(isDone, false);
  slow.resolve(1);
  await running;
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.filter() and flatMap() take concurrency too", async () => {
  let inFlight = 0;
  let most = 0;
  const slowly = async <T>(value: T) => {
    most = Math.max(most, ++inFlight);
    for (let round = 0; round < 10; round++) await null;
    inFlight--;
    return value;
  };
  assertEquals(
    await AsyncStream.range(0, 10).filter((n) => slowly(n % 3 === 0), {
      concurrency: 3,
    }).collect(),
    [0, 3, 6, 9],
  );
  assertEquals(most, 3);
  assertEquals(
    await AsyncStream.range(0, 4).flatMap((n) => slowly([n, n]), {
      concurrency: 2,
    }).collect(),
    [0, 0, 1, 1, 2, 2, 3, 3],
  );
});

// Several sources

Deno.test("AsyncStream.merge() of no sources ends at once", async () => {
  assertEquals(await AsyncStream.merge().collect(), []);
});

Deno.test("AsyncStream.merge() is fair between fast and slow sources", async () => {
  await using _ = nothingLeft();
  const slow = async function* () {
    for (let n = 0; n < 3; n++) {
      for (let round = 0; round < 10; round++) await null;
      yield `slow ${n}`;
    }
  };
  const results: string[] = [];
  for await (
    const value of AsyncStream.merge<string>(
      AsyncStream.range(0).map((n) => `a ${n}`),
      AsyncStream.range(0).map((n) => `b ${n}`),
      slow(),
    )
  ) {
    results.push(value);
    if (results.filter((result) => result.startsWith("slow")).length === 3) {
      break;
    }
  }
  const of = (name: string) =>
    results.filter((result) => result.startsWith(name)).length;
  assert(Math.abs(of("a") - of("b")) <= 1, `a ${of("a")}, b ${of("b")}`);
});

Deno.test("AsyncStream.merge() reads each source at most once ahead of an idle consumer", async () => {
  await using _ = nothingLeft();
  const sources = [asyncProbe(), asyncProbe(), asyncProbe()];
  const iterator = AsyncStream.merge<number>(...sources)
    [Symbol.asyncIterator]();
  await iterator.next();
  await settle();
  assertEquals(sources.map((source) => source.pulls), [1, 1, 1]);
  await iterator.next();
  await settle();
  assert(sources.every((source) => source.pulls <= 2));
  await iterator.return?.();
  assertEquals(sources.map((source) => source.returns), [1, 1, 1]);
});

Deno.test("AsyncStream.merge() holds at most one element of each source however long it is read", async () => {
  const ahead = [0, 0, 0];
  const sources = ahead.map((_, which) =>
    AsyncStream.range(0, 50).tap(() => ahead[which]!++).map(() => which)
  );
  let most = 0;
  for await (const which of AsyncStream.merge(...sources)) {
    ahead[which]!--;
    most = Math.max(most, ...ahead);
  }
  assertEquals([ahead, most], [[0, 0, 0], 1]);
});

Deno.test("AsyncStream.merge() closes the others when one fails, rejects with that failure, and tells of the others", async () => {
  await using _ = nothingLeft();
  const error = new Error("one");
  const failing = asyncProbe({ failAt: 1, error });
  const others = [asyncProbe(), asyncProbe()];
  assertStrictEquals(
    await failureOf(AsyncStream.merge<number>(failing, ...others).collect()),
    error,
  );
  await settle();
  assertEquals([failing.returns, ...others.map((other) => other.returns)], [
    0,
    1,
    1,
  ]);

  const closeError = new Error("close");
  using reports = captureReports();
  const first = await failureOf(
    AsyncStream.merge<number>(
      syncProbe({ failAt: 0, error }),
      AsyncStream.from(syncProbe({ closeError })),
    ).collect(),
  );
  assertStrictEquals(first, error);
  assertEquals(reports.lines, [unclosed("Error: close")]);
});

Deno.test("AsyncStream.merge() is left promptly beside a source that hangs, which is closed when it wakes", async () => {
  await using _ = nothingLeft();
  const hanging = asyncProbe({ hangAt: 0 });
  const other = asyncProbe();
  assertEquals(
    await AsyncStream.merge<number>(hanging, other).take(3).collect(),
    [0, 1, 2],
  );
  assertEquals([hanging.returns, other.returns], [0, 1]);
  hanging.wake();
  await settle();
  assertEquals(hanging.returns, 1);
});

Deno.test("AsyncStream.zip() ends with the shortest and closes the longer ones", async () => {
  await using _ = nothingLeft();
  const long = asyncProbe();
  assertEquals(
    await AsyncStream.of("a", "b").zip(long, [true, false, true]).collect(),
    [["a", 0, true], ["b", 1, false]],
  );
  assertEquals(long.returns, 1);
  const failing = asyncProbe({ failAt: 1, error: new Error("zip") });
  const other = asyncProbe();
  assertEquals(
    (await failureOf(AsyncStream.from(other).zip(failing).collect()) as Error)
      .message,
    "zip",
  );
  await settle();
  assertEquals([other.returns, failing.returns], [1, 0]);
});

Deno.test("AsyncStream.concat() opens the next source only when it is needed", async () => {
  let isOpened = false;
  const next = () => {
    isOpened = true;
    return [3];
  };
  assertEquals(await AsyncStream.of(1, 2).concat(next).take(2).collect(), [
    1,
    2,
  ]);
  assertEquals(isOpened, false);
  assertEquals(await AsyncStream.of(1, 2).concat(next).collect(), [1, 2, 3]);
});

Deno.test("AsyncStream.tee() bounds a slow branch, which slows the fast one", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const source = asyncProbe();
  const [fast, slow] = AsyncStream.from(source).tee(2, { buffer: 3 });
  const fastSeen: number[] = [];
  const running = failureOf(
    fast.forEach((n) => void fastSeen.push(n), { signal: controller.signal }),
  );
  await settle();
  assertEquals(fastSeen, [0, 1, 2]);
  const iterator = slow[Symbol.asyncIterator]();
  assertEquals((await iterator.next()).value, 0);
  await settle();
  assertEquals(fastSeen, [0, 1, 2, 3]);
  await iterator.return?.();
  await settle();
  assert(fastSeen.length > 4, "the other one goes on alone");
  assertEquals(source.returns, 0);
  controller.abort("enough");
  assertEquals(await running, "enough");
  await settle();
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.tee() drops for the slow branch by policy", async () => {
  await using _ = nothingLeft();
  const slowly = async (overflow: "drop-oldest" | "drop-newest" | "error") => {
    const [fast, slow] = AsyncStream.range(0, 6).tee(2, {
      buffer: 2,
      overflow,
    });
    assertEquals(await fast.collect(), [0, 1, 2, 3, 4, 5]);
    return slow.collect();
  };
  assertEquals(await slowly("drop-oldest"), [4, 5]);
  assertEquals(await slowly("drop-newest"), [0, 1]);
  assert(await failureOf(slowly("error")) instanceof StreamOverflowError);
});

Deno.test("AsyncStream.tee() gives a failure to every branch after its values, and closes the source when all are left", async () => {
  await using _ = nothingLeft();
  const error = new Error("source");
  const branches = AsyncStream.from(asyncProbe({ failAt: 2, error })).tee(3);
  const results = await Promise.all(branches.map(async (branch) => {
    const seen: number[] = [];
    const failure = await failureOf(branch.forEach((n) => void seen.push(n)));
    return [seen, failure];
  }));
  assertEquals(results, [[[0, 1], error], [[0, 1], error], [[0, 1], error]]);

  const source = asyncProbe();
  const [a, b] = AsyncStream.from(source).tee(2);
  await Promise.all([a.take(2).collect(), b.take(3).collect()]);
  assertEquals([source.returns, source.isClosed], [1, true]);
  assert(await failureOf(a.collect()) instanceof StreamConsumedError);
});

Deno.test("AsyncStream.broadcast() reads once for all readers and closes with the last", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const shared = AsyncStream.from(() => source).broadcast();
  const [a, b] = await Promise.all([
    shared.take(3).collect(),
    shared.take(5).collect(),
  ]);
  assertEquals([a, b], [[0, 1, 2], [0, 1, 2, 3, 4]]);
  assertEquals([source.pulls, source.returns], [5, 1]);
});

Deno.test("AsyncStream.groupBy() is not blocked by groups that nobody reads, and bounds them", async () => {
  await using _ = nothingLeft();
  const keys: number[] = [];
  await AsyncStream.range(0, 30).groupBy((n) => n % 3, { buffer: 10 })
    .forEach(([key]) => void keys.push(key));
  assertEquals(keys, [0, 1, 2]);
  const source = asyncProbe();
  const error = await failureOf(
    AsyncStream.from(source).groupBy((n) => n % 2, { buffer: 10 }).drain(),
  );
  assert(error instanceof StreamOverflowError);
  await settle();
  assertEquals(source.returns, 1);
  assertEquals(
    await AsyncStream.range(0, 10_000).groupBy((n) => n % 2, {
      buffer: 10,
      overflow: "drop-newest",
    }).count(),
    2,
  );
  const groups = await AsyncStream.range(0, 8).groupBy((n) => n % 2).collect();
  assertEquals(
    await Promise.all(
      groups.map(async ([key, group]) => [key, await group.collect()]),
    ),
    [[0, [0, 2, 4, 6]], [1, [1, 3, 5, 7]]],
  );
});

Deno.test("AsyncStream.groupBy() makes the source wait for a group that is read slowly", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const iterator = AsyncStream.from(source).groupBy((n) => n % 2, {
    buffer: 4,
    overflow: "drop-newest",
  })[Symbol.asyncIterator]();
  const first = (await iterator.next()).value[1] as AsyncStream<number>;
  const slow = first[Symbol.asyncIterator]();
  await slow.next();
  await iterator.next();
  const outer = iterator.next();
  await settle();
  const { pulls } = source;
  assert(pulls < 14, `read ${pulls}`);
  await settle();
  assertEquals(source.pulls, pulls, "it waits");
  await slow.return?.();
  await iterator.return?.();
  assertEquals((await outer).done, true);
  await settle();
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.partition() splits, and bounds a part that nobody reads", async () => {
  await using _ = nothingLeft();
  const [even, odd] = AsyncStream.range(0, 6).partition((n) =>
    Promise.resolve(n % 2 === 0)
  );
  assertEquals(await Promise.all([even.collect(), odd.collect()]), [[0, 2, 4], [
    1,
    3,
    5,
  ]]);
  const [small] = AsyncStream.range(0, 1000).partition((n) => n < 500, {
    buffer: 5,
    overflow: "drop-oldest",
  });
  assertEquals(await small.count(), 500);
  const [part] = AsyncStream.range(0, 1000).partition((n) => n % 2 === 0, {
    buffer: 5,
  });
  assert(await failureOf(part.count()) instanceof StreamOverflowError);
});

// Failures and ends

Deno.test("AsyncStream.retry() reads factories again and refuses what can be read once", async () => {
  await using _ = nothingLeft();
  let attempts = 0;
  const source = () => {
    attempts++;
    return syncProbe({
      failAt: attempts < 3 ? 1 : -1,
      length: 3,
      error: new Error(`attempt ${attempts}`),
    });
  };
  assertEquals(await AsyncStream.from(source).map((n) => n).retry().collect(), [
    0,
    0,
    0,
    1,
    2,
  ]);
  attempts = 0;
  const error = await failureOf(
    AsyncStream.from(source).retry({ maxRetries: 1 }).collect(),
  );
  assertEquals((error as Error).message, "attempt 2");
  attempts = 0;
  await failureOf(
    AsyncStream.from(source).retry({ retryOn: () => false }).collect(),
  );
  assertEquals(attempts, 1);
  assertThrows(
    () => AsyncStream.from([1].values()).retry(),
    TypeError,
    "function",
  );
});

Deno.test("AsyncStream.retry() is left promptly while it waits between two attempts", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const running = failureOf(
    AsyncStream.from<number>(() => {
      throw new Error("down");
    }).retry({ delay: 60_000 }).collect({ signal: controller.signal }),
  );
  await settle();
  controller.abort("stop");
  assertEquals(await running, "stop");
});

Deno.test("AsyncStream.catch() goes on with another source, once", async () => {
  await using _ = nothingLeft();
  const error = new Error("broken");
  const failing = () => AsyncStream.from(() => syncProbe({ failAt: 2, error }));
  assertEquals(await failing().catch(() => [7]).collect(), [0, 1, 7]);
  let caught: unknown;
  assertEquals(
    await failing().map((n) => n).catch((error) => {
      caught = error;
      return Promise.resolve([8]);
    }).collect(),
    [0, 1, 8],
  );
  assertStrictEquals(caught, error);
  const second = new Error("second");
  assertStrictEquals(
    await failureOf(
      failing().catch(() => {
        throw second;
      }).collect(),
    ),
    second,
  );
  assertStrictEquals(
    await failureOf(failing().catch(() => failing()).collect()),
    error,
  );
  const fallback = asyncProbe();
  assertEquals(await failing().catch(() => fallback).take(4).collect(), [
    0,
    1,
    0,
    1,
  ]);
  assertEquals(fallback.returns, 1);
});

Deno.test("AsyncStream.finally() is called once after every kind of end", async () => {
  await using _ = nothingLeft();
  let calls = 0;
  const make = (options = {}) => {
    calls = 0;
    const source = asyncProbe({ length: 5, ...options });
    return AsyncStream.from(source).finally(async () => {
      await null;
      calls++;
    });
  };
  assertEquals(await make().count(), 5);
  assertEquals(calls, 1);
  await make().first();
  assertEquals(calls, 1);
  await failureOf(make({ failAt: 2, error: 0 }).collect());
  assertEquals(calls, 1);
  for await (const _ of make()) break;
  assertEquals(calls, 1);
  const error = new Error("finally");
  assertStrictEquals(
    await failureOf(
      AsyncStream.of(1).finally(() => {
        throw error;
      }).collect(),
    ),
    error,
  );
});

// Events

Deno.test("AsyncStream.fromEvents() listens while it is read, keeps the order, and bounds what waits", async () => {
  await using _ = nothingLeft();
  const listeners = new Set<unknown>();
  class Target extends EventTarget {
    override addEventListener(
      type: string,
      listener: EventListenerOrEventListenerObject,
    ) {
      listeners.add(listener);
      super.addEventListener(type, listener);
    }
    override removeEventListener(
      type: string,
      listener: EventListenerOrEventListenerObject,
    ) {
      listeners.delete(listener);
      super.removeEventListener(type, listener);
    }
  }
  const target = new Target();
  const emit = (n: number) =>
    target.dispatchEvent(new CustomEvent("n", { detail: n }));
  const read = async (overflow: "drop-oldest" | "drop-newest" | "error") => {
    const seen: number[] = [];
    const iterator = AsyncStream.fromEvents<CustomEvent<number>>(target, "n", {
      buffer: 2,
      overflow,
    })[Symbol.asyncIterator]();
    const first = iterator.next();
    assertEquals(listeners.size, 1);
    for (let n = 0; n < 5; n++) emit(n);
    seen.push((await first).value.detail);
    seen.push((await iterator.next()).value.detail);
    seen.push((await iterator.next()).value.detail);
    if (overflow === "error") {
      assert(await failureOf(iterator.next()) instanceof StreamOverflowError);
    } else await iterator.return?.();
    assertEquals(listeners.size, 0);
    return seen;
  };
  assertEquals(await read("drop-oldest"), [0, 3, 4]);
  assertEquals(await read("drop-newest"), [0, 1, 2]);
  assertEquals(await read("error"), [0, 1, 2]);
  const slow: number[] = [];
  const running = AsyncStream.fromEvents<CustomEvent<number>>(target, "n").take(
    5,
  )
    .forEach(async ({ detail }) => {
      await settle();
      slow.push(detail);
    });
  for (let n = 0; n < 5; n++) emit(n);
  await running;
  assertEquals(slow, [0, 1, 2, 3, 4]);
  assertEquals(listeners.size, 0);
});

// Reading ahead

Deno.test("AsyncStream.finally() is called once when it is left while a read is pending", async () => {
  await using _ = nothingLeft();
  let calls = 0;
  const iterator = new AsyncQueue<number>().stream().finally(() => calls++)
    [Symbol.asyncIterator]();
  const pending = iterator.next();
  await settle();
  await iterator.return?.();
  assertEquals([(await pending).done, calls], [true, 1]);
});

Deno.test("AsyncStream.buffer() reads so far ahead and no further", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const iterator = AsyncStream.from(source).buffer(3)[Symbol.asyncIterator]();
  assertEquals(source.pulls, 0);
  await iterator.next();
  await settle();
  assertEquals(source.pulls, 4);
  await iterator.next();
  await settle();
  assertEquals(source.pulls, 5);
  await iterator.return?.();
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.buffer() is left promptly while the source hangs", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe({ hangAt: 2 });
  assertEquals(await AsyncStream.from(source).buffer(4).take(2).collect(), [
    0,
    1,
  ]);
  assertEquals(source.returns, 0);
  source.wake();
  await settle();
  assertEquals(source.returns, 1);
});

// Web Streams and stages

Deno.test("AsyncStream.through() passes a TransformStream's output, errors and cancels both ways", async () => {
  await using _ = nothingLeft();
  const double = () =>
    new TransformStream<number, number>({
      transform: (n, controller) => controller.enqueue(n * 2),
    });
  assertEquals(await AsyncStream.of(1, 2).through(double()).collect(), [2, 4]);

  const source = asyncProbe();
  assertEquals(
    await AsyncStream.from(source).through(double()).take(2).collect(),
    [0, 2],
  );
  assertEquals([source.returns, source.isClosed], [1, true]);

  const error = new Error("source");
  assertStrictEquals(
    await failureOf(
      AsyncStream.from(asyncProbe({ failAt: 1, error })).through(double())
        .collect(),
    ),
    error,
  );
  const inner = new Error("transform");
  const closed = asyncProbe();
  assertStrictEquals(
    await failureOf(
      AsyncStream.from(closed).through(
        new TransformStream({
          transform(n) {
            if (n === 1) throw inner;
          },
        }),
      ).collect(),
    ),
    inner,
  );
  await settle();
  assertEquals(closed.returns, 1);
  const flush = new Error("flush");
  assertStrictEquals(
    await failureOf(
      AsyncStream.of(1).through(
        new TransformStream({
          flush() {
            throw flush;
          },
        }),
      ).collect(),
    ),
    flush,
  );
  const transform = double();
  await AsyncStream.of(1).through(transform).collect();
  assert(
    await failureOf(AsyncStream.of(1).through(transform).collect()) instanceof
      StreamConsumedError,
  );
  const again = AsyncStream.of(1).through(double);
  assertEquals([await again.collect(), await again.collect()], [[2], [2]]);
});

Deno.test("AsyncStream.through() takes a function of the stream", async () => {
  assertEquals(
    await AsyncStream.of(1, 2).through(async function* (stream) {
      for await (const n of stream) yield* [n, n];
    }).collect(),
    [1, 1, 2, 2],
  );
});

Deno.test("AsyncStream.toReadableStream() pulls on demand and makes byte streams", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const readable = AsyncStream.from(source).toReadableStream();
  await settle();
  assertEquals(source.pulls, 0);
  const reader = readable.getReader();
  await reader.read();
  await settle();
  assertEquals(source.pulls, 1);
  await reader.cancel();
  assertEquals(source.returns, 1);

  const bytes = AsyncStream.of(
    new Uint8Array([1, 2, 3]),
    new Uint8Array(0),
    new Uint8Array([4]),
  )
    .toReadableStream({ type: "bytes" });
  const byob = bytes.getReader({ mode: "byob" });
  const first = await byob.read(new Uint8Array(2));
  assertEquals([...first.value ?? []], [1, 2]);
  const seen: number[] = [];
  for (;;) {
    const { done, value } = await byob.read(new Uint8Array(2));
    if (done) break;
    seen.push(...value);
  }
  assertEquals(seen, [3, 4]);
  const wrong = AsyncStream.of("text").toReadableStream({ type: "bytes" });
  assert(await failureOf(wrong.getReader().read()) instanceof TypeError);
});

Deno.test("AsyncStream.pipeTo() writes everything, closes, and closes the source when the sink fails", async () => {
  await using _ = nothingLeft();
  const written: number[] = [];
  let isClosed = false;
  await AsyncStream.of(1, 2).pipeTo(
    new WritableStream({
      write: (n) => void written.push(n),
      close: () => void (isClosed = true),
    }),
  );
  assertEquals([written, isClosed], [[1, 2], true]);
  for (const error of [new Error("sink"), undefined]) {
    const source = asyncProbe();
    assertStrictEquals(
      await failureOf(
        AsyncStream.from(source).pipeTo(
          new WritableStream({
            write() {
              throw error;
            },
          }),
        ),
      ),
      error,
    );
    assertEquals(source.returns, 1);
  }
});

Deno.test("AsyncStream.timeout() fails while the source hangs, which is closed when it wakes", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe({ hangAt: 1 });
  const error = await failureOf(AsyncStream.from(source).timeout(5).collect());
  assertEquals((error as DOMException).name, "TimeoutError");
  source.wake();
  await settle();
  assertEquals(source.returns, 1);
  assertEquals(await AsyncStream.of(1).timeout(5).collect(), [1]);
  assert(
    await failureOf(
      AsyncStream.from(() => never<number[]>()).timeout(1).first(),
    ) instanceof DOMException,
  );
});

// Several next() calls at once

Deno.test("AsyncStream's iterator runs k mappers for k pending next() calls, and answers in order", async () => {
  await using _ = nothingLeft();
  for (const probe of [syncProbe, asyncProbe]) {
    const calls: PromiseWithResolvers<number>[] = [];
    const source = probe();
    const iterator = AsyncStream.from<number>(source).map((n) => n * 10).map(
      (n, index) => {
        assertEquals(n, index * 10);
        const call = Promise.withResolvers<number>();
        calls.push(call);
        return call.promise;
      },
    )[Symbol.asyncIterator]();
    const order: number[] = [];
    const answers = [1, 2, 3].map(() =>
      iterator.next().then(({ value }) => order.push(value))
    );
    await settle();
    assertEquals(calls.length, 3);
    calls[2]?.resolve(2);
    calls[1]?.resolve(1);
    await settle();
    assertEquals(order, []);
    calls[0]?.resolve(0);
    await Promise.all(answers);
    assertEquals(order, [0, 1, 2]);

    const failing = [iterator.next(), iterator.next(), iterator.next()];
    await settle();
    calls[4]?.reject(new Error("second"));
    calls[5]?.resolve(5);
    await settle();
    calls[3]?.resolve(3);
    const [first, second, third] = await Promise.allSettled(failing);
    assertEquals(first, {
      status: "fulfilled",
      value: { done: false, value: 3 },
    });
    assertEquals(second?.status, "rejected");
    assertEquals(third, {
      status: "fulfilled",
      value: { done: true, value: undefined },
    });
    assertEquals([source.returns, (await iterator.next()).done], [1, true]);
  }
});

Deno.test("AsyncStream's iterator answers pending next() calls as done when it is returned", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe({ hangAt: 1 });
  const iterator = AsyncStream.from(source).map((n) => Promise.resolve(n))
    [Symbol.asyncIterator]();
  const answers = [iterator.next(), iterator.next(), iterator.next()];
  assertEquals(await answers[0], { done: false, value: 0 });
  await iterator.return?.();
  assertEquals((await Promise.all(answers)).map(({ done }) => done), [
    false,
    true,
    true,
  ]);
  source.wake();
  await settle();
  assertEquals(source.returns, 1);
});
