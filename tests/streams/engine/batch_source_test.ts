/**
 * Sources of batches, most of all under `for await`, where an element at hand takes a short cut.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncStream } from "../../../streams/mod.ts";
import { failureOf, settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** Batches 0 1 2, 3 4 5 … of which each second one is promised. */
function batches(end = Infinity, fail?: { error: unknown }) {
  const seen = { pulls: 0, closings: 0, isClosed: false };
  const stream = AsyncStream.fromBatches<number>(() => ({
    pull() {
      const first = seen.pulls++ * 3;
      if (first >= end) {
        if (fail !== undefined) throw fail.error;
        return undefined;
      }
      const items = [first, first + 1, first + 2].filter((n) => n < end);
      return seen.pulls % 2 === 0 ? Promise.resolve(items) : items;
    },
    async close() {
      seen.closings++;
      await settle();
      seen.isClosed = true;
    },
  }));
  return { seen, stream };
}

const readers: [
  string,
  (stream: AsyncStream<number>) => AsyncStream<number>,
][] = [
  ["without operators", (stream) => stream],
  ["with a map", (stream) => stream.map((n) => n)],
  ["with an asynchronous map", (stream) => stream.map(async (n) => await n)],
  ["with a filter", (stream) => stream.filter(() => true)],
  ["inside a flatMap", (stream) => AsyncStream.of(1).flatMap(() => stream)],
  ["after another", (stream) => AsyncStream.empty<number>().concat(stream)],
];

for (const [name, operate] of readers) {
  Deno.test(`for await over a batch source gives every element in order and closes it when left: ${name}`, async () => {
    await using _ = nothingLeft();
    const whole = batches(20);
    const read: number[] = [];
    for await (const n of operate(whole.stream)) read.push(n);
    assertEquals(read, Array.from({ length: 20 }, (_, n) => n));
    assertEquals(whole.seen.closings, 0);

    for (const last of [0, 1, 2, 3, 4, 5, 6]) {
      const { seen, stream } = batches();
      for await (const n of operate(stream)) if (n === last) break;
      assertEquals(
        seen,
        { pulls: Math.floor(last / 3) + 1, closings: 1, isClosed: true },
        `left at ${last}`,
      );
    }

    const failing = batches(4, { error: "broken" });
    const before: number[] = [];
    assertEquals(
      await failureOf((async () => {
        for await (const n of operate(failing.stream)) before.push(n);
      })()),
      "broken",
    );
    assertEquals([before, failing.seen.closings], [[0, 1, 2, 3], 0]);
  });

  Deno.test(`next() calls that overlap over a batch source are answered in order: ${name}`, async () => {
    const iterator = operate(batches(10).stream)[Symbol.asyncIterator]();
    const first = await iterator.next();
    const overlapping = Array.from({ length: 12 }, () => iterator.next());
    const results = [first, ...await Promise.all(overlapping)];
    assertEquals(
      results.map(({ done, value }) => done ? "end" : value),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "end", "end", "end"],
    );
  });

  Deno.test(`for await over an endless batch source lets timers run: ${name}`, async () => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const { seen, stream } = batches();
    const reason = new Error("enough");
    const timer = setTimeout(() => controller.abort(reason), 5);
    const error = await failureOf((async () => {
      for await (const _ of operate(stream).abortable(controller.signal));
    })());
    clearTimeout(timer);
    assertStrictEquals(error, reason);
    await settle();
    assertEquals(seen.closings, 1);
  });
}

Deno.test("an element at hand of a batch source is not given after return()", async () => {
  await using _ = nothingLeft();
  const { seen, stream } = batches();
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  const returned = iterator.return?.();
  assertEquals((await iterator.next()).done, true);
  await returned;
  assertEquals(seen, { pulls: 1, closings: 1, isClosed: true });
  assert((await iterator.next()).done);
});

Deno.test("for await over one very large batch lets timers run", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const large = Array.from({ length: 2_000_000 }, (_, n) => n);
  const stream = AsyncStream.fromBatches(() => {
    let left = 1;
    return { pull: () => left-- > 0 ? large : undefined };
  });
  const timer = setTimeout(() => controller.abort("enough"), 1);
  let read = 0;
  const error = await failureOf((async () => {
    for await (const _ of stream.abortable(controller.signal)) read++;
  })());
  clearTimeout(timer);
  assertEquals(error, "enough");
  assert(read < large.length, `read ${read} before the timer`);
});
