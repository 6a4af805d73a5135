import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  asyncBatch,
  asyncFilter,
  asyncMap,
  AsyncPipeline,
  AsyncQueue,
  AsyncStream,
  asyncWindow,
} from "../../streams/mod.ts";
import { nothingLeft } from "../support/nothing_left.ts";

/** What nobody may give, though its type says so. */
// deno-lint-ignore no-explicit-any
const bad = (value: unknown): any => value;
const stream = () => AsyncStream.of(1, 2, 3);
const queue = () => new AsyncQueue<number>();
const pipeline = () => new AsyncPipeline<number>();
const same = (n: number) => n;

type Wrong = [name: string, call: () => unknown, named: RegExp];

const CONCURRENCY = "concurrency, ordered, runner, priority, signal";
const STAGE = `name, ${CONCURRENCY}, onError, maxRetries, retryDelay`;

type Taker<Result> = [
  name: string,
  takes: string,
  call: (options: unknown) => Result,
];

/** Everything that takes an options object, and must not take anything else for one. */
const optionTakers: Taker<unknown>[] = [
  ["map", CONCURRENCY, (o) => stream().map(same, bad(o))],
  ["filter", CONCURRENCY, (o) => stream().filter(Boolean, bad(o))],
  ["flatMap", CONCURRENCY, (o) => stream().flatMap((n) => [n], bad(o))],
  ["batch", "onError, timeout", (o) => stream().batch(2, bad(o))],
  ["batchBytes", "onError, bytesOf", (o) => stream().batchBytes(2, bad(o))],
  ["window", "partial", (o) => stream().window(2, 1, bad(o))],
  ["tee", "buffer, overflow", (o) => stream().tee(2, bad(o))],
  ["broadcast", "buffer, overflow", (o) => stream().broadcast(bad(o))],
  ["groupBy", "buffer, overflow", (o) => stream().groupBy(same, bad(o))],
  ["partition", "buffer, overflow", (o) => stream().partition(Boolean, bad(o))],
  ["delay", "buffer", (o) => stream().delay(1, bad(o))],
  ["retry", "maxRetries, delay, retryOn", (o) => stream().retry(bad(o))],
  [
    "toReadableStream",
    "highWaterMark, type",
    (o) => stream().toReadableStream(bad(o)),
  ],
  [
    "fromEvents",
    "buffer, overflow",
    (o) => AsyncStream.fromEvents(new EventTarget(), "tick", bad(o)),
  ],
  ["new AsyncQueue", "maxSize", (o) => new AsyncQueue(bad(o))],
  ["new AsyncPipeline", "deadLetter", (o) => new AsyncPipeline(bad(o))],
  ["addStage", STAGE, (o) => pipeline().addStage(asyncMap(same), bad(o))],
  [
    "addStage of a function",
    STAGE,
    (o) => pipeline().addStage((s) => s, bad(o)),
  ],
  ["asyncMap", CONCURRENCY, (o) => asyncMap(same, bad(o))],
  ["asyncFilter", CONCURRENCY, (o) => asyncFilter(Boolean, bad(o))],
  ["asyncBatch", "onError, timeout", (o) => asyncBatch(2, bad(o))],
  ["asyncWindow", "partial", (o) => asyncWindow(2, 1, bad(o))],
];

/** The same for what answers with a promise. */
const rejectingTakers: Taker<Promise<unknown>>[] = [
  ["collect", "signal", (o) => stream().collect(bad(o))],
  ["forEach", "signal", (o) => stream().forEach(same, bad(o))],
  ["reduce", "signal", (o) => stream().reduce((a, b) => a + b, 0, bad(o))],
  ["count", "signal", (o) => stream().count(bad(o))],
  ["drain", "signal", (o) => stream().drain(bad(o))],
  ["first", "signal", (o) => stream().first(bad(o))],
  ["last", "signal", (o) => stream().last(bad(o))],
  ["find", "signal", (o) => stream().find(Boolean, bad(o))],
  ["some", "signal", (o) => stream().some(Boolean, bad(o))],
  ["every", "signal", (o) => stream().every(Boolean, bad(o))],
  ["toMap", "signal", (o) => stream().toMap(same, same, bad(o))],
  ["toSet", "signal", (o) => stream().toSet(bad(o))],
  ["join", "signal", (o) => stream().join(",", bad(o))],
  ["put", "signal", (o) => queue().put(1, bad(o))],
  ["get", "signal", (o) => queue().get(bad(o))],
  ["process", "signal", (o) => pipeline().process([1], bad(o))],
];

