import { assertEquals, assertStrictEquals } from "@std/assert";
import { ConcurrentMap } from "../../../_internal/concurrent_map.ts";
import { AsyncPipeline, AsyncStream } from "../../../streams/mod.ts";
import {
  asyncProbe,
  failureOf,
  never,
  type Probe,
  type ProbeOptions,
  settle,
  stopped,
  syncProbe,
} from "../support/probe.ts";
import { abortListeners, nothingLeft } from "../../support/nothing_left.ts";
import { captureReports } from "../../support/captured_console.ts";

type Made = (AsyncIterable<number> | Iterable<number>) & Probe;
const kinds: [string, (options?: ProbeOptions) => Made][] = [
  ["synchronous", syncProbe],
  ["asynchronous", asyncProbe],
];

/** Every way to stop early; each must have read `pulls` elements. */
const stops: [
  string,
  number,
  (stream: AsyncStream<number>) => Promise<unknown>,
][] = [
  ["break", 3, async (stream) => {
    for await (const n of stream) if (n === 2) break;
  }],
  ["a throw in the loop", 3, (stream) =>
    failureOf((async () => {
      for await (const n of stream) if (n === 2) throw new Error("loop");
    })())],
  ["take(3)", 3, (stream) => stream.take(3).collect()],
  [
    "take(3) behind operators",
    3,
    (stream) => stream.map((n) => n).take(3).map((n) => n).collect(),
  ],
  ["takeWhile()", 4, (stream) => stream.takeWhile((n) => n < 3).collect()],
  ["first()", 1, (stream) => stream.first()],
  ["find()", 3, (stream) => stream.find((n) => n === 2)],
  ["some()", 3, (stream) => stream.some((n) => n === 2)],
  ["every()", 3, (stream) => stream.every((n) => n < 2)],
  [
    "find() with an asynchronous predicate",
    3,
    (stream) => stream.find((n) => Promise.resolve(n === 2)),
  ],
  ["a throwing mapper", 3, (stream) =>
    failureOf(
      stream.map((n) => {
        if (n === 2) throw new Error("mapper");
      }).drain(),
    )],
  ["a rejecting mapper", 3, (stream) =>
    failureOf(
      stream.map((n) => n === 2 ? Promise.reject(new Error("mapper")) : n)
        .drain(),
    )],
  ["a failing forEach", 3, (stream) =>
    failureOf(stream.forEach((n) => {
      if (n === 2) throw new Error("sink");
    }))],
  ["a failing reduce", 3, (stream) =>
    failureOf(stream.reduce((_, n) => {
      if (n === 2) throw new Error("reducer");
      return n;
    }, 0))],
  ["an abort", 3, (stream) => {
    const controller = new AbortController();
    return failureOf(
      stream.tap((n) => n === 2 && controller.abort(new Error("abort")))
        .collect({ signal: controller.signal }),
    );
  }],
  ["abortable()", 3, (stream) => {
    const controller = new AbortController();
    return failureOf(
      stream.abortable(controller.signal)
        .forEach((n) => n === 2 && controller.abort(new Error("abort"))),
    );
  }],
  ["an inner flatMap source that fails", 3, (stream) =>
    failureOf(
      stream.flatMap((n) =>
        n === 2 ? syncProbe({ failAt: 0, error: new Error("inner") }) : [n]
      ).drain(),
    )],
  ["cancel() of toReadableStream()", 3, async (stream) => {
    const reader = stream.toReadableStream().getReader();
    for (let n = 0; n < 3; n++) await reader.read();
    await reader.cancel();
  }],
  ["a failing sink", 3, (stream) =>
    failureOf(
      stream.toReadableStream().pipeTo(
        new WritableStream({
          write(n) {
            if (n === 2) throw new Error("sink");
          },
        }, { highWaterMark: 1 }),
      ),
    )],
];

