import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { AsyncQueue, AsyncStream } from "../../../streams/mod.ts";
import { settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** An operator beside what it does to an array. */
interface Operation {
  readonly name: string;
  stream(stream: AsyncStream<number>): AsyncStream<number>;
  array(values: number[]): number[];
}

/** A function that answers now or later, by the value. */
const mixed = <T>(value: number, result: T, mode: number): T | Promise<T> =>
  mode === 0 || (mode === 2 && value % 2 === 0)
    ? result
    : Promise.resolve(result);

const chunks = (values: number[], size: number): number[][] => {
  const result: number[][] = [];
  for (let n = 0; n < values.length; n += size) {
    result.push(values.slice(n, n + size));
  }
  return result;
};

const mode = fc.integer({ min: 0, max: 2 });
const small = fc.integer({ min: 0, max: 5 });
const size = fc.integer({ min: 1, max: 5 });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  mode.map((mode): Operation => ({
    name: `map ${mode}`,
    stream: (stream) => stream.map((n, i) => mixed(n, n * 2 + i, mode)),
    array: (values) => values.map((n, i) => n * 2 + i),
  })),
  fc.record({ mode, concurrency: size }).map(({ mode, concurrency }) => ({
    name: `map ${mode} concurrency ${concurrency}`,
    stream: (stream: AsyncStream<number>) =>
      stream.map((n, i) => mixed(n, n + i, mode), { concurrency }),
    array: (values: number[]) => values.map((n, i) => n + i),
  })),
  mode.map((mode): Operation => ({
    name: `filter ${mode}`,
    stream: (stream) => stream.filter((n) => mixed(n, n % 3 !== 0, mode)),
    array: (values) => values.filter((n) => n % 3 !== 0),
  })),
  fc.record({ mode, count: small }).map(({ mode, count }) => ({
    name: `flatMap ${mode} ${count}`,
    stream: (stream: AsyncStream<number>) =>
      stream.flatMap((n) =>
        mixed(
          n,
          mode === 1
            ? AsyncStream.range(0, n % 4)
            : Array(Math.abs(n) % (count + 1)).fill(n),
          mode,
        )
      ),
    array: (values: number[]) =>
      values.flatMap((n) =>
        mode === 1
          ? Array.from({ length: Math.max(0, n % 4) }, (_, i) => i)
          : Array(Math.abs(n) % (count + 1)).fill(n)
      ),
  })),
  small.map((n): Operation => ({
    name: `take ${n}`,
    stream: (stream) => stream.take(n),
    array: (values) => values.slice(0, n),
  })),
  small.map((n): Operation => ({
    name: `drop ${n}`,
    stream: (stream) => stream.drop(n),
    array: (values) => values.slice(n),
  })),
  mode.map((mode): Operation => ({
    name: `takeWhile ${mode}`,
    stream: (stream) => stream.takeWhile((n) => mixed(n, n < 40, mode)),
    array: (values) => {
      const end = values.findIndex((n) => n >= 40);
      return end < 0 ? values : values.slice(0, end);
    },
  })),
  mode.map((mode): Operation => ({
    name: `dropWhile ${mode}`,
    stream: (stream) => stream.dropWhile((n) => mixed(n, n < 10, mode)),
    array: (values) => {
      const start = values.findIndex((n) => n >= 10);
      return start < 0 ? [] : values.slice(start);
    },
  })),
  size.map((size): Operation => ({
    name: `batch ${size}`,
    stream: (stream) =>
      stream.batch(size).map((batch) => batch.length * 100 + (batch[0] ?? 0)),
    array: (values) =>
      chunks(values, size).map((batch) => batch.length * 100 + (batch[0] ?? 0)),
  })),
  fc.record({ size, step: size, partial: fc.boolean() }).map((
    { size, step, partial },
  ) => ({
    name: `window ${size} ${step} ${partial}`,
    stream: (stream: AsyncStream<number>) =>
      stream.window(size, step, { partial }).flatten(),
    array: (values: number[]) => {
      const result: number[] = [];
      for (let n = 0; n < values.length; n += step) {
        const window = values.slice(n, n + size);
        if (window.length === size || partial) result.push(...window);
      }
      return result;
    },
  })),
  fc.constant<Operation>({
    name: "scan",
    stream: (stream) => stream.scan((sum, n) => sum + n),
    array: (values) => {
      let sum = 0;
      return values.map((n) => sum += n);
    },
  }),
  fc.constant<Operation>({
    name: "distinct",
    stream: (stream) => stream.distinct(),
    array: (values) => [...new Set(values)],
  }),
  fc.constant<Operation>({
    name: "distinctUntilChanged",
    stream: (stream) => stream.distinctUntilChanged(),
    array: (values) => values.filter((n, i) => i === 0 || n !== values[i - 1]),
  }),
  fc.constant<Operation>({
    name: "pairwise",
    stream: (stream) => stream.pairwise().map(([a, b]) => b - a),
    array: (values) => values.slice(1).map((n, i) => n - (values[i] ?? 0)),
  }),
  fc.constant<Operation>({
    name: "enumerate",
    stream: (stream) => stream.enumerate().map(([i, n]) => i * n),
    array: (values) => values.map((n, i) => i * n),
  }),
  size.map((size): Operation => ({
    name: `buffer ${size}`,
    stream: (stream) => stream.buffer(size),
    array: (values) => values,
  })),
  size.map((buffer): Operation => ({
    name: `tee ${buffer}`,
    stream: (stream) => {
      const [a, b] = stream.tee(2, { buffer });
      return a.zip(b).map(([x, y]) => x === y ? x : NaN);
    },
    array: (values) => values,
  })),
  fc.constant<Operation>({
    name: "concat",
    stream: (stream) => stream.concat([1, 2]),
    array: (values) => [...values, 1, 2],
  }),
  fc.constant<Operation>({
    name: "catch, finally, timeout, abortable",
    stream: (stream) =>
      stream.finally(() => {}).timeout(60_000)
        .abortable(new AbortController().signal),
    array: (values) => values,
  }),
);