Deno.test("whatever takes options refuses what is no object, at the call that gives it", () => {
  for (const [name, , take] of optionTakers) {
    for (const options of [null, 3, "fast", true, () => {}]) {
      assertThrows(() => take(options), TypeError, "options must be", name);
    }
  }
});

Deno.test("whatever answers with a promise rejects options that are no object, and a signal that is none", async () => {
  await using _ = nothingLeft();
  for (const [name, , take] of rejectingTakers) {
    for (const options of [null, 3, "fast", true]) {
      const error = await take(options).then(() => "accepted", (e) => e);
      assert(error instanceof TypeError, `${name}: ${error}`);
      assert(error.message.startsWith("options must be"), error.message);
    }
    for (const signal of [null, 3, {}, new AbortController()]) {
      const error = await take({ signal }).then(() => "accepted", (e) => e);
      assert(error instanceof TypeError, `${name}: ${error}`);
      assert(error.message.startsWith("signal must be"), error.message);
    }
  }
});

Deno.test("whatever takes options refuses those that it does not know, and names those that it knows", async () => {
  await using _ = nothingLeft();
  for (const [name, takes, take] of [...optionTakers, ...rejectingTakers]) {
    const error = await assertRejects(
      async () => await take({ bufer: 1 }),
      TypeError,
      "",
      name,
    );
    assert(
      error.message.endsWith(` has no option "bufer"; it takes ${takes}`),
      `${name}: ${error.message}`,
    );
  }
  // What is left out is left out, whatever it is called.
  for (const [, , take] of optionTakers) take({ bufer: undefined });
});

Deno.test("options may be frozen, getters of a class, and changed after the call that took them", async () => {
  await using _ = nothingLeft();
  class Two {
    get concurrency() {
      return 2;
    }
  }
  let inFlight = 0;
  let most = 0;
  const watch = async (n: number) => {
    most = Math.max(most, ++inFlight);
    await Promise.resolve();
    inFlight--;
    return n;
  };
  for (
    const results of [
      () => stream().map(watch, Object.freeze(new Two())).collect(),
      () => pipeline().addStage(asyncMap(watch), new Two()).process([1, 2, 3]),
      () => pipeline().addStage(asyncMap(watch, new Two())).process([1, 2, 3]),
    ]
  ) {
    most = 0;
    assertEquals(await results(), [1, 2, 3]);
    assertEquals(most, 2);
  }
  class Short {
    get buffer() {
      return 1;
    }
    get overflow() {
      return "drop-newest" as const;
    }
  }
  const [first, second] = stream().tee(2, new Short());
  assertEquals(await first.collect(), [1, 2, 3]);
  assertEquals(await second.collect(), [1]);
  const skipping = { onError: "skip" as string };
  const skips = pipeline().addStage(
    asyncMap(() => Promise.reject(new Error("no"))),
    bad(skipping),
  );
  skipping.onError = "fail";
  assertEquals(await skips.process([1]), []);
});