for (const [kind, probe] of kinds) {
  for (const [what, pulls, stop] of stops) {
    Deno.test(`AsyncStream closes a ${kind} source once, awaited, when stopped by ${what}`, async () => {
      await using _ = nothingLeft();
      const source = probe();
      await stop(AsyncStream.from<number>(source));
      assertEquals(
        { returns: source.returns, isClosed: source.isClosed },
        { returns: 1, isClosed: true },
      );
      assertEquals(source.pulls, pulls);
    });
  }

  Deno.test(`AsyncStream does not close a ${kind} source that ended or failed by itself`, async () => {
    await using _ = nothingLeft();
    const ended = probe({ length: 3 });
    assertEquals(await AsyncStream.from<number>(ended).collect(), [0, 1, 2]);
    assertEquals([ended.pulls, ended.returns], [4, 0]);
    for (const error of [new Error("source"), undefined, null, 0]) {
      const failed = probe({ failAt: 2, error });
      assertStrictEquals(
        await failureOf(AsyncStream.from<number>(failed).collect()),
        error,
      );
      assertEquals([failed.pulls, failed.returns], [3, 0]);
      const iterated = probe({ failAt: 2, error });
      assertStrictEquals(
        await failureOf((async () => {
          for await (const _ of AsyncStream.from<number>(iterated));
        })()),
        error,
      );
      assertEquals([iterated.pulls, iterated.returns], [3, 0]);
    }
  });

  Deno.test(`AsyncStream never reads a ${kind} source with take(0) or an aborted signal, but closes it`, async () => {
    await using _ = nothingLeft();
    const none = probe();
    assertEquals(await AsyncStream.from<number>(none).take(0).collect(), []);
    assertEquals([none.pulls, none.returns, none.isClosed], [0, 1, true]);

    const aborted = probe();
    const reason = new Error("already");
    const stream = AsyncStream.from<number>(aborted)
      .abortable(AbortSignal.abort(reason));
    assertStrictEquals(await failureOf(stream.collect()), reason);
    assertEquals([aborted.pulls, aborted.returns], [0, 1]);
  });

  Deno.test(`AsyncStream passes on every kind of failure of a mapper over a ${kind} source`, async () => {
    await using _ = nothingLeft();
    for (const error of [undefined, null, 0, "text"]) {
      assertStrictEquals(
        await failureOf(
          AsyncStream.from<number>(probe()).map(() => {
            throw error;
          }).collect(),
        ),
        error,
      );
      assertStrictEquals(
        await failureOf(
          AsyncStream.from<number>(probe())
            .map(() => Promise.reject(error)).collect(),
        ),
        error,
      );
      assertStrictEquals(
        await failureOf(
          AsyncStream.from<number>(probe()).forEach(() => {
            throw error;
          }),
        ),
        error,
      );
    }
  });

  Deno.test(`AsyncStream reports a failing return() of a ${kind} source by itself, and hides no failure with it`, async () => {
    await using _ = nothingLeft();
    const closeError = new Error("close");
    assertStrictEquals(
      await failureOf(
        AsyncStream.from<number>(probe({ closeError })).take(2).collect(),
      ),
      closeError,
    );
    assertStrictEquals(
      await failureOf((async () => {
        for await (const _ of AsyncStream.from<number>(probe({ closeError }))) {
          break;
        }
      })()),
      closeError,
    );
    using reports = captureReports();
    const mapperError = new Error("mapper");
    assertStrictEquals(
      await failureOf(
        AsyncStream.from<number>(probe({ closeError })).map(() => {
          throw mapperError;
        }).collect(),
      ),
      mapperError,
    );
    assertEquals(reports.lines, [stopped("Error: close")]);
  });
}

Deno.test("AsyncStream's iterator reads nothing when return() comes before next(), and a second return() does nothing", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe();
  const iterator = AsyncStream.from(source).map((n) => n)
    [Symbol.asyncIterator]();
  await iterator.return?.();
  await iterator.return?.();
  assertEquals([source.pulls, source.returns], [0, 1]);
  assertEquals((await iterator.next()).done, true);
});

