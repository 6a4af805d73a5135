/**
 * Failures that come when nobody can be told any more: news is reported, an abort is none.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AsyncRunner, AsyncStream } from "../../../mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  asyncProbe,
  failureOf,
  settle,
  stopped,
  syncProbe,
  unclosed,
} from "../support/probe.ts";
import { captureReports } from "../../support/captured_console.ts";

/** An element, then one that fails with `error` when `signal` aborts. */
async function* failing(signal: AbortSignal, error: unknown) {
  yield 1;
  await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(error), { once: true });
  });
}

for (const isNews of [false, true]) {
  Deno.test(
    `AsyncStream.map() with a runner ${
      isNews ? "reports" : "does not report"
    } a source that fails late ${
      isNews ? "with an error of its own" : "with the reason of the abort"
    }`,
    async () => {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const reason = new Error("enough");
      const error = isNews ? new Error("news") : reason;
      using reports = captureReports();
      {
        await using runner = new AsyncRunner({ signal: controller.signal });
        await using _ = nothingLeft({ runner });
        let isRunning = false;
        const result = AsyncStream.from(failing(controller.signal, error))
          .map(() => {
            isRunning = true;
            return new Promise((resolve) => setTimeout(resolve, 10));
          }, { runner })
          .collect();
        const failed = assertRejects(() => result);
        while (!isRunning) await new Promise((resolve) => setTimeout(resolve));
        controller.abort(reason);
        assertStrictEquals(await failed, reason);
        await new Promise((resolve) => setTimeout(resolve));
      }
      assertEquals(reports.lines, isNews ? [stopped("Error: news")] : []);
    },
  );
}

const operators: Record<
  string,
  (stream: AsyncStream<number>) => AsyncStream<number>
> = {
  finally: (stream) => stream.finally(() => {}),
  catch: (stream) => stream.catch(() => []),
  retry: (stream) => stream.retry(),
  timeout: (stream) => stream.timeout(60_000),
  buffer: (stream) => stream.buffer(2),
};
for (const [name, operate] of Object.entries(operators)) {
  Deno.test(`AsyncStream.${name}() reports a function before it that fails after the stream was left`, async () => {
    using reports = captureReports();
    const call = Promise.withResolvers<number>();
    const stream = AsyncStream.from(() => [1]).map(() => call.promise);
    const iterator = operate(stream)[Symbol.asyncIterator]();
    const first = iterator.next();
    await settle();
    const returned = iterator.return?.();
    await settle();
    call.reject("late");
    await returned;
    assertEquals((await first).done, true);
    assertEquals(reports.lines, [stopped('"late"')]);
  });
}

const combinations: Record<
  string,
  (...sources: AsyncIterable<number>[]) => AsyncStream<unknown>
> = {
  merge: (...sources) => AsyncStream.merge(...sources),
  zip: (...sources) => {
    const [first, ...others] = sources.map((source) =>
      AsyncStream.from(source)
    );
    return first!.zip(...others); // There are at least two.
  },
};
for (const [name, combine] of Object.entries(combinations)) {
  Deno.test(`AsyncStream.${name}() rejects with the first of two failures of one turn, and tells of the other`, async () => {
    using reports = captureReports();
    const broken = Promise.withResolvers<number>();
    const failing = (error: unknown) => ({
      [Symbol.asyncIterator]: () => ({
        next: (): Promise<IteratorResult<number>> =>
          broken.promise.then(() => Promise.reject(error)),
      }),
    });
    const result = failureOf(combine(failing("one"), failing("two")).collect());
    await settle();
    broken.resolve(0);
    assertEquals(await result, "one");
    await settle();
    assertEquals(reports.lines, [stopped('"two"')]);
  });

  Deno.test(`AsyncStream.${name}() lets no source that fails to close take the place of a failure`, async () => {
    using reports = captureReports();
    const sources = [
      asyncProbe({ closeError: "close" }),
      asyncProbe({ failAt: 1, error: "failure" }),
      asyncProbe({ closeError: "close too" }),
      // The same failure again is no other one.
      asyncProbe({ closeError: "failure" }),
    ];
    assertEquals(await failureOf(combine(...sources).collect()), "failure");
    assertEquals(
      reports.lines.toSorted(),
      [
        unclosed('"close too"'),
        unclosed('"close"'),
      ].toSorted(),
    );
  });

  Deno.test(`AsyncStream.${name}() that is left rejects with the first source that fails to close, and tells of the others`, async () => {
    using reports = captureReports();
    const sources = ["one", "two", "three"]
      .map((closeError) => asyncProbe({ closeError }));
    assertEquals(await failureOf(combine(...sources).take(1).collect()), "one");
    assertEquals(reports.lines, [unclosed('"two"'), unclosed('"three"')]);
  });
}

Deno.test("AsyncStream.concat() that is left rejects with the first source that fails to close, and tells of the others", async () => {
  using reports = captureReports();
  const [one, two, three] = ["one", "two", "three"]
    .map((closeError) => syncProbe({ closeError }));
  const stream = AsyncStream.from(one!).concat(two!, three!); // Three are made.
  assertEquals(await failureOf(stream.take(0).collect()), "one");
  assertEquals(reports.lines, [unclosed('"two"'), unclosed('"three"')]);
});