Deno.test("every wrong argument is a TypeError that names it and what was given", () => {
  const wrong: Wrong[] = [
    ["new", () => new AsyncStream(bad(5)), /source must be .* got 5/],
    ["from", () => AsyncStream.from(bad(undefined)), /source .* undefined/],
    ["fromBatches", () => AsyncStream.fromBatches(bad([])), /^open must/],
    ["range", () => AsyncStream.range(bad("1"), 3), /^start must .* "1"/],
    ["range", () => AsyncStream.range(1, bad("3")), /^end must .* "3"/],
    ["range", () => AsyncStream.range(1, 3, bad(null)), /^step must .* null/],
    ["interval", () => AsyncStream.interval(bad("1")), /^period must/],
    ["fromEvents", () => AsyncStream.fromEvents(bad(1), "a"), /^target must/],
    [
      "fromEvents",
      () => AsyncStream.fromEvents(bad({ on() {} }), "a"),
      /^target\.off must/,
    ],
    [
      "fromEvents",
      () => AsyncStream.fromEvents(new EventTarget(), bad(1)),
      /^type must .* 1/,
    ],
    [
      "fromEvents",
      () =>
        AsyncStream.fromEvents(new EventTarget(), "a", { buffer: bad("9") }),
      /^buffer must/,
    ],
    ["merge", () => AsyncStream.merge([1], bad(7)), /source .* 7/],
    ["merge", () => stream().merge(bad(7)), /source .* 7/],
    ["concat", () => stream().concat(bad(null)), /source .* null/],
    ["zip", () => stream().zip(bad({})), /source .* object/],
    ["map", () => stream().map(bad("x")), /^fn must .* "x"/],
    [
      "map",
      () => stream().map(same, { ordered: bad("no") }),
      /^ordered must .* "no"/,
    ],
    [
      "map",
      () => stream().map(same, { concurrency: bad("4") }),
      /^concurrency must .* "4"/,
    ],
    ["map", () => stream().map(same, { runner: bad({}) }), /^runner must/],
    ["map", () => stream().map(same, { runner: bad(null) }), /^runner must/],
    [
      "map",
      () => stream().map(same, { priority: bad("HIGH") }),
      /^priority must .* "HIGH"/,
    ],
    ["map", () => stream().map(same, { signal: bad({}) }), /^signal must/],
    ["filter", () => stream().filter(bad(1)), /^predicate must/],
    ["flatMap", () => stream().flatMap(bad([])), /^fn must/],
    ["tap", () => stream().tap(bad(undefined)), /^fn must/],
    ["scan", () => stream().scan(bad(0)), /^fn must/],
    ["enumerate", () => stream().enumerate(bad("1")), /^start must .* "1"/],
    ["distinct", () => stream().distinct(bad(3)), /^key must .* 3/],
    ["distinct", () => stream().distinct(bad(null)), /^key must .* null/],
    [
      "distinctUntilChanged",
      () => stream().distinctUntilChanged(bad("id")),
      /^key must .* "id"/,
    ],
    ["takeWhile", () => stream().takeWhile(bad(1)), /^predicate must/],
    ["dropWhile", () => stream().dropWhile(bad(1)), /^predicate must/],
    ["batch", () => stream().batch(bad("2")), /^size must .* "2"/],
    [
      "batch",
      () => stream().batch(2, { timeout: bad("1") }),
      /^timeout must .* "1"/,
    ],
    [
      "batchBytes",
      () => stream().batchBytes(2, { bytesOf: bad(1) }),
      /^bytesOf must/,
    ],
    [
      "window",
      () => stream().window(2, 1, { partial: bad(1) }),
      /^partial must .* 1/,
    ],
    ["window", () => stream().window(2, bad(null)), /^step must .* null/],
    ["windowTime", () => stream().windowTime(bad("5")), /^period must/],
    ["tee", () => stream().tee(bad("2")), /^count must/],
    ["groupBy", () => stream().groupBy(bad("id")), /^keyOf must/],
    ["partition", () => stream().partition(bad("id")), /^predicate must/],
    ["buffer", () => stream().buffer(bad(null)), /^size must .* null/],
    ["debounce", () => stream().debounce(bad("5")), /^silence must/],
    ["throttle", () => stream().throttle(bad("5")), /^period must/],
    ["sample", () => stream().sample(bad("5")), /^period must/],
    ["delay", () => stream().delay(bad("5")), /^period must/],
    ["timeout", () => stream().timeout(bad("5")), /^limit must/],
    ["retry", () => stream().retry({ delay: bad("5") }), /^delay must .* "5"/],
    ["retry", () => stream().retry({ delay: bad(null) }), /^delay must/],
    ["retry", () => stream().retry({ maxRetries: bad("5") }), /^maxRetries/],
    ["retry", () => stream().retry({ retryOn: bad(true) }), /^retryOn must/],
    ["catch", () => stream().catch(bad([])), /^fn must/],
    ["finally", () => stream().finally(bad(undefined)), /^fn must/],
    ["through", () => stream().through(bad({})), /^stage must/],
    ["through", () => stream().through(bad(undefined)), /^stage must/],
    ["abortable", () => stream().abortable(bad(undefined)), /^signal must/],
    [
      "abortable",
      () => stream().abortable(bad(new AbortController())),
      /^signal must .*AbortController/,
    ],
    [
      "toReadableStream",
      () => stream().toReadableStream({ highWaterMark: bad("1") }),
      /^highWaterMark must .* "1"/,
    ],
    ["AsyncQueue", () => new AsyncQueue({ maxSize: bad(null) }), /^maxSize/],
    ["AsyncQueue", () => new AsyncQueue({ maxSize: bad("1") }), /^maxSize/],
    [
      "AsyncPipeline",
      () => new AsyncPipeline({ deadLetter: bad([]) }),
      /^deadLetter must .* an array/,
    ],
    ["addStage", () => pipeline().addStage(bad(5)), /^stage must .* 5/],
    [
      "addStage",
      () => pipeline().addStage(asyncMap(same), { name: bad(5) }),
      /^name must .* 5/,
    ],
    [
      "addStage",
      () => pipeline().addStage(asyncMap(same), { retryDelay: bad("1") }),
      /^retryDelay must/,
    ],
    ["compose", () => pipeline().compose(bad({})), /^other must/],
    ["stream", () => pipeline().stream(bad(5)), /source .* 5/],
    ["asyncMap", () => asyncMap(bad(1)), /^fn must/],
    ["asyncFilter", () => asyncFilter(bad(1)), /^predicate must/],
    ["asyncBatch", () => asyncBatch(bad("2")), /^size must/],
    ["asyncWindow", () => asyncWindow(bad("2")), /^size must/],
  ];
  for (const [name, call, named] of wrong) {
    const error = assertThrows(call, TypeError, "", name) as TypeError;
    assert(named.test(error.message), `${name}: ${error.message}`);
  }
});