Deno.test("AsyncStream's iterator returns promptly while the source hangs, and closes it when it wakes", async () => {
  await using _ = nothingLeft();
  const source = asyncProbe({ hangAt: 0 });
  const iterator = AsyncStream.from(source)[Symbol.asyncIterator]();
  const pending = iterator.next();
  await settle();
  await iterator.return?.();
  assertEquals((await pending).done, true);
  assertEquals(source.returns, 0);
  source.wake();
  await settle();
  assertEquals([source.returns, source.isClosed], [1, true]);
});

Deno.test("AsyncStream rejects at once when aborted while the source hangs, and closes it when it wakes", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const source = asyncProbe({ hangAt: 1 });
  const collecting = failureOf(
    AsyncStream.from(source).collect({ signal: controller.signal }),
  );
  await settle();
  const reason = new Error("abort");
  controller.abort(reason);
  assertStrictEquals(await collecting, reason);
  source.wake();
  await settle();
  assertEquals([source.returns, source.isClosed], [1, true]);
});

Deno.test("AsyncStream rejects at once when aborted while a function hangs, after closing the source", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const source = asyncProbe();
  const collecting = failureOf(
    AsyncStream.from(source).map(() => never<number>())
      .collect({ signal: controller.signal }),
  );
  await settle();
  const reason = new Error("abort");
  controller.abort(reason);
  assertStrictEquals(await collecting, reason);
  assertEquals([source.returns, source.isClosed], [1, true]);
});

Deno.test("AsyncStream calls nothing more after an abort that did not wait for a function", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const slow = Promise.withResolvers<number>();
  const seen: number[] = [];
  const running = failureOf(
    AsyncStream.of(1).map(() => slow.promise)
      .forEach((n) => seen.push(n), { signal: controller.signal }),
  );
  await settle();
  controller.abort();
  await running;
  slow.resolve(1);
  await settle();
  assertEquals(seen, []);
});

Deno.test("AsyncStream closes an outer and an inner source, the inner one first", async () => {
  await using _ = nothingLeft();
  const order: string[] = [];
  const source = (name: string) =>
    async function* () {
      try {
        for (let n = 0;; n++) yield n;
      } finally {
        await null;
        order.push(name);
      }
    };
  await AsyncStream.from(source("outer")).flatMap(source("inner"))
    .take(3).collect();
  assertEquals(order, ["inner", "outer"]);
});

Deno.test("AsyncStream closes a source made by a function that an abort did not wait for", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const making = Promise.withResolvers<AsyncIterable<number>>();
  const source = asyncProbe();
  const collecting = failureOf(
    AsyncStream.from<number>(() => making.promise)
      .collect({ signal: controller.signal }),
  );
  await settle();
  controller.abort(0);
  assertEquals(await collecting, 0);
  making.resolve(source);
  await settle();
  assertEquals([source.pulls, source.returns], [0, 1]);
});

Deno.test("AsyncStream releases a ReadableStream at its end and cancels it with the reason when stopped", async () => {
  await using _ = nothingLeft();
  const whole = ReadableStream.from([1, 2, 3]);
  assertEquals(await AsyncStream.from(whole).collect(), [1, 2, 3]);
  assertEquals(whole.locked, false);

  const reasons: unknown[] = [];
  const endless = () =>
    new ReadableStream<number>({
      pull: (controller) => controller.enqueue(1),
      cancel: (reason) => void reasons.push(reason),
    });
  const taken = endless();
  assertEquals(await AsyncStream.from(taken).take(2).collect(), [1, 1]);
  assertEquals(taken.locked, false);

  const error = new Error("mapper");
  await failureOf(
    AsyncStream.from(endless()).map(() => {
      throw error;
    }).drain(),
  );
  const through = AsyncStream.from(endless()).map((n) => n).toReadableStream();
  await through.cancel("cancelled");
  const begun = AsyncStream.from(endless()).toReadableStream().getReader();
  await begun.read();
  await begun.cancel("begun");
  assertEquals(reasons, [undefined, error, "cancelled", "begun"]);
});