type SourceKind =
  | "array"
  | "iterator"
  | "async"
  | "readable"
  | "batches"
  | "mixed"
  | "queue";
const kind = fc.constantFrom<SourceKind>(
  "array",
  "iterator",
  "async",
  "readable",
  "batches",
  "mixed",
  "queue",
);

/** A source of `values` that may fail after them, and counts how often it was closed. */
function makeSource(
  kind: SourceKind,
  values: number[],
  failure: { error: unknown } | undefined,
): { stream: AsyncStream<number>; state: { open: number; closed: number } } {
  const state = { open: 0, closed: 0 };
  function* iterate(): Generator<number> {
    state.open++;
    try {
      yield* values;
      if (failure !== undefined) throw failure.error;
    } finally {
      state.closed++;
    }
  }
  async function* iterateLater(): AsyncGenerator<number> {
    state.open++;
    try {
      for (const value of values) {
        if (value % 2 === 0) await null;
        yield value;
      }
      if (failure !== undefined) throw failure.error;
    } finally {
      await null;
      state.closed++;
    }
  }
  const make = (): AsyncStream<number> => {
    switch (kind) {
      case "array":
        return failure === undefined
          ? AsyncStream.from(values)
          : AsyncStream.from(iterate());
      case "iterator":
        return AsyncStream.from(iterate());
      case "async":
        return AsyncStream.from(iterateLater());
      case "readable": {
        const iterator = iterateLater();
        return AsyncStream.from(
          new ReadableStream<number>({
            async pull(controller) {
              const { done, value } = await iterator.next();
              if (done) controller.close();
              else controller.enqueue(value);
            },
            cancel: async () => void await iterator.return(undefined),
          }, { highWaterMark: 0 }),
        );
      }
      case "batches":
        return AsyncStream.fromBatches(() => {
          const parts = chunks(values, 3);
          state.open++;
          return {
            pull: () => {
              const part = parts.shift();
              if (part === undefined) {
                state.closed++;
                if (failure !== undefined) throw failure.error;
              }
              return part !== undefined && (part[0] ?? 0) % 2 === 0
                ? Promise.resolve(part)
                : part;
            },
            close: () => void state.closed++,
          };
        });
      case "mixed":
        return AsyncStream.from(function* () {
          for (const value of iterate()) {
            yield value % 3 === 0 ? Promise.resolve(value) : value;
          }
        });
      case "queue": {
        const queue = new AsyncQueue<number>();
        for (const value of values) queue.tryPut(value);
        queue.close(...(failure === undefined ? [] : [failure.error]));
        return queue.stream();
      }
    }
  };
  return { stream: make(), state };
}

