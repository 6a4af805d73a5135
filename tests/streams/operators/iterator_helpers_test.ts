/**
 * What AsyncStream shares with the language's iterator helpers by name it shares by meaning: the
 * same program over the same source does the same things in the same order.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { AsyncStream } from "../../../streams/mod.ts";

interface Log {
  events: string[];
  result: unknown;
}

/** A source that writes down what is asked of it. */
function logged(
  log: Log,
  length: number,
  failAt: number,
): IterableIterator<number> {
  let index = 0;
  return {
    next() {
      log.events.push("next");
      if (index === failAt) throw `source ${index}`;
      return index < length
        ? { done: false, value: index++ }
        : { done: true, value: undefined };
    },
    return() {
      log.events.push("return");
      return { done: true, value: undefined };
    },
    [Symbol.iterator]() {
      return this;
    },
  };
}

interface Step {
  name: string;
  native(iterator: IteratorObject<number>, log: Log): IteratorObject<number>;
  ours(stream: AsyncStream<number>, log: Log): AsyncStream<number>;
}

/** A function that writes down its calls, and may throw. */
const traced =
  <T>(log: Log, name: string, throwAt: number, fn: (n: number) => T) =>
  (n: number, index: number): T => {
    log.events.push(`${name}(${n}, ${index})`);
    if (index === throwAt) throw `${name} ${index}`;
    return fn(n);
  };

const throwAt = fc.integer({ min: 0, max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  throwAt.map((at): Step => ({
    name: "map",
    native: (iterator, log) =>
      iterator.map(traced(log, "map", at, (n) => n + 1)),
    ours: (stream, log) => stream.map(traced(log, "map", at, (n) => n + 1)),
  })),
  throwAt.map((at): Step => ({
    name: "filter",
    native: (iterator, log) =>
      iterator.filter(traced(log, "filter", at, (n) => n % 2 === 0)),
    ours: (stream, log) =>
      stream.filter(traced(log, "filter", at, (n) => n % 2 === 0)),
  })),
  throwAt.map((at): Step => ({
    name: "flatMap",
    native: (iterator, log) =>
      iterator.flatMap(traced(log, "flatMap", at, (n) => Array(n % 3).fill(n))),
    ours: (stream, log) =>
      stream.flatMap(traced(log, "flatMap", at, (n) => Array(n % 3).fill(n))),
  })),
  fc.integer({ min: 0, max: 12 }).map((count): Step => ({
    name: `drop ${count}`,
    native: (iterator) => iterator.drop(count),
    ours: (stream) => stream.drop(count),
  })),
);

interface End {
  name: string;
  native(iterator: IteratorObject<number>, log: Log): unknown;
  ours(stream: AsyncStream<number>, log: Log): Promise<unknown>;
}

const end: fc.Arbitrary<End> = fc.oneof(
  fc.constant<End>({
    name: "collect",
    native: (iterator) => iterator.toArray(),
    ours: (stream) => stream.collect(),
  }),
  fc.integer({ min: 0, max: 12 }).map((limit): End => ({
    name: `take ${limit}`,
    native: (iterator) => iterator.take(limit).toArray(),
    ours: (stream) => stream.take(limit).collect(),
  })),
  throwAt.map((at): End => ({
    name: "forEach",
    native: (iterator, log) =>
      iterator.forEach(traced(log, "forEach", at, () => {})),
    ours: (stream, log) => stream.forEach(traced(log, "forEach", at, () => {})),
  })),
  throwAt.map((at): End => ({
    name: "some",
    native: (iterator, log) =>
      iterator.some(traced(log, "some", at, (n) => n > 4)),
    ours: (stream, log) => stream.some(traced(log, "some", at, (n) => n > 4)),
  })),
  throwAt.map((at): End => ({
    name: "every",
    native: (iterator, log) =>
      iterator.every(traced(log, "every", at, (n) => n < 4)),
    ours: (stream, log) => stream.every(traced(log, "every", at, (n) => n < 4)),
  })),
  throwAt.map((at): End => ({
    name: "find",
    native: (iterator, log) =>
      iterator.find(traced(log, "find", at, (n) => n > 4)),
    ours: (stream, log) => stream.find(traced(log, "find", at, (n) => n > 4)),
  })),
  fc.boolean().map((hasInitial): End => ({
    name: `reduce ${hasInitial}`,
    native: (iterator, log) => {
      const fn = (sum: number, n: number, index: number) => {
        log.events.push(`reduce(${n}, ${index})`);
        return sum + n;
      };
      return hasInitial ? iterator.reduce(fn, 10) : iterator.reduce(fn);
    },
    ours: (stream, log) => {
      const fn = (sum: number, n: number, index: number) => {
        log.events.push(`reduce(${n}, ${index})`);
        return sum + n;
      };
      return hasInitial ? stream.reduce(fn, 10) : stream.reduce(fn);
    },
  })),
  fc.integer({ min: 0, max: 8 }).map((exitAt): End => ({
    name: `break ${exitAt}`,
    native: (iterator) => {
      const seen: number[] = [];
      for (const n of iterator) if (seen.push(n) > exitAt) break;
      return seen;
    },
    ours: async (stream) => {
      const seen: number[] = [];
      for await (const n of stream) if (seen.push(n) > exitAt) break;
      return seen;
    },
  })),
);

Deno.test("AsyncStream does what the iterator helpers of the same names do, call by call", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 15 }),
      fc.integer({ min: 0, max: 30 }),
      fc.array(step, { maxLength: 4 }),
      end,
      async (length, failAt, steps, end) => {
        const expected: Log = { events: [], result: undefined };
        const actual: Log = { events: [], result: undefined };
        const kindOf = (error: unknown) =>
          error instanceof Error ? error.name : error;
        try {
          let iterator: IteratorObject<number> = Iterator.from(
            logged(expected, length, failAt),
          );
          for (const { native } of steps) iterator = native(iterator, expected);
          expected.result = end.native(iterator, expected);
        } catch (error) {
          expected.result = { failed: kindOf(error) };
        }
        try {
          let stream = AsyncStream.from(logged(actual, length, failAt));
          for (const { ours } of steps) stream = ours(stream, actual);
          actual.result = await end.ours(stream, actual);
        } catch (error) {
          actual.result = { failed: kindOf(error) };
        }
        assertEquals(
          actual,
          expected,
          [...steps, end].map(({ name }) => name).join(", "),
        );
      },
    ),
    { numRuns: 2000, seed: 40 },
  );
});
