/**
 * AsyncStream: the face of everything in this folder. Each method is described here and done in
 * the file of its family.
 *
 * @module
 */
import { functionNamed, integer } from "../_internal/validate.ts";
import type { BatchSource, Operator } from "./engine.ts";
import {
  checkConcurrency,
  type ConcurrencyOptions,
  concurrentMap,
  isConcurrent,
} from "./operators/concurrent.ts";
import {
  distinct,
  distinctUntilChanged,
  enumerate,
  filter,
  map,
  type Mapper,
  pairwise,
  type Predicate,
  scan,
  tap,
} from "./operators/element.ts";
import { flatMap } from "./operators/flatten.ts";
import {
  batch,
  batchBytes,
  bytesOf,
  type PartialBatch,
  window,
} from "./operators/group.ts";
import { drop, dropWhile, take, takeWhile } from "./operators/limit.ts";
import { PLAN, Plan } from "./plan.ts";
import {
  BatchOrigin,
  IteratorOrigin,
  SourceOrigin,
  type StreamSource,
} from "./source.ts";
import * as terminals from "./terminals.ts";
import type { TerminalOptions } from "./terminals.ts";
import { type ReadableOptions, toReadable } from "./to_readable.ts";

/** When a batch is full, and what becomes of one that is not. */
export interface BatchOptions {
  /** Passes on a batch that is not full when a failure ends the stream, or drops it. @default {"deliver"} */
  onError?: PartialBatch | undefined;
}

/** How `batchBytes` measures. */
export interface BatchBytesOptions<T> extends BatchOptions {
  /** The size of a chunk. @default {byteLength, or the UTF-8 length of a string} */
  bytesOf?: ((value: T) => number) | undefined;
}

/** What `window` does at the end. */
export interface WindowOptions {
  /** Whether the windows at the end that are shorter than `size` are passed on. @default {false} */
  partial?: boolean | undefined;
}

/**
 * A sequence of elements over time: lazy, pulled by its consumer, composable.
 *
 * Operators (`map`, `filter`, `batch` …) describe; nothing runs before a terminal (`collect`,
 * `forEach` …), a `for await` or a `toReadableStream()` asks for elements. Neighbouring
 * operators are fused into one pass, and nothing waits unless a source, a function or the
 * consumer is really asynchronous. Functions may return promises anywhere; they are awaited
 * before the next element is read.
 *
 * Whoever stops early (`break`, `take`, an error, an abort) closes the source exactly once and
 * waits for that. Nothing but `buffer`, `concurrency` and `tee` reads ahead.
 *
 * @example
 * ```ts
 * import { AsyncStream } from "@specify/async-core";
 *
 * const stream = new AsyncStream([1, 2, 3, 4, 5]);
 * const result = await stream.map((x) => x * 2).filter((x) => x > 5).collect();
 * console.log(result); // [6, 8, 10]
 * ```
 */
export class AsyncStream<T> implements AsyncIterable<T> {
  /** @internal */
  readonly [PLAN]: Plan<T>;

  /**
   * A stream over `source`. A function is called for each reading, so that the stream can be
   * read again and `retry` can start over.
   *
   * @throws {TypeError} When `source` is nothing that can be read.
   */
  constructor(source: StreamSource<T>) {
    this[PLAN] = (source as unknown) instanceof Plan
      ? source as unknown as Plan<T>
      : Plan.of(new SourceOrigin(source));
  }

  // Sources

  /**
   * A stream over an iterable, an async iterable, a ReadableStream, an AsyncQueue, or a function
   * that returns one.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const numbers = AsyncStream.from(async function* () {
   *   yield 1;
   *   yield 2;
   * });
   * console.log(await numbers.collect(), await numbers.count()); // [1, 2] 2
   * ```
   */
  static from<T>(source: StreamSource<T>): AsyncStream<T> {
    return source instanceof AsyncStream ? source : new AsyncStream<T>(source);
  }