Deno.test("AsyncStream cancels a ReadableStream whose read hangs as soon as it is stopped", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  let cancelled: unknown;
  const hanging = new ReadableStream<number>({
    pull: () => never(),
    cancel: (reason) => void (cancelled = reason),
  });
  const running = failureOf(
    AsyncStream.from(hanging).collect({ signal: controller.signal }),
  );
  await settle();
  controller.abort("enough");
  assertEquals(await running, "enough");
  assertEquals(cancelled, "enough");
  await settle();
  assertEquals(hanging.locked, false);
});

Deno.test("AsyncStream yields to timers while it reads an endless synchronous source", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const source = syncProbe();
  const timer = setTimeout(() => controller.abort("by a timer"), 5);
  assertEquals(
    await failureOf(
      AsyncStream.from(source).filter(() => false)
        .collect({ signal: controller.signal }),
    ),
    "by a timer",
  );
  assertEquals(source.returns, 1);
  clearTimeout(timer);
});

Deno.test("AsyncStream yields to timers while for await reads an endless synchronous source", async () => {
  await using _ = nothingLeft();
  let isTimeUp = false;
  const timer = setTimeout(() => isTimeUp = true, 5);
  for await (const _ of AsyncStream.range(0)) if (isTimeUp) break;
  clearTimeout(timer);
});

Deno.test("AsyncStream's iterator answers a next() that its own function calls, and one during its closing", async () => {
  await using _ = nothingLeft();
  const answers: Promise<IteratorResult<number>>[] = [];
  const iterator: AsyncIterator<number> = AsyncStream.range(0, 3).filter(
    (n) => {
      if (n === 0) answers.push(iterator.next());
      return true;
    },
  )[Symbol.asyncIterator]();
  assertEquals((await iterator.next()).value, 0);
  assertEquals((await answers[0])?.value, 1);
  assertEquals((await iterator.next()).value, 2);

  const source = asyncProbe();
  const closing = AsyncStream.from(source).filter(() => true)
    [Symbol.asyncIterator]();
  await closing.next();
  const returned = closing.return?.();
  assertEquals((await closing.next()).done, true);
  await returned;
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream leaves no listener on a signal that many streams share", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const { signal } = controller;
  for (let n = 0; n < 20; n++) {
    await AsyncStream.range(0, 5).abortable(signal).collect({ signal });
    await AsyncStream.range(0, 5).map((n) => Promise.resolve(n), {
      concurrency: 2,
      signal,
    }).first({ signal });
    await failureOf(
      AsyncStream.from(syncProbe({ failAt: 1, error: 0 })).collect({ signal }),
    );
    for await (const _ of AsyncStream.range(0).abortable(signal)) break;
  }
  assertEquals(abortListeners(signal), 0);
});

/** Endless numbers whose closing ends when `release` is called. */
function slowToClose() {
  const closing = Promise.withResolvers<void>();
  let number = 0;
  return {
    release: () => closing.resolve(),
    closings: 0,
    [Symbol.asyncIterator]() {
      return this;
    },
    next: (): Promise<IteratorResult<number>> =>
      Promise.resolve({ done: false, value: number++ }),
    async return(): Promise<IteratorResult<number>> {
      this.closings++;
      await closing.promise;
      return { done: true, value: undefined };
    },
  };
}

const operations: Record<
  string,
  (stream: AsyncStream<number>) => AsyncStream<unknown>