Deno.test("every number out of range and every unknown word is a RangeError that names it", () => {
  const wrong: Wrong[] = [
    ["range", () => AsyncStream.range(NaN), /^start must .* NaN/],
    ["range", () => AsyncStream.range(Infinity), /^start must .* Infinity/],
    ["range", () => AsyncStream.range(0, NaN), /^end must .* NaN/],
    ["range", () => AsyncStream.range(0, 1, 0), /^step must .* 0/],
    ["range", () => AsyncStream.range(0, 1, Infinity), /^step .* Infinity/],
    ["interval", () => AsyncStream.interval(0), /^period must .* 0/],
    [
      "fromEvents",
      () =>
        AsyncStream.fromEvents(new EventTarget(), "a", {
          overflow: bad("wait"),
        }),
      /^overflow must .* "wait"/,
    ],
    ["map", () => stream().map(same, { concurrency: 0 }), /^concurrency/],
    ["map", () => stream().map(same, { priority: bad(9) }), /^priority .* 9/],
    ["enumerate", () => stream().enumerate(NaN), /^start must .* NaN/],
    ["take", () => stream().take(-1), /^limit must .* -1/],
    ["take", () => stream().take(NaN), /^limit must .* NaN/],
    ["drop", () => stream().drop(bad("many")), /^count must .* "many"/],
    ["batch", () => stream().batch(0), /^size must .* 0/],
    [
      "batch",
      () => stream().batch(2, { timeout: NaN }),
      /^timeout must .* NaN/,
    ],
    [
      "batch",
      () => stream().batch(2, { onError: bad("keep") }),
      /^onError must .* "keep"/,
    ],
    [
      "batchBytes",
      () => stream().batchBytes(2, { onError: bad("keep") }),
      /^onError must .* "keep"/,
    ],
    ["batchBytes", () => stream().batchBytes(0), /^limit must .* 0/],
    ["window", () => stream().window(2, 0), /^step must .* 0/],
    ["windowTime", () => stream().windowTime(Infinity), /^period/],
    ["tee", () => stream().tee(0), /^count must .* 0/],
    ["tee", () => stream().tee(2, { buffer: 0 }), /^buffer must .* 0/],
    [
      "tee",
      () => stream().tee(2, { overflow: bad("block") }),
      /^overflow must .* "block"/,
    ],
    [
      "groupBy",
      () => stream().groupBy(same, { overflow: bad("wait") }),
      /^overflow must .* "wait"/,
    ],
    ["buffer", () => stream().buffer(0), /^size must .* 0/],
    ["debounce", () => stream().debounce(-1), /^silence must .* -1/],
    ["throttle", () => stream().throttle(NaN), /^period must .* NaN/],
    ["sample", () => stream().sample(0), /^period must .* 0/],
    ["delay", () => stream().delay(NaN), /^period must .* NaN/],
    ["delay", () => stream().delay(1, { buffer: 0 }), /^buffer must .* 0/],
    ["timeout", () => stream().timeout(-1), /^limit must .* -1/],
    ["retry", () => stream().retry({ delay: NaN }), /^delay must .* NaN/],
    ["retry", () => stream().retry({ maxRetries: -1 }), /^maxRetries/],
    [
      "toReadableStream",
      () => stream().toReadableStream({ type: bad("byte") }),
      /^type must .* "byte"/,
    ],
    ["AsyncQueue", () => new AsyncQueue({ maxSize: -1 }), /^maxSize .* -1/],
    [
      "addStage",
      () => pipeline().addStage(asyncMap(same), { onError: bad("ignore") }),
      /^onError must .* "ignore"/,
    ],
    [
      "addStage",
      () => pipeline().addStage(asyncMap(same), { retryDelay: NaN }),
      /^retryDelay must .* NaN/,
    ],
  ];
  for (const [name, call, named] of wrong) {
    const error = assertThrows(call, RangeError, "", name) as RangeError;
    assert(named.test(error.message), `${name}: ${error.message}`);
  }
});

