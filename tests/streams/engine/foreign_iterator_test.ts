/**
 * Iterators of others that do not keep to the protocol: each is a failure of the stream that is
 * told to its consumer, in whatever way the stream is read, and nothing is read twice.
 *
 * @module
 */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { AsyncRunner } from "../../../runner/mod.ts";
import { AsyncStream } from "../../../streams/mod.ts";
import { failureOf, settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** A source with this `next`, that counts how often it is closed. */
function foreign(
  next: () => unknown,
): AsyncIterable<number> & { returns: number } {
  return {
    returns: 0,
    [Symbol.asyncIterator]() {
      return {
        next: next as () => Promise<IteratorResult<number>>,
        return: () => {
          this.returns++;
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
}

/** Every way in which a source is read. */
const readings: [
  string,
  (source: AsyncIterable<number>) => Promise<unknown[]>,
][] = [
  ["collect()", (source) => AsyncStream.from(source).collect()],
  ["for await", (source) => Array.fromAsync(AsyncStream.from(source))],
  [
    "for await over a map()",
    (source) => Array.fromAsync(AsyncStream.from(source).map((n) => n)),
  ],
  ["merge()", (source) => AsyncStream.merge(source).collect()],
  [
    "zip()",
    async (source) =>
      (await AsyncStream.from<number>(source).zip(source).collect())
        .map(([n]) => n),
  ],
  [
    "map() with concurrency",
    (source) =>
      AsyncStream.from(source).map((n) => n, { concurrency: 2 }).collect(),
  ],
  ["runner.map()", async (source) => {
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    return await Array.fromAsync(runner.map(source, (n) => n));
  }],
  [
    "catch()",
    (source) =>
      AsyncStream.from<number>(() => {
        throw new Error("first");
      }).catch(() => source).collect(),
  ],
];

const unreadable: [string, () => unknown][] = [
  ["undefined", () => Promise.resolve()],
  ["undefined at once", () => undefined],
  ["a result whose done throws", () =>
    Promise.resolve({
      get done() {
        throw new TypeError("done");
      },
    })],
  ["a result whose value throws", () =>
    Promise.resolve({
      done: false,
      get value() {
        throw new TypeError("value");
      },
    })],
];

for (const [reading, read] of readings) {
  for (const [what, next] of unreadable) {
    Deno.test(`${reading} fails and closes a source whose next() gives ${what}`, async () => {
      await using _ = nothingLeft();
      const source = foreign(next);
      assertInstanceOf(await failureOf(read(source)), TypeError);
      assertEquals(source.returns > 0, true);
    });
  }

  Deno.test(`${reading} takes an element once from a thenable that calls back twice`, async () => {
    const make = () => {
      let n = 0;
      return {
        next: () => ({
          then(resolve: (result: IteratorResult<number>) => void) {
            const result: IteratorResult<number> = n < 3
              ? { done: false, value: n++ }
              : { done: true, value: undefined };
            resolve(result);
            resolve(result);
          },
        }),
      } as unknown as AsyncIterator<number>;
    };
    const source = { [Symbol.asyncIterator]: make };
    assertEquals(await read(source), [0, 1, 2]);
  });
}

Deno.test("merge() closes a source that wakes with no result after it was left", async () => {
  await using _ = nothingLeft();
  let wake = () => {};
  const source = foreign(() => new Promise<void>((resolve) => wake = resolve));
  const iterator = AsyncStream.merge(source)[Symbol.asyncIterator]();
  const coming = iterator.next();
  await iterator.return?.();
  assertEquals((await coming).done, true);
  wake();
  await settle();
  assertEquals(source.returns, 1);
});

Deno.test("AsyncStream.catch() can be left while the source that replaces the failed one hangs", async () => {
  await using _ = nothingLeft();
  let wake = () => {};
  let isClosed = false;
  const iterator = AsyncStream.from<number>(() => {
    throw new Error("first");
  }).catch(async function* () {
    try {
      await new Promise<void>((resolve) => wake = resolve);
      yield 1;
    } finally {
      isClosed = true;
    }
  })[Symbol.asyncIterator]();
  const coming = iterator.next();
  await settle();
  await iterator.return?.();
  assertEquals((await coming).done, true);
  wake();
  await settle();
  assertEquals(isClosed, true);
});
