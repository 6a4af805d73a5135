/**
 * AsyncStream: the face of everything in this folder. Each method is described here, and checked
 * and done in the file of its family.
 *
 * @module
 */
import { checkSignal, functionNamed, show } from "../_internal/validate.ts";
import type {
  BatchSource,
  Mapper,
  Operator,
  Predicate,
  PullableIterator,
} from "./engine/types.ts";
import { PLAN, Plan, type ReadingOperator } from "./engine/plan.ts";
import {
  batchOrigin,
  iteratorOrigin,
  range,
  SourceOrigin,
  type StreamSource,
} from "./engine/source.ts";
import {
  type EventEmitterLike,
  type EventOptions,
  fromEvents,
} from "./from_events.ts";
import { buffer } from "./operators/buffer.ts";
import {
  areRepeatable,
  flatMap,
  Merge,
  Sources,
  Zip,
} from "./operators/combine.ts";
import {
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
  pairwise,
  scan,
  tap,
} from "./operators/element.ts";
import {
  batch,
  batchBytes,
  type BatchBytesOptions,
  takeBatch,
  type TimedBatchOptions,
  window,
  type WindowOptions,
} from "./operators/group.ts";
import { groupBy, type GroupOptions, partition } from "./operators/group_by.ts";
import { drop, dropWhile, take, takeWhile } from "./operators/limit.ts";
import {
  finalize,
  recover,
  retry,
  type RetryOptions,
  timeout,
} from "./operators/recover.ts";
import { broadcast, type ShareOptions, tee } from "./operators/tee.ts";
import {
  debounce,
  delay,
  type DelayOptions,
  interval,
  sample,
  throttle,
  timedBatch,
  windowTime,
} from "./operators/time.ts";
import {
  isTransform,
  Piped,
  stageOrigin,
  type TransformPair,
} from "./operators/web.ts";
import * as terminals from "./terminals.ts";
import type { TerminalOptions } from "./terminals.ts";
import { type ReadableOptions, toReadable } from "./to_readable.ts";

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
    return ofPlan(Plan.of(batchOrigin(functionNamed("open", open))));
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
   * @throws {RangeError} When `step` is 0, or an argument is NaN, or `start` or `step` infinite.
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
    return new AsyncStream<number>(range(start, end, step));
  }

  /**
   * 0, 1, 2 … every `period` milliseconds, the first one after the first period. Ticks that
   * nobody waited for are not made up for.
   *
   * @throws {RangeError} When `period` is no positive, finite number.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.interval(2).take(3).collect()); // [0, 1, 2]
   * ```
   */
  static interval(period: number): AsyncStream<number> {
    return ofIterator(interval(period), true);
  }

  /**
   * The events of `type` that `target` (an EventTarget, or an emitter with `on` and `off`) has
   * from the first read on. Those that wait to be read are kept in order, up to `buffer`; then
   * `overflow` decides. Never ends by itself; the listener is removed when the reading ends.
   *
   * @throws {RangeError} When `buffer` is no positive integer or Infinity.
   * @throws {TypeError} When `target` has no events.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const target = new EventTarget();
   * const types = AsyncStream.fromEvents(target, "hello").map((event) => event.type);
   * const first = types.first();
   * target.dispatchEvent(new Event("hello"));
   * console.log(await first); // "hello"
   * ```
   */
  static fromEvents<E = Event>(
    target: EventTarget | EventEmitterLike,
    type: string,
    options: EventOptions = {},
  ): AsyncStream<E> {
    return ofIterator(fromEvents<E>(target, type, options), true);
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
    const stream = isConcurrent("map()", options)
      ? over(this, concurrentMap(fn, options))
      : this.#then(map(fn), fn);
    return stream.#until(options);
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
    if (!isConcurrent("filter()", options)) {
      return this.#then(filter(predicate)).#until(options);
    }
    functionNamed("predicate", predicate);
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
   * With `concurrency` so many calls of `fn` are in flight; their sources are still read one
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
    return isConcurrent("flatMap()", options)
      ? this.map(fn, options).flatMap((inner) => inner)
      : this.#then(flatMap(fn)).#until(options);
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
    return this.#then(tap(fn));
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
    return this.#then(
      scan(fn, seed.length === 0 ? undefined : { value: seed[0] }),
    );
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
    return this.#then(take<T>(limit));
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
    return this.#then(takeWhile(predicate));
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
    return this.#then(drop<T>(count));
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
    return this.#then(dropWhile(predicate));
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
   * With `timeout` a batch also leaves so many milliseconds after its first value came. One that
   * is full or due while the consumer is busy waits for it, and nothing more is read meanwhile.
   *
   * @throws {RangeError} When `size` is no positive integer.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 5).batch(2).collect()); // [[0, 1], [2, 3], [4]]
   * ```
   */
  batch(size: number, options: TimedBatchOptions = {}): AsyncStream<T[]> {
    const { timeout, onError } = takeBatch(size, options);
    return timeout === Infinity
      ? this.#then(batch<T>(size, onError))
      : over(this, timedBatch<T>(size, timeout, onError));
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
    return this.#then(batchBytes<T>(limit, options));
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
    return this.#then(window<T>(size, step, options));
  }

  /**
   * Arrays of the values that came within the same `period` milliseconds, counted from the first
   * read on; no array is empty. While one waits to be taken nothing more is read.
   *
   * ```text
   * source        1-2----3----- |
   * windowTime    ----[1,2]--[3] |
   * ```
   *
   * @throws {RangeError} When `period` is no positive, finite number.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1, 2, 3).windowTime(10).collect()); // [[1, 2, 3]]
   * ```
   */
  windowTime(period: number): AsyncStream<T[]> {
    return over(this, windowTime<T>(period));
  }

  // Operators over several sources

  /**
   * The values of this stream, then those of each other source, which is opened when its turn
   * comes. Sources that it never comes to are closed.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of(1).concat([2], [3]).collect()); // [1, 2, 3]
   * ```
   */
  concat<U>(...others: StreamSource<U>[]): AsyncStream<T | U> {
    const sources: StreamSource<T | U>[] = [this, ...others];
    return ofIterator(() => new Sources(sources), areRepeatable(sources))
      .flatMap((source) => source);
  }

  /**
   * The values of this stream and of the others as they come. Each source has one read pending
   * or one value waiting, so that none is starved and none runs ahead. One that fails closes the
   * others; what fails after it is told on the console.
   *
   * ```text
   * a      1 ------ 2 |
   * b      --- 3 -------- 4 |
   * merge  1 - 3 -- 2 --- 4 |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const merged = await AsyncStream.of(1, 2).merge([3, 4]).collect();
   * console.log(merged.toSorted()); // [1, 2, 3, 4]
   * ```
   */
  merge<U>(...others: StreamSource<U>[]): AsyncStream<T | U> {
    return AsyncStream.merge<T | U>(this, ...others);
  }

  /**
   * Tuples of one value of each source; ends with the shortest and closes the others.
   *
   * ```text
   * a    1 ------ 2 ----- 3
   * b    -- "x" --- "y" |
   * zip  -- [1,"x"] [2,"y"] |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(1).zip(["a", "b"]).collect()); // [[1, "a"], [2, "b"]]
   * ```
   */
  zip<Others extends unknown[]>(
    ...others: { [Index in keyof Others]: StreamSource<Others[Index]> }
  ): AsyncStream<[T, ...Others]> {
    const sources: StreamSource<unknown>[] = [this, ...others];
    return ofIterator(
      () => new Zip(sources).relay as PullableIterator<[T, ...Others]>,
      areRepeatable(sources),
    );
  }

  /**
   * The values of several sources as they come: see the method of the same name. Of no source it
   * is empty.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.merge([1], [2]).collect()); // [1, 2]
   * ```
   */
  static merge<T>(...sources: StreamSource<T>[]): AsyncStream<T> {
    return ofIterator(() => new Merge(sources).relay, areRepeatable(sources));
  }

  // Operators that share

  /**
   * `count` streams that each give every value, from one reading of this one. A value is read
   * when one of them asks. One may be `buffer` values ahead of another; `overflow` says what
   * happens then: it waits (default), or values are dropped for the slow one. A stream that is
   * left early leaves the others whole; when all are left the source is closed.
   *
   * With `"wait"` all of them have to be read, and at the same time: one that is read to its end
   * before another is begun gets no further than `buffer` values and waits for ever, since nobody
   * can know whether the other will be read. When it has not been begun after 5 seconds, a message
   * on the console says so. To read one after the other, take `buffer: Infinity`; leave one that
   * is not wanted (`return()` of its iterator, `take(0)`), or choose to drop.
   *
   * @throws {RangeError} When `count` or `buffer` is no positive integer (`buffer` may be Infinity).
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const [a, b] = AsyncStream.range(0, 4).tee(2);
   * const [sum, count] = await Promise.all([a.reduce((x, y) => x + y), b.count()]);
   * console.log(sum, count); // 6 4
   * ```
   */
  tee<N extends number = 2>(
    count: N = 2 as N,
    options: ShareOptions = {},
  ): N extends 2 ? [AsyncStream<T>, AsyncStream<T>]
    : N extends 3 ? [AsyncStream<T>, AsyncStream<T>, AsyncStream<T>]
    : AsyncStream<T>[] {
    return tee(this[PLAN], count, options)
      .map((open) => ofIterator(open, false)) as ReturnType<
        typeof this.tee<N>
      >;
  }

  /**
   * A stream that many may read at the same time, from one reading of this one: it begins with
   * the first reader and is closed when the last one leaves. Whoever joins later gets what comes
   * from then on. `buffer` and `overflow` are those of `tee`.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * let reads = 0;
   * const shared = AsyncStream.range(0, 3).tap(() => reads++).broadcast();
   * await Promise.all([shared.collect(), shared.collect()]);
   * console.log(reads); // 3
   * ```
   */
  broadcast(options: ShareOptions = {}): AsyncStream<T> {
    const plan = this[PLAN];
    return ofIterator(broadcast(plan, options), plan.origin.isRepeatable);
  }

  /**
   * The values by key: each new key gives `[key, stream]`, and the stream gives the values of
   * that key. A group that is read slowly makes the source wait; one that nobody reads is
   * bounded by `buffer` and `overflow`, so that it neither blocks the others nor grows. A group
   * that is left early loses its further values. When this stream is left, the groups that are
   * being read go on, and the source is closed with the last of them; one that is read only then
   * fails with a StreamConsumedError at the end of what it holds.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const sums: Promise<[string, number]>[] = [];
   * await AsyncStream.range(0, 6)
   *   .groupBy((n) => n % 2 === 0 ? "even" : "odd")
   *   .forEach(([key, group]) => {
   *     sums.push(group.reduce((a, b) => a + b, 0).then((sum) => [key, sum]));
   *   });
   * console.log(await Promise.all(sums)); // [["even", 6], ["odd", 9]]
   * ```
   */
  groupBy<K>(
    keyOf: Mapper<T, K>,
    options: GroupOptions = {},
  ): AsyncStream<[K, AsyncStream<T>]> {
    return over(
      this,
      groupBy(keyOf, options, (open) => ofIterator(open, false)),
    );
  }

  /**
   * Two streams: the values that pass, and those that do not. As with `groupBy`, a part that
   * nobody reads is bounded by `buffer` and `overflow`.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const [even, odd] = AsyncStream.range(0, 5).partition((n) => n % 2 === 0);
   * console.log(await Promise.all([even.collect(), odd.collect()])); // [[0, 2, 4], [1, 3]]
   * ```
   */
  partition(
    predicate: Predicate<T>,
    options: GroupOptions = {},
  ): [AsyncStream<T>, AsyncStream<T>] {
    const [passing, failing] = partition(this[PLAN], predicate, options);
    return [ofIterator(passing, false), ofIterator(failing, false)];
  }

  // Operators on time

  /**
   * Keeps up to `size` values ready, so that the source goes on while the consumer is busy.
   *
   * @throws {RangeError} When `size` is no positive integer.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 3).buffer(2).collect()); // [0, 1, 2]
   * ```
   */
  buffer(size: number): AsyncStream<T> {
    return over(this, buffer<T>(size));
  }

  /**
   * A value once none has followed it for `silence` milliseconds; the last one at the end.
   *
   * ```text
   * source        1-2-3------4----- |
   * debounce      --------3------4- |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.of("a", "ab", "abc").debounce(10).collect()); // ["abc"]
   * ```
   */
  debounce(silence: number): AsyncStream<T> {
    return over(this, debounce<T>(silence));
  }

  /**
   * A value, then none for `period` milliseconds, and so on.
   *
   * ```text
   * source        1-2-3------4-5--- |
   * throttle      1----------4----- |
   * ```
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * console.log(await AsyncStream.range(0, 100).throttle(60_000).collect()); // [0]
   * ```
   */
  throttle(period: number): AsyncStream<T> {
    return this.#then(throttle<T>(period));
  }

  /**
   * The latest value at each tick of `period` milliseconds, if there is a new one.
   *
   * ```text
   * source    1-2------3----4-5--- |
   * sample    ----2-------3----5-- |
   * ```
   *
   * @throws {RangeError} When `period` is no positive, finite number.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const latest = await AsyncStream.interval(2).sample(20).first();
   * console.log(latest !== undefined && latest > 0); // true
   * ```
   */
  sample(period: number): AsyncStream<T> {
    return over(this, sample<T>(period));
  }

  /**
   * Each value `period` milliseconds after it was read, in order and as far apart as they came:
   * what comes at once leaves at once. The end and a failure come after the last value. With 0
   * nothing changes.
   *
   * ```text
   * source    1-2------3 |
   * delay     ----1-2------3 |
   * ```
   * Up to `buffer` values are under way at a time; then, and while one that is due waits to be
   * taken, nothing more is read.
   *
   * @throws {RangeError} When `period` is negative or NaN, or `buffer` no positive integer or Infinity.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * // 5 ms in all, not 5 ms each.
   * console.log(await AsyncStream.of(1, 2, 3).delay(5).collect()); // [1, 2, 3]
   * ```
   */
  delay(period: number, options: DelayOptions = {}): AsyncStream<T> {
    const operator = delay<T>(period, options);
    return period === 0 ? this : over(this, operator);
  }

  // Operators on failures and ends

  /**
   * Fails with a TimeoutError when the next value takes longer than `limit` milliseconds, and
   * closes the source. As an abort it does not wait for what is late: a source that hangs for
   * ever is closed when it wakes, and a function's result is dropped.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const slow = AsyncStream.interval(1000).timeout(5);
   * console.log(await slow.first().catch((error) => error.name)); // "TimeoutError"
   * ```
   */
  timeout(limit: number): AsyncStream<T> {
    return over(this, timeout<T>(limit));
  }

  /**
   * Reads the source again from the beginning after a failure, up to `maxRetries` times. Values
   * that had come before are given again. Needs a stream that can be read again, so one made
   * from a function (or a collection). Only the stream's own source is looked at beforehand: when
   * a function of an operator gives the same one-shot source each time, the second attempt fails
   * with a StreamConsumedError that has the first failure as its `cause`.
   *
   * @throws {TypeError} When the stream cannot be read again.
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * let attempts = 0;
   * const flaky = AsyncStream.from(() => {
   *   if (++attempts < 3) throw new Error("not yet");
   *   return ["done"];
   * });
   * console.log(await flaky.retry({ maxRetries: 5 }).collect()); // ["done"]
   * ```
   */
  retry(options: RetryOptions = {}): AsyncStream<T> {
    return over(this, retry<T>(this[PLAN].origin, options));
  }

  /**
   * Goes on with the source that `fn(error)` returns when the stream fails. What `fn` throws, and
   * a failure of its source, fail the stream.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const failing = AsyncStream.from<number>(function* () {
   *   yield 1;
   *   throw new Error("broken");
   * });
   * console.log(await failing.catch(() => [-1]).collect()); // [1, -1]
   * ```
   */
  catch<U>(
    fn: (error: unknown) => StreamSource<U> | PromiseLike<StreamSource<U>>,
  ): AsyncStream<T | U> {
    return over(this, recover<T, U>(fn));
  }

  /**
   * Calls `fn` once when the reading ends in whatever way, after the source is closed, and waits
   * for it. Its failure fails the stream, unless that has failed already.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * await AsyncStream.range(0).finally(() => console.log("closed")).take(2).drain(); // "closed"
   * ```
   */
  finally(fn: () => unknown): AsyncStream<T> {
    return over(this, finalize<T>(fn));
  }

  // Web Streams and stages

  /**
   * Through a TransformStream, or a function of this stream that returns what to go on with (an
   * async iterable, a stream, a TransformStream). Errors and cancels pass both ways. A
   * TransformStream can be used once; a function is called for each reading.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const text = AsyncStream.of("a", "b")
   *   .through(new TextEncoderStream())
   *   .through(() => new TextDecoderStream());
   * console.log(await text.join("")); // "ab"
   * ```
   */
  through<U>(
    stage:
      | TransformPair<T, U>
      | ((stream: AsyncStream<T>) => StreamSource<U> | TransformPair<T, U>),
  ): AsyncStream<U> {
    const plan = this[PLAN];
    if (typeof stage !== "function") {
      if (!isTransform(stage)) {
        throw new TypeError(
          `stage must be a TransformStream or a function, got ${show(stage)}`,
        );
      }
      return ofIterator(() => new Piped(plan, stage), false);
    }
    return ofPlan(Plan.of(stageOrigin<T, U>(plan, () => stage(this))));
  }

  /**
   * Writes everything to a WritableStream and closes it, as ReadableStream.pipeTo does, with its
   * options.
   *
   * @example
   * ```ts
   * import { AsyncStream } from "@specify/async-core";
   *
   * const written: number[] = [];
   * await AsyncStream.of(1, 2).pipeTo(new WritableStream({ write: (n) => void written.push(n) }));
   * console.log(written); // [1, 2]
   * ```
   */
  async pipeTo(
    writable: WritableStream<T>,
    options?: StreamPipeOptions,
  ): Promise<void> {
    if (!(writable instanceof WritableStream)) {
      throw new TypeError(
        `writable must be a WritableStream, got ${show(writable)}`,
      );
    }
    await toReadable(this[PLAN]).pipeTo(writable, options);
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
    checkSignal("signal", signal);
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
  forEach(
    fn: Mapper<T, unknown>,
    options?: TerminalOptions,
  ): Promise<void> {
    return terminals.forEach(this[PLAN], fn, options);
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
  reduce<U>(
    fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
    ...rest: [initial?: U, options?: TerminalOptions]
  ): Promise<U> {
    return terminals.reduce(
      this[PLAN],
      fn,
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
    return this.find(() => true, options);
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
  find(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<T | undefined> {
    return terminals.search(this[PLAN], predicate, true, options)
      .then((found) => found?.value);
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
  some(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<boolean> {
    return terminals.search(this[PLAN], predicate, true, options)
      .then((found) => found !== undefined);
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
  every(
    predicate: Predicate<T>,
    options?: TerminalOptions,
  ): Promise<boolean> {
    return terminals.search(this[PLAN], predicate, false, options)
      .then((found) => found === undefined);
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
  toMap<K, V>(
    keyOf: Mapper<T, K>,
    valueOf?: Mapper<T, V>,
    options?: TerminalOptions,
  ): Promise<Map<K, V>> {
    return terminals.toMap(this[PLAN], keyOf, valueOf, options);
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
    return this[PLAN].iterateForAnyone();
  }

  /** One more fused operator; `mapper` when that only maps. */
  #then<U>(operator: Operator<T, U>, mapper?: Mapper<T, U>): AsyncStream<U> {
    return ofPlan(this[PLAN].then(operator, mapper));
  }

  /** This stream, which fails when the signal aborts, if one is given. */
  #until(
    options: { signal?: AbortSignal | undefined } | undefined,
  ): AsyncStream<T> {
    const signal = options?.signal;
    return signal === undefined ? this : this.abortable(signal);
  }
}

/** A stream of a plan. The constructor takes plans without its type saying so. */
function ofPlan<T>(plan: Plan<T>): AsyncStream<T> {
  return new AsyncStream<T>(plan as unknown as StreamSource<T>);
}

/** A stream of an operator that is an iterator of ours. */
export function ofIterator<T>(
  open: () => PullableIterator<T>,
  isRepeatable: boolean,
): AsyncStream<T> {
  return ofPlan(Plan.of(iteratorOrigin(open, isRepeatable)));
}

/** The stream of an operator that reads `stream` by itself. */
export function over<T, U>(
  stream: AsyncStream<T>,
  operator: ReadingOperator<T, U>,
): AsyncStream<U> {
  const plan = stream[PLAN];
  return ofIterator(() => operator(plan), plan.origin.isRepeatable);
}