Deno.test("what a given function returns is looked at when it is used", async () => {
  await using _ = nothingLeft();
  const failing = AsyncStream.from<number>(() => {
    throw new Error("down");
  });
  const message = (promise: Promise<unknown>) =>
    promise.then(() => "accepted", (error) => error.message);
  assertEquals(
    await message(failing.retry({ delay: () => NaN }).collect()),
    "delay must be a non-negative number of milliseconds (Infinity for none), got NaN",
  );
  assertEquals(
    await message(AsyncStream.fromBatches(bad(() => [1])).collect()),
    "fromBatches() needs a function that returns an object with a pull method, got an array",
  );
  for (const pull of [() => null, () => ({}), () => Promise.resolve(5)]) {
    const failing = AsyncStream.fromBatches(bad(() => ({ pull })));
    const wanted =
      /^pull\(\) of a source of batches must return an array, or undefined at the end, got /;
    assertMatch(await message(failing.collect()), wanted);
    assertMatch(await message(Array.fromAsync(failing)), wanted);
  }
  for (const nothing of [undefined, null]) {
    const wanted =
      /^A stream's source must be an iterable, .*, got (undefined|null)$/;
    for (
      const failing of [
        stream().flatMap(bad(() => nothing)),
        stream().flatMap(bad(() => Promise.resolve(nothing))),
        stream().through(bad(() => nothing)),
        AsyncStream.from(bad(() => nothing)),
      ]
    ) assertMatch(await message(failing.collect()), wanted);
  }
  assertEquals(
    await message(stream().batchBytes(2, { bytesOf: () => NaN }).collect()),
    "What bytesOf returns must be a non-negative number, got NaN",
  );
  assertEquals(
    await message(stream().pipeTo(bad({}))),
    "writable must be a WritableStream, got an object (Object)",
  );
});

Deno.test("retry() and batchBytes() await what their functions promise", async () => {
  await using _ = nothingLeft();
  let attempts = 0;
  const seen: unknown[] = [];
  const flaky = AsyncStream.from(() => {
    if (++attempts < 4) throw new Error(`attempt ${attempts}`);
    return ["done"];
  });
  assertEquals(
    await flaky.retry({
      delay: (attempt) => Promise.resolve(attempt * 0),
      retryOn: (error) => {
        seen.push((error as Error).message);
        return Promise.resolve(true);
      },
    }).collect(),
    ["done"],
  );
  assertEquals(seen, ["attempt 1", "attempt 2", "attempt 3"]);
  attempts = 0;
  assertEquals(
    await flaky.retry({ retryOn: () => Promise.resolve(false) }).collect()
      .catch((error) => error.message),
    "attempt 1",
  );
  assertEquals(
    await stream().batchBytes(3, { bytesOf: (n) => Promise.resolve(n) })
      .collect(),
    [[1, 2], [3]],
  );
});