  /**
   * A stream over a source that delivers its elements many at a time, such as the lines of a
   * chunk of a file: the cheapest way to make a stream of many small elements. `open` is called
   * for each reading.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const pages = [["a", "b"], ["c"]];
   * const stream = AsyncStream.fromBatches(() => {
   *   let page = 0;
   *   return { pull: () => pages[page++] };
   * });
   * console.log(await stream.collect()); // ["a", "b", "c"]
   * ```
   */
  static fromBatches<T>(
    open: () => BatchSource<T> | PromiseLike<BatchSource<T>>,
  ): AsyncStream<T> {
    return ofPlan(Plan.of(new BatchOrigin(functionNamed("open", open))));
  }

  /**
   * The given values.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 3).collect()); // [1, 2, 3]
   * ```
   */
  static of<T>(...values: T[]): AsyncStream<T> {
    return new AsyncStream<T>(values);
  }

  /**
   * No values.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.empty().count()); // 0
   * ```
   */
  static empty<T = never>(): AsyncStream<T> {
    return new AsyncStream<T>([]);
  }

  /**
   * The numbers from `start` up to, not including, `end`, in steps of `step`.
   *
   * @throws {RangeError} When `step` is 0 or an argument is NaN.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 10, 3).collect()); // [0, 3, 6, 9]
   * console.log(await AsyncStream.range(3, 0, -1).collect()); // [3, 2, 1]
   * ```
   */
  static range(
    start: number,
    end: number = Infinity,
    step = 1,
  ): AsyncStream<number> {
    if (
      step === 0 || Number.isNaN(start) || Number.isNaN(end) ||
      Number.isNaN(step)
    ) {
      throw new RangeError(
        `range() needs numbers and a step that is not 0, got start ${start}, end ${end}, step ${step}`,
      );
    }
    return new AsyncStream<number>(() => rangeIterator(start, end, step));
  }

  // Operators on single elements

  /**
   * `fn(value, index)` in place of each value.
   *
   * ```text
   * source  1 -- 2 -- 3 |
   * map x10 10 - 20 - 30 |
   * ```
   * With `concurrency` several calls are in flight, the source is read no further ahead than
   * that, and results come in order unless `ordered` is false. When one fails, the values before
   * it are delivered, the others in flight are awaited and the source is closed.
   * Cost: some nanoseconds per element; with `concurrency` a fraction of a microsecond.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const lengths = AsyncStream.of("a", "bb").map((text) => text.length);
   * console.log(await lengths.collect()); // [1, 2]
   *
   * const doubled = AsyncStream.range(0, 5)
   *   .map((n) => Promise.resolve(n * 2), { concurrency: 3 });
   * console.log(await doubled.collect()); // [0, 2, 4, 6, 8]
   * ```
   */
  map<U>(fn: Mapper<T, U>, options?: ConcurrencyOptions): AsyncStream<U> {
    functionNamed("fn", fn);
    checkConcurrency(options);
    return isConcurrent(options)
      ? this.#over((plan) => concurrentMap(plan, fn, options ?? {}), options)
      : this.#then(map(fn), options);
  }

  /**
   * Only the values for which `predicate(value, index)` is (or resolves to) something true.
   *
   * ```text
   * source 1 -- 2 -- 3 -- 4 |
   * even   ---- 2 ------- 4 |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const even = AsyncStream.range(0, 6).filter((n) => n % 2 === 0);
   * console.log(await even.collect()); // [0, 2, 4]
   * ```
   */
  filter<S extends T>(
    predicate: (value: T, index: number) => value is S,
    options?: ConcurrencyOptions,
  ): AsyncStream<S>;
  /** Only the values that pass. */
  filter(
    predicate: Predicate<T>,
    options?: ConcurrencyOptions,
  ): AsyncStream<T>;
  filter(
    predicate: Predicate<T>,
    options?: ConcurrencyOptions,
  ): AsyncStream<T> {
    functionNamed("predicate", predicate);
    checkConcurrency(options);
    if (!isConcurrent(options)) return this.#then(filter(predicate), options);
    return this
      .map(async (value, index) => ({
        value,
        passes: await predicate(value, index),
      }), options)
      .filter(({ passes }) => passes)
      .map(({ value }) => value);
  }