const values = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 20 });

Deno.test("AsyncStream's operators do what their array equivalents do, over every kind of source", async () => {
  await fc.assert(
    fc.asyncProperty(
      kind,
      values,
      fc.array(operation, { maxLength: 5 }),
      fc.constantFrom("collect", "for await", "readable", "next ahead"),
      async (kind, values, operations, way) => {
        const { stream: source, state } = makeSource(kind, values, undefined);
        let stream = source;
        let expected = values;
        for (const { stream: operate, array } of operations) {
          stream = operate(stream);
          expected = array(expected);
        }
        const results: number[] = [];
        if (way === "collect") results.push(...await stream.collect());
        else if (way === "for await") {
          for await (const value of stream) results.push(value);
        } else if (way === "readable") {
          for await (const value of stream.toReadableStream()) {
            results.push(value);
          }
        } else {
          const iterator = stream[Symbol.asyncIterator]();
          const pending = Array.from(
            { length: expected.length + 2 },
            () => iterator.next(),
          );
          for (const { done, value } of await Promise.all(pending)) {
            if (!done) results.push(value);
          }
        }
        assertEquals(
          results,
          expected,
          operations.map(({ name }) => name).join(", "),
        );
        await settle();
        assertEquals(state.closed, state.open);
      },
    ),
    { numRuns: 1500, seed: 10 },
  );
});

Deno.test("AsyncStream closes every kind of source once after a random early exit or failure", async () => {
  await using _ = nothingLeft();
  await fc.assert(
    fc.asyncProperty(
      kind,
      values,
      fc.array(operation, { maxLength: 4 }),
      fc.integer({ min: 0, max: 10 }),
      fc.constantFrom<unknown>(new Error("source"), undefined, null, 0),
      fc.constantFrom(
        "break",
        "throw",
        "take",
        "abort",
        "return ahead",
        "source",
      ),
      async (kind, values, operations, exitAt, error, way) => {
        const failure = way === "source" ? { error } : undefined;
        const { stream: source, state } = makeSource(kind, values, failure);
        let stream = source;
        for (const { stream: operate } of operations) stream = operate(stream);
        let caught: { error: unknown } | undefined;
        let count = 0;
        try {
          if (way === "take") await stream.take(exitAt).drain();
          else if (way === "abort") {
            const controller = new AbortController();
            await using _ = nothingLeft({ signals: [controller.signal] });
            await stream.forEach(() => {
              if (count++ === exitAt) controller.abort(error);
            }, { signal: controller.signal });
          } else if (way === "return ahead") {
            const iterator = stream[Symbol.asyncIterator]();
            const pending = Array.from({ length: 3 }, () => iterator.next());
            await iterator.return?.();
            await Promise.all(pending);
          } else {
            for await (const _ of stream) {
              if (count++ !== exitAt) continue;
              if (way === "break") break;
              if (way === "throw") throw error;
            }
          }
        } catch (error) {
          caught = { error };
        }
        if (caught !== undefined && way !== "abort") {
          assertStrictEquals(caught.error, error);
        }
        if (
          failure !== undefined &&
          !operations.some(({ name }) => /take/.test(name)) && kind !== "array"
        ) {
          assertEquals(caught, failure);
        }
        await settle();
        await settle();
        assertEquals(
          state.closed,
          state.open,
          operations.map(({ name }) => name).join(", "),
        );
      },
    ),
    { numRuns: 1500, seed: 20 },
  );
});

