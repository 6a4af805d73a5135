/**
 * The stages that pipelines are made of, usable alone as well: each is a function from a source
 * to a stream.
 *
 * @module
 */
import { functionNamed } from "../../_internal/validate.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { AsyncStream } from "../async_stream.ts";
import {
  type ConcurrencyOptions,
  isConcurrent,
} from "../operators/concurrent.ts";
import type { Mapper, Predicate } from "../engine/types.ts";
import type { TimedBatchOptions, WindowOptions } from "../operators/group.ts";
import type { TransformPair } from "../operators/web.ts";
import type { StreamSource } from "../engine/source.ts";

/** A stage as a function: from a stream to what becomes of it, or to a TransformStream for it. */
export type StageFunction<T, U> = (
  source: AsyncStream<T>,
) => AsyncIterable<U> | TransformPair<T, U>;

/** A stage that can also be called with any source by itself. */
export type StreamStage<T, U> = (source: StreamSource<T>) => AsyncStream<U>;

/** What an item stage gives for an element that goes no further. */
export const SKIPPED: unique symbol = Symbol("skipped");

/** Under this key a stage that treats each element by itself keeps how. */
export const EACH: unique symbol = Symbol("each");

/** How a stage treats one element; a pipeline can guard each call. */
export interface Each<T, U> {
  readonly fn: Mapper<T, U | typeof SKIPPED>;
  readonly options: ConcurrencyOptions | undefined;
}

/** The {@linkcode Each} of a stage that has one. */
export function eachOf<T, U>(stage: unknown): Each<T, U> | undefined {
  return (stage as { [EACH]?: Each<T, U> })[EACH];
}

/**
 * A stage that maps: see AsyncStream.map.
 *
 * @example
 * ```ts
 * import { asyncMap } from "@specify/async-core";
 *
 * const double = asyncMap((n: number) => n * 2);
 * console.log(await double([1, 2]).collect()); // [2, 4]
 * ```
 */
export function asyncMap<T, U>(
  fn: Mapper<T, U>,
  options?: ConcurrencyOptions,
): StreamStage<T, U> {
  functionNamed("fn", fn);
  isConcurrent("asyncMap()", options);
  const each: Each<T, U> = { fn, options };
  return Object.assign(
    (source: StreamSource<T>) => AsyncStream.from(source).map(fn, options),
    { [EACH]: each },
  );
}

/**
 * A stage that filters: see AsyncStream.filter.
 *
 * @example
 * ```ts
 * import { asyncFilter } from "@specify/async-core";
 *
 * const large = asyncFilter((n: number) => n > 5);
 * console.log(await large([1, 10]).collect()); // [10]
 * ```
 */
export function asyncFilter<T>(
  predicate: Predicate<T>,
  options?: ConcurrencyOptions,
): StreamStage<T, T> {
  functionNamed("predicate", predicate);
  isConcurrent("asyncFilter()", options);
  const each: Each<T, T> = {
    fn: (value, index) => {
      const passes = predicate(value, index);
      return isThenable(passes)
        ? passes.then((passes) => passes ? value : SKIPPED)
        : passes
        ? value
        : SKIPPED;
    },
    options,
  };
  return Object.assign(
    (source: StreamSource<T>) =>
      AsyncStream.from(source).filter(predicate, options),
    { [EACH]: each },
  );
}

/**
 * A stage that makes batches: see AsyncStream.batch.
 *
 * @example
 * ```ts
 * import { asyncBatch } from "@specify/async-core";
 *
 * console.log(await asyncBatch<number>(2)([1, 2, 3]).collect()); // [[1, 2], [3]]
 * ```
 */
export function asyncBatch<T>(
  size: number,
  options?: TimedBatchOptions,
): StreamStage<T, T[]> {
  // Checks the arguments now and not at the first use.
  AsyncStream.empty<T>().batch(size, options);
  return (source) => AsyncStream.from(source).batch(size, options);
}

/**
 * A stage that makes sliding windows: see AsyncStream.window.
 *
 * @example
 * ```ts
 * import { asyncWindow } from "@specify/async-core";
 *
 * console.log(await asyncWindow<number>(2)([1, 2, 3]).collect()); // [[1, 2], [2, 3]]
 * ```
 */
export function asyncWindow<T>(
  size: number,
  step?: number,
  options?: WindowOptions,
): StreamStage<T, T[]> {
  AsyncStream.empty<T>().window(size, step, options);
  return (source) => AsyncStream.from(source).window(size, step, options);
}

/**
 * The values of several sources as they come: see AsyncStream.merge.
 *
 * @example
 * ```ts
 * import { asyncMerge } from "@specify/async-core";
 *
 * console.log(await asyncMerge([1], [2], [3]).collect()); // [1, 2, 3]
 * ```
 */
export function asyncMerge<T>(...sources: StreamSource<T>[]): AsyncStream<T> {
  return AsyncStream.merge(...sources);
}