> = {
  "no operator": (stream) => stream,
  map: (stream) => stream.map((n) => n),
  filter: (stream) => stream.filter(() => true),
  finally: (stream) => stream.finally(() => {}),
  catch: (stream) => stream.catch(() => []),
  timeout: (stream) => stream.timeout(60_000),
  merge: (stream) => stream.merge(AsyncStream.range(0)),
  zip: (stream) => stream.zip(AsyncStream.range(0)),
  groupBy: (stream) => stream.groupBy((n) => n),
  pipeline: (stream) =>
    new AsyncPipeline<number>().addStage((stage) => stage).stream(stream),
};
for (const [name, operate] of Object.entries(operations)) {
  Deno.test(`return() of an iterator waits for the closing that an earlier one began: ${name}`, async () => {
    await using _ = nothingLeft();
    const source = slowToClose();
    const iterator = operate(AsyncStream.from(source))[Symbol.asyncIterator]();
    await iterator.next();
    const answers: string[] = [];
    const returned = ["first", "second"].map((which) =>
      iterator.return?.().then(() => answers.push(which))
    );
    await settle();
    assertEquals([answers, source.closings], [[], 1]);
    source.release();
    await Promise.all(returned);
    assertEquals([answers.toSorted(), source.closings], [
      ["first", "second"],
      1,
    ]);
  });
}

const endings: Record<
  string,
  (stream: AsyncStream<number>) => AsyncStream<unknown>
> = {
  "a failing mapper": (stream) =>
    stream.map((n) => {
      if (n === 1) throw "broken";
      return n;
    }),
  "the end of a shorter source of zip()": (stream) =>
    AsyncStream.of(1).zip(stream),
};
for (const [name, operate] of Object.entries(endings)) {
  Deno.test(`return() of an iterator waits for the closing that has begun by ${name}`, async () => {
    await using _ = nothingLeft();
    const source = slowToClose();
    const iterator = operate(AsyncStream.from(source))[Symbol.asyncIterator]();
    await iterator.next();
    const answers: string[] = [];
    const more = iterator.next().catch(() => {});
    await settle();
    assertEquals(source.closings, 1);
    const returned = iterator.return?.().then(() => answers.push("returned"))
      .catch(() => answers.push("failed"));
    await settle();
    assertEquals(answers, []);
    source.release();
    await Promise.all([returned, more]);
    assertEquals([answers.length, source.closings], [1, 1]);
  });
}

Deno.test("AsyncStream.merge() that is left while a failure closes its sources waits for that, and reports the failure", async () => {
  await using _ = nothingLeft();
  using reports = captureReports();
  const source = slowToClose();
  const breaking = Promise.withResolvers<void>();
  const failing = async function* () {
    yield -1;
    await breaking.promise;
    throw "broken";
  };
  const iterator = AsyncStream.from(source).merge(failing())
    [Symbol.asyncIterator]();
  for (let read = 0; read < 3; read++) await iterator.next();
  breaking.resolve();
  await settle();
  assertEquals(source.closings, 1);
  const answers: string[] = [];
  const returned = iterator.return?.().then(() => answers.push("returned"));
  await settle();
  assertEquals(answers, []);
  source.release();
  await returned;
  await settle();
  assertEquals([answers, source.closings], [["returned"], 1]);
  assertEquals(reports.lines, [stopped('"broken"')]);
});

Deno.test("return() of a concurrent map waits for the calls in flight, the second time too", async () => {
  await using _ = nothingLeft();
  const call = Promise.withResolvers<number>();
  const iterator = new ConcurrentMap(
    [1, 2, 3],
    (n: number) => n === 1 ? n : call.promise,
    { concurrency: 2, ordered: true },
  );
  assertEquals(await iterator.next(), { done: false, value: 1 });
  const answers: string[] = [];
  const returned = ["first", "second"].map((which) =>
    iterator.return().then(() => answers.push(which))
  );
  await settle();
  assertEquals(answers, []);
  call.resolve(0);
  await Promise.all(returned);
  assertEquals(answers.toSorted(), ["first", "second"]);
});