Deno.test("AsyncStream.tee() tells of a failure that no reader has come to, and of no other", async () => {
  using reports = captureReports();
  for (const isHeard of [true, false]) {
    const source = asyncProbe({ hangAt: 1, failAt: 1, error: "late" });
    const [asking, other] = AsyncStream.from(source).tee(2)
      .map((stream) => stream[Symbol.asyncIterator]());
    // There are two.
    await asking!.next();
    const asked = asking!.next().catch((error) => error);
    await settle();
    if (!isHeard) await asking!.return?.();
    source.wake();
    assertEquals(
      await asked,
      isHeard ? "late" : { done: true, value: undefined },
    );
    await settle();
    assertEquals(reports.lines, []);
    await other!.return?.();
  }
  assertEquals(reports.lines, [stopped('"late"')]);
});

Deno.test("AsyncStream.catch() and finally() tell of their function when it fails after the stream was left or had failed", async () => {
  using reports = captureReports();
  const recovering = Promise.withResolvers<number[]>();
  const iterator = AsyncStream.from(syncProbe({ failAt: 0, error: "first" }))
    .catch(() => recovering.promise)[Symbol.asyncIterator]();
  const pending = iterator.next();
  await settle();
  await iterator.return?.();
  recovering.reject("recovery");
  assertEquals((await pending).done, true);
  await settle();
  assertEquals(reports.lines, [stopped('"recovery"')]);

  const failing = AsyncStream.from(syncProbe({ failAt: 0, error: "first" }))
    .finally(() => {
      throw "clean-up";
    });
  assertEquals(await failureOf(failing.collect()), "first");
  assertEquals(reports.lines.slice(1), [
    'finally() failed after a failure of its stream: "clean-up"',
  ]);
});

Deno.test("AsyncStream.map() that is asked for several at once rejects with the first failure, and tells of the next", async () => {
  using reports = captureReports();
  const calls = [0, 1, 2].map(() => Promise.withResolvers<number>());
  const iterator = AsyncStream.from([0, 1, 2])
    .map((n) => calls[n]!.promise)[Symbol.asyncIterator](); // One for each.
  const answers = Promise.allSettled(calls.map(() => iterator.next()));
  await settle();
  calls[2]!.reject("third");
  calls[1]!.reject("second");
  calls[0]!.reject("first");
  assertEquals((await answers).map(({ status }) => status), [
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  await settle();
  assertEquals(reports.lines, [stopped('"second"'), stopped('"third"')]);
});

Deno.test("AsyncStream.through() tells of the source's function and of the transform when they fail after the stream was left", async () => {
  for (const where of ["source", "transform"]) {
    using reports = captureReports();
    const call = Promise.withResolvers<number>();
    const slowly = (n: number) => n === 1 ? n : call.promise;
    const iterator = AsyncStream.from([1, 2])
      .map((n) => where === "source" ? slowly(n) : n)
      .through(
        new TransformStream<number, number>({
          transform: async (n, controller) =>
            controller.enqueue(where === "transform" ? await slowly(n) : n),
        }),
      )[Symbol.asyncIterator]();
    assertEquals(await iterator.next(), { done: false, value: 1 });
    const pending = iterator.next();
    await settle();
    const left = iterator.return?.();
    await settle();
    call.reject(where);
    await left;
    assertEquals((await pending).done, true);
    await settle();
    assertEquals(reports.lines, [stopped(`"${where}"`)]);
  }
});

Deno.test("AsyncStream.through() rejects with the failure of its source, whatever the other side makes of it", async () => {
  const endings: ((far: ReadableStreamDefaultController<string>) => void)[] = [
    (far) => far.close(),
    (far) => far.error("made of it"),
    (far) => {
      far.error("source");
      throw "clean-up";
    },
  ];
  const told = [[], ["made of it"], ["clean-up"]];
  for (const [place, end] of endings.entries()) {
    using reports = captureReports();
    const aborted: unknown[] = [];
    let far!: ReadableStreamDefaultController<string>; // Set by start().
    const pair = {
      writable: new WritableStream<number>({
        abort(reason) {
          aborted.push(reason);
          end(far);
        },
      }),
      readable: new ReadableStream<string>({
        start(controller) {
          far = controller;
          controller.enqueue("a");
        },
      }),
    };
    const source = asyncProbe({ failAt: 1, error: "source" });
    const seen: string[] = [];
    const stream = AsyncStream.from(source).through(pair);
    assertEquals(
      await failureOf(stream.forEach((text) => void seen.push(text))),
      "source",
    );
    await settle();
    assertEquals([seen, aborted], [["a"], ["source"]]);
    assertEquals(
      reports.lines,
      told[place]?.map((text) => stopped(`"${text}"`)),
    );
  }
});

Deno.test("toReadableStream() that is cancelled tells of a function that fails afterwards, and of nothing else", async () => {
  using reports = captureReports();
  for (const fails of [true, false]) {
    const call = Promise.withResolvers<number>();
    const reader = AsyncStream.from([call.promise]).toReadableStream()
      .getReader();
    const reading = reader.read();
    await settle();
    const cancelled = reader.cancel("enough");
    await settle();
    if (fails) call.reject("late");
    else call.resolve(1);
    await cancelled;
    assertEquals((await reading).done, true);
    await settle();
  }
  assertEquals(reports.lines, [stopped('"late"')]);
});