  /**
   * The values of the sources that `fn(value, index)` returns, one source after the other.
   *
   * ```text
   * source   1 ------- 2 ------- |
   * [x, x]   1 -- 1 -- 2 -- 2 -- |
   * ```
   * Each inner source is opened in its turn, read on demand and closed when the stream stops.
   * With `concurrency` so many calls of `fn` are in flight; their sources are still walked one
   * after the other.
   *
   * @throws {TypeError} While running, when `fn` returns a string or nothing that can be read.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const words = AsyncStream.of("to be", "or not").flatMap((line) => line.split(" "));
   * console.log(await words.collect()); // ["to", "be", "or", "not"]
   * ```
   */
  flatMap<U>(
    fn: Mapper<T, StreamSource<U>>,
    options?: ConcurrencyOptions,
  ): AsyncStream<U> {
    functionNamed("fn", fn);
    checkConcurrency(options);
    return isConcurrent(options)
      ? this.map(fn, options).#then(
        flatMap<StreamSource<U>, U>((inner) => inner),
      )
      : this.#then(flatMap(fn), options);
  }

  /**
   * The values of each element, which is a source itself, one source after the other.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of([1, 2], [], [3]).flatten().collect()); // [1, 2, 3]
   * ```
   */
  flatten<U>(this: AsyncStream<StreamSource<U>>): AsyncStream<U> {
    return this.flatMap<U>((inner) => inner);
  }

  /**
   * The values as they are; `fn(value, index)` sees each one before it goes on, and is awaited.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const seen: number[] = [];
   * await AsyncStream.of(1, 2).tap((n) => seen.push(n)).drain();
   * console.log(seen); // [1, 2]
   * ```
   */
  tap(fn: Mapper<T, unknown>): AsyncStream<T> {
    return this.#then(tap(functionNamed("fn", fn)));
  }

  /**
   * The running result of `fn(accumulator, value, index)`. Without a seed the first value is the
   * first accumulator.
   *
   * ```text
   * source 1 -- 2 -- 3 |
   * sum    1 -- 3 -- 6 |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 3).scan((sum, n) => sum + n).collect()); // [1, 3, 6]
   * ```
   */
  scan(
    fn: (accumulator: T, value: T, index: number) => T | PromiseLike<T>,
  ): AsyncStream<T>;
  /** The running result, beginning from `seed`. */
  scan<U>(
    fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
    seed: U,
  ): AsyncStream<U>;
  scan<U>(
    fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
    ...seed: [] | [U]
  ): AsyncStream<U> {
    functionNamed("fn", fn);
    return this.#then(scan(
      fn,
      seed.length === 0 ? undefined : {
        value: seed[0],
      },
    ));
  }

  /**
   * `[index, value]`, counting from `start`.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of("a", "b").enumerate(1).collect()); // [[1, "a"], [2, "b"]]
   * ```
   */
  enumerate(start = 0): AsyncStream<[number, T]> {
    return this.#then(enumerate<T>(start));
  }

  /**
   * Each value with the one before it.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 3).pairwise().collect()); // [[1, 2], [2, 3]]
   * ```
   */
  pairwise(): AsyncStream<[T, T]> {
    return this.#then(pairwise<T>());
  }

  /**
   * Only the first value of each key (the value itself, without `key`). Remembers every key.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 1, 3).distinct().collect()); // [1, 2, 3]
   * ```
   */
  distinct(key?: Mapper<T, unknown>): AsyncStream<T> {
    return this.#then(distinct(key));
  }

  /**
   * Leaves out values whose key (the value itself, without `key`) is that of the one before.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 1, 2, 1).distinctUntilChanged().collect()); // [1, 2, 1]
   * ```
   */
  distinctUntilChanged(key?: Mapper<T, unknown>): AsyncStream<T> {
    return this.#then(distinctUntilChanged(key));
  }

  // Operators that end early or skip

  /**
   * The first `limit` values. The source is read exactly so often and then closed; with 0 it is
   * closed without being read.
   *
   * @throws {RangeError} When `limit` is negative or NaN.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0).take(3).collect()); // [0, 1, 2]
   * ```
   */
  take(limit: number): AsyncStream<T> {
    return this.#then(take<T>(countNamed("limit", limit)));
  }

  /**
   * The values before the first one that does not pass; then the source is closed.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0).takeWhile((n) => n < 3).collect()); // [0, 1, 2]
   * ```
   */
  takeWhile(predicate: Predicate<T>): AsyncStream<T> {
    return this.#then(takeWhile(functionNamed("predicate", predicate)));
  }

  /**
   * The values after the first `count`.
   *
   * @throws {RangeError} When `count` is negative or NaN.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 5).drop(3).collect()); // [3, 4]
   * ```
   */
  drop(count: number): AsyncStream<T> {
    return this.#then(drop<T>(countNamed("count", count)));
  }

  /**
   * The values from the first one that does not pass on.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 5, 2).dropWhile((n) => n < 3).collect()); // [5, 2]
   * ```
   */
  dropWhile(predicate: Predicate<T>): AsyncStream<T> {
    return this.#then(dropWhile(functionNamed("predicate", predicate)));
  }

  // Operators that put elements together

  /**
   * Arrays of `size` values; the last one may be shorter, none is empty.
   *
   * ```text
   * source   1 -- 2 -- 3 |
   * batch(2) ---- [1,2] - [3] |
   * ```
   *
   * @throws {RangeError} When `size` is no positive integer.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 5).batch(2).collect()); // [[0, 1], [2, 3], [4]]
   * ```
   */
  batch(size: number, options: BatchOptions = {}): AsyncStream<T[]> {
    integer("size", size, 1);
    return this.#then(batch<T>(size, options.onError ?? "deliver"));
  }

  /**
   * Arrays of chunks that together have at most `limit` bytes; a chunk that has more makes an
   * array of its own.
   *
   * @throws {RangeError} When `limit` is no positive integer.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const batches = AsyncStream.of("ab", "c", "def").batchBytes(3);
   * console.log(await batches.collect()); // [["ab", "c"], ["def"]]
   * ```
   */
  batchBytes(
    limit: number,
    options: BatchBytesOptions<T> = {},
  ): AsyncStream<T[]> {
    integer("limit", limit, 1);
    return this.#then(
      batchBytes<T>(
        limit,
        options.bytesOf ?? bytesOf,
        options.onError ?? "deliver",
      ),
    );
  }

  /**
   * Sliding windows: arrays of `size` neighbouring values, each beginning `step` values after
   * the one before. A `step` above `size` skips values. Every window is a fresh array.
   *
   * ```text
   * source       1 -- 2 -- 3 -- 4 |
   * window(3)    ---------[1,2,3][2,3,4] |
   * ```
   *
   * @throws {RangeError} When `size` or `step` is no positive integer.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const numbers = AsyncStream.of(1, 2, 3);
   * console.log(await numbers.window(2).collect()); // [[1, 2], [2, 3]]
   * console.log(await numbers.window(2, 2, { partial: true }).collect()); // [[1, 2], [3]]
   * ```
   */
  window(
    size: number,
    step = 1,
    options: WindowOptions = {},
  ): AsyncStream<T[]> {
    integer("size", size, 1);
    integer("step", step, 1);
    return this.#then(window<T>(size, step, options.partial ?? false));
  }

  // Cancellation

  /**
   * Fails with `signal.reason` as soon as `signal` aborts, and closes the source.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const controller = new AbortController();
   * const seen = AsyncStream.range(0).abortable(controller.signal)
   *   .tap((n) => n === 2 && controller.abort(new Error("enough")));
   * console.log(await seen.collect().catch((error) => error.message)); // "enough"
   * ```
   */
  abortable(signal: AbortSignal): AsyncStream<T> {
    return this.#then<T>((next, run) => {
      run.abortOn(signal);
      return next;
    });
  }

  // Terminals

  /**
   * All elements in an array.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 3).collect()); // [0, 1, 2]
   * ```
   */
  collect(options?: TerminalOptions): Promise<T[]> {
    return terminals.collect(this[PLAN], options);
  }

  /**
   * Calls `fn(value, index)` with each element, and waits for it before the next one.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * await AsyncStream.of("a", "b").forEach((value, index) => console.log(index, value));
   * ```
   */
  async forEach(
    fn: Mapper<T, unknown>,
    options?: TerminalOptions,
  ): Promise<void> {
    await terminals.forEach(this[PLAN], functionNamed("fn", fn), options);
  }

  /**
   * The last result of `fn(accumulator, value, index)`. Without an initial value the first
   * element is the first accumulator.
   *
   * @throws {TypeError} When the stream is empty and there is no initial value.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 3).reduce((sum, n) => sum + n, 0)); // 6
   * ```
   */
  reduce(
    fn: (accumulator: T, value: T, index: number) => T | PromiseLike<T>,
  ): Promise<T>;
  /** The last result, beginning from `initial`. */
  reduce<U>(
    fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
    initial: U,
    options?: TerminalOptions,
  ): Promise<U>;
  async reduce<U>(
    fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
    ...rest: [initial?: U, options?: TerminalOptions]
  ): Promise<U> {
    return await terminals.reduce(
      this[PLAN],
      functionNamed("fn", fn),
      rest.length === 0 ? undefined : { value: rest[0] as U },
      rest[1],
    );
  }

  /**
   * How many elements there are.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 1000).count()); // 1000
   * ```
   */
  count(options?: TerminalOptions): Promise<number> {
    return terminals.count(this[PLAN], options);
  }

  /**
   * Reads to the end for the sake of what the operators do.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * await AsyncStream.of(1, 2).tap((n) => console.log(n)).drain();
   * ```
   */
  drain(options?: TerminalOptions): Promise<void> {
    return terminals.drain(this[PLAN], options);
  }

  /**
   * The first element; then the source is closed. `undefined` when there is none.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(7).first()); // 7
   * ```
   */
  first(options?: TerminalOptions): Promise<T | undefined> {
    return terminals.find(this[PLAN], () => true, options);
  }

  /**
   * The last element; `undefined` when there is none.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 5).last()); // 4
   * ```
   */
  last(options?: TerminalOptions): Promise<T | undefined> {
    return terminals.last(this[PLAN], options);
  }

  /**
   * The first element that passes; then the source is closed. `undefined` when none does.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0).find((n) => n * n > 50)); // 8
   * ```
   */
  async find(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<T | undefined> {
    return await terminals.find(
      this[PLAN],
      functionNamed("predicate", predicate),
      options,
    );
  }

  /**
   * Whether at least one element passes; reads no further than the first that does.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0).some((n) => n > 2)); // true
   * ```
   */
  async some(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<boolean> {
    return await terminals.some(
      this[PLAN],
      functionNamed("predicate", predicate),
      options,
    );
  }

  /**
   * Whether all elements pass; reads no further than the first that does not.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0).every((n) => n < 2)); // false
   * ```
   */
  async every(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<boolean> {
    return await terminals.every(
      this[PLAN],
      functionNamed("predicate", predicate),
      options,
    );
  }

  /**
   * All elements by `keyOf(value, index)`; `valueOf` says what is kept of each. Of two with the
   * same key the later one stays.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const lengths = await AsyncStream.of("a", "bb").toMap((text) => text, (text) => text.length);
   * console.log(lengths.get("bb")); // 2
   * ```
   */
  toMap<K>(keyOf: Mapper<T, K>): Promise<Map<K, T>>;
  /** The same with `valueOf(value, index)` as the values. */
  toMap<K, V>(
    keyOf: Mapper<T, K>,
    valueOf: Mapper<T, V>,
    options?: TerminalOptions,
  ): Promise<Map<K, V>>;
  async toMap<K, V>(
    keyOf: Mapper<T, K>,
    valueOf?: Mapper<T, V>,
    options?: TerminalOptions,
  ): Promise<Map<K, V>> {
    functionNamed("keyOf", keyOf);
    return await terminals.toMap(this[PLAN], keyOf, valueOf, options);
  }

  /**
   * All different elements.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log((await AsyncStream.of(1, 1, 2).toSet()).size); // 2
   * ```
   */
  toSet(options?: TerminalOptions): Promise<Set<T>> {
    return terminals.toSet(this[PLAN], options);
  }

  /**
   * All elements as one string, as Array.join does it.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of("a", "b").join("-")); // "a-b"
   * ```
   */
  join(separator = ",", options?: TerminalOptions): Promise<string> {
    return terminals.join(this[PLAN], separator, options);
  }

  /**
   * A ReadableStream that reads this stream only when it is asked (`highWaterMark` 0). Its
   * `cancel(reason)` closes the source. With `type: "bytes"` it is a byte stream.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const body = AsyncStream.of("hello", " ", "world")
   *   .toReadableStream()
   *   .pipeThrough(new TextEncoderStream());
   * console.log(await new Response(body).text()); // "hello world"
   * ```
   */
  toReadableStream(options?: ReadableOptions): ReadableStream<T> {
    return toReadable(this[PLAN], options);
  }

  /**
   * Reads the stream: one run, closed by `break`.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * for await (const n of AsyncStream.range(0)) {
   *   if (n === 3) break;
   *   console.log(n); // 0, 1, 2
   * }
   * ```
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this[PLAN].iterate();
  }

  /** One more fused operator. */
  #then<U>(
    operator: Operator<T, U>,
    options?: { signal?: AbortSignal | undefined },
  ): AsyncStream<U> {
    const stream = ofPlan(this[PLAN].then(operator));
    return options?.signal === undefined
      ? stream
      : stream.abortable(options.signal);
  }

  /** An operator that reads this stream by itself. */
  #over<U>(
    make: (plan: Plan<T>) => ReturnType<typeof concurrentMap<T, U>>,
    options?: { signal?: AbortSignal | undefined },
  ): AsyncStream<U> {
    const plan = this[PLAN];
    const stream = ofPlan(Plan.of(new IteratorOrigin(() => make(plan))));
    return options?.signal === undefined
      ? stream
      : stream.abortable(options.signal);
  }
}

/** A stream of a plan. The constructor takes plans without its type saying so. */
function ofPlan<T>(plan: Plan<T>): AsyncStream<T> {
  return new AsyncStream<T>(plan as unknown as StreamSource<T>);
}

/** A number of elements as the iterator helpers take it: whole part of a number from 0 on. */
function countNamed(name: string, value: number): number {
  if (typeof value === "number" && value > -1) return Math.trunc(value);
  throw new RangeError(
    `${name} must be a non-negative number of elements, got ${String(value)}`,
  );
}

function rangeIterator(
  start: number,
  end: number,
  step: number,
): IterableIterator<number> {
  // Counted and multiplied, not added up: no rounding error grows.
  let index = 0;
  return {
    next(): IteratorResult<number> {
      const value = start + step * index;
      if (step > 0 ? value >= end : value <= end) {
        return { done: true, value: undefined };
      }
      index++;
      return { done: false, value };
    },
    [Symbol.iterator]() {
      return this;
    },
  };
}