// The queue against a model

type QueueAction =
  | { kind: "put" | "tryPut"; item: number | undefined }
  | { kind: "get" | "tryGet" | "close" | "settle" | "iterate" }
  | { kind: "abortPut" | "abortGet"; which: number };

const queueAction: fc.Arbitrary<QueueAction> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      item: fc.option(fc.nat(), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("tryPut" as const),
      item: fc.option(fc.nat(), { nil: undefined }),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: "get" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "tryGet" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "iterate" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("abortPut" as const, "abortGet" as const),
      which: fc.nat(5),
    }),
  },
);

Deno.test("AsyncQueue behaves like its model under random interleavings", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 1, 3, Infinity),
      fc.array(queueAction, { maxLength: 60 }),
      async (maxSize, actions) => {
        const queue = new AsyncQueue<number | undefined>({ maxSize });
        // The model: two plain arrays of waiting calls and one of items.
        const items: (number | undefined)[] = [];
        const puts: { item: number | undefined; id: number }[] = [];
        const gets: number[] = [];
        const expected = new Map<number, unknown>();
        const actual = new Map<number, unknown>();
        const controllers = new Map<number, AbortController>();
        let id = 0;
        const take = () => {
          const direct = items.length === 0;
          const put = puts.shift();
          const item = direct ? put?.item : items.shift();
          if (put !== undefined) {
            if (!direct) items.push(put.item);
            expected.set(put.id, "accepted");
          }
          return item;
        };
        const offer = (item: number | undefined): boolean => {
          const get = gets.shift();
          if (get !== undefined) {
            expected.set(get, { item });
            return true;
          }
          if (items.length >= maxSize) return false;
          items.push(item);
          return true;
        };
        for (const action of actions) {
          const call = id++;
          const controller = new AbortController();
          controllers.set(call, controller);
          const { signal } = controller;
          switch (action.kind) {
            case "put":
              queue.put(action.item, { signal }).then(
                () => actual.set(call, "accepted"),
                () => actual.set(call, "aborted"),
              );
              if (offer(action.item)) expected.set(call, "accepted");
              else puts.push({ item: action.item, id: call });
              break;
            case "tryPut":
              assertEquals(queue.tryPut(action.item), offer(action.item));
              break;
            case "get":
            case "iterate":
              (action.kind === "get"
                ? queue.get({ signal })
                : queue[Symbol.asyncIterator]().next().then(({ value }) =>
                  value
                )).then(
                  (item) => actual.set(call, { item }),
                  () => actual.set(call, "aborted"),
                );
              if (items.length + puts.length > 0) {
                expected.set(call, { item: take() });
              } else gets.push(call);
              if (action.kind === "iterate") controllers.delete(call);
              break;
            case "tryGet":
              assertEquals(
                queue.tryGet(),
                items.length + puts.length > 0 ? take() : undefined,
              );
              break;
            case "abortPut": {
              const [put] = puts.splice(
                action.which % Math.max(1, puts.length),
                1,
              );
              if (put !== undefined) {
                controllers.get(put.id)?.abort();
                expected.set(put.id, "aborted");
              }
              break;
            }
            case "abortGet": {
              const place = action.which % Math.max(1, gets.length);
              const get = gets[place];
              if (get !== undefined && controllers.has(get)) {
                gets.splice(place, 1);
                controllers.get(get)?.abort();
                expected.set(get, "aborted");
              }
              break;
            }
            default:
              await settle();
          }
          assertEquals([queue.size, queue.waitingPuts, queue.waitingGets], [
            items.length,
            puts.length,
            gets.length,
          ]);
        }
        await settle();
        assertEquals(actual, expected);
        // Nothing was lost: what is left comes out, in order, and then the end.
        await using _ = nothingLeft({
          signals: [...controllers.values()].map(({ signal }) => signal),
        });
        queue.close();
        const left = [...items, ...puts.map(({ item }) => item)];
        assertEquals(await queue.stream().collect(), left);
      },
    ),
    { numRuns: 1000, seed: 30 },
  );
});
