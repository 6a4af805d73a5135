/**
 * AsyncPipeline: named stages that are put together once and used many times.
 *
 * @module
 */
import { now } from "../_internal/clock.ts";
import { closesWhilePending } from "../_internal/iterators.ts";
import { sleep } from "../_internal/sleep.ts";
import { isThenable } from "../_internal/thenable.ts";
import {
  boolean,
  duration,
  integer,
  object,
  oneOf,
  show,
} from "../_internal/validate.ts";
import { AsyncQueue } from "./async_queue.ts";
import { AsyncStream, ofIterator } from "./async_stream.ts";
import type { PullableIterator } from "./engine.ts";
import type { ConcurrencyOptions } from "./operators/concurrent.ts";
import type { Mapper } from "./operators/element.ts";
import { isTransform, type TransformPair } from "./operators/web.ts";
import { checkConcurrency } from "./options.ts";
import { pipelineTracer, TracedRun } from "./pipeline_telemetry.ts";
import { PLAN, type Plan } from "./plan.ts";
import type { PullIterator } from "./pull_iterator.ts";
import type { StreamSource } from "./source.ts";
import { type Each, eachOf, SKIPPED, type StageFunction } from "./stages.ts";
import type { TerminalOptions } from "./terminals.ts";

/**
 * What a pipeline is made of: one of `asyncMap`, `asyncFilter`, `asyncBatch`, `asyncWindow`, any
 * function from a stream to an async iterable, or a TransformStream (which can be used for one
 * run; a function that returns a new one can be used for many).
 */
export type Stage<T, U> = StageFunction<T, U> | TransformPair<T, U>;

/** What becomes of an element whose call failed. */
export type ErrorPolicy = "fail" | "skip" | "retry" | "dead-letter";

/** An element that a stage could not treat. */
export interface DeadLetter<T = unknown> {
  /** The name of the stage. */
  readonly stage: string;
  /** The element as it came into the stage. */
  readonly item: T;
  /** What the last attempt failed with. */
  readonly error: unknown;
  /** How often it was tried. */
  readonly attempts: number;
}

/**
 * How a stage is used. All but `name` need a stage that treats each element by itself, which
 * `asyncMap` and `asyncFilter` make.
 */
export interface StageOptions extends ConcurrencyOptions {
  /** Shown in statistics and dead letters. @default {the function's name, or "stage 1", "stage 2" …} */
  name?: string | undefined;
  /**
   * `"fail"`: the failure ends the run. `"skip"`: the element is left out. `"retry"`: it is tried
   * again, and ends the run if that does not help. `"dead-letter"`: it is put aside.
   * @default {"fail"}
   */
  onError?: ErrorPolicy | undefined;
  /** How often an element is tried again first. @default {3 with "retry", otherwise 0} */
  maxRetries?: number | undefined;
  /** Milliseconds before each of these attempts. @default {0} */
  retryDelay?: number | undefined;
}

/** How a pipeline is made. */
export interface PipelineOptions {
  /**
   * Gets the dead letters, and is awaited when it is a function. Without it they are kept in
   * `deadLetters`.
   */
  deadLetter?:
    | ((letter: DeadLetter) => unknown)
    | AsyncQueue<DeadLetter>
    | undefined;
  /** Whether `stats()` has times, which cost 0.4 us per element and stage. @default {true} */
  measure?: boolean | undefined;
}

/** What a stage has done, in all runs together. */
export interface StageStats {
  /** The stage's name. */
  readonly name: string;
  /** Elements that came in. */
  readonly in: number;
  /** Elements that went out. */
  readonly out: number;
  /** Elements whose last attempt failed. */
  readonly errors: number;
  /** Milliseconds spent in it: of concurrent calls each counts. */
  readonly time: number;
}

interface Entry {
  readonly stage: Stage<unknown, unknown>;
  readonly options: StageOptions;
  readonly name: string;
  readonly counts: { in: number; out: number; errors: number; time: number };
}

/**
 * Stages in a row. Each run (`process`, `stream`, `toTransformStream`) uses the stages as they
 * are at its beginning, so that a pipeline can be used again and again, also at the same time.
 *
 * @example
 * ```ts
 * import { asyncFilter, asyncMap, AsyncPipeline } from "@specify/async-core";
 *
 * const pipeline = new AsyncPipeline<number>();
 * pipeline.addStage(asyncMap((x) => x * 2));
 * pipeline.addStage(asyncFilter((x) => x > 50));
 * console.log(await pipeline.process([10, 30, 40])); // [60, 80]
 * ```
 */
export class AsyncPipeline<In, Out = In> {
  readonly #entries: Entry[] = [];
  readonly #options: PipelineOptions;
  /** The elements put aside by `"dead-letter"`, unless the option `deadLetter` takes them. */
  readonly deadLetters: DeadLetter[] = [];

  /** An empty pipeline: what comes in goes out. */
  constructor(options: PipelineOptions = {}) {
    object("options", options);
    const { deadLetter, measure } = options;
    if (
      deadLetter !== undefined && typeof deadLetter !== "function" &&
      !(deadLetter instanceof AsyncQueue)
    ) {
      throw new TypeError(
        `deadLetter must be a function or an AsyncQueue, got ${
          show(deadLetter)
        }`,
      );
    }
    if (measure !== undefined) boolean("measure", measure);
    this.#options = options;
  }

  /**
   * Adds a stage at the end, and returns the pipeline with its new type.
   *
   * @throws {TypeError} When it is no stage, or an option needs a stage that treats each element by itself.
   * @throws {RangeError} When an option is out of range.
   * @example
   * ```ts
   * import { asyncBatch, asyncMap, AsyncPipeline } from "@specify/async-core";
   *
   * const pipeline = new AsyncPipeline<string>()
   *   .addStage(asyncMap((text) => text.length), { name: "measure", concurrency: 4 })
   *   .addStage(asyncBatch(2));
   * const batches: number[][] = await pipeline.process(["a", "bb", "ccc"]);
   * console.log(batches); // [[1, 2], [3]]
   * ```
   */
  addStage<U>(
    stage: Stage<Out, U>,
    options: StageOptions = {},
  ): AsyncPipeline<In, U> {
    if (typeof stage !== "function" && !isTransform(stage)) {
      throw new TypeError(
        `stage must be a function or a TransformStream, got ${show(stage)}`,
      );
    }
    checkOptions(stage, options);
    const number = this.#entries.length + 1;
    this.#entries.push({
      stage: stage as Stage<unknown, unknown>,
      options,
      name: options.name ??
        ((typeof stage === "function" && stage.name) || `stage ${number}`),
      counts: { in: 0, out: 0, errors: 0, time: 0 },
    });
    // The same object: its stages now end in U.
    return this as unknown as AsyncPipeline<In, U>;
  }

  /**
   * A new pipeline: the stages of this one, then those of `other`.
   *
   * @example
   * ```ts
   * import { asyncMap, AsyncPipeline } from "@specify/async-core";
   *
   * const parse = new AsyncPipeline<string>().addStage(asyncMap((text) => Number(text)));
   * const double = new AsyncPipeline<number>().addStage(asyncMap((n) => n * 2));
   * console.log(await parse.compose(double).process(["1", "2"])); // [2, 4]
   * ```
   */
  compose<U>(other: AsyncPipeline<Out, U>): AsyncPipeline<In, U> {
    if (!(other instanceof AsyncPipeline)) {
      throw new TypeError(`other must be an AsyncPipeline, got ${show(other)}`);
    }
    const composed = new AsyncPipeline<In, U>(this.#options);
    for (
      const { stage, options, name } of [...this.#entries, ...other.#entries]
    ) {
      composed.#entries.push({
        stage,
        options,
        name,
        counts: { in: 0, out: 0, errors: 0, time: 0 },
      });
    }
    return composed;
  }

  /**
   * Runs everything through the stages and gives the results as an array.
   *
   * @example
   * ```ts
   * import { asyncMap, AsyncPipeline } from "@specify/async-core";
   *
   * const pipeline = new AsyncPipeline<number>().addStage(asyncMap((n) => n + 1));
   * console.log(await pipeline.process([1, 2])); // [2, 3]
   * ```
   */
  process(source: StreamSource<In>, options?: TerminalOptions): Promise<Out[]> {
    return this.stream(source).collect(options);
  }

  /**
   * The results as a stream.
   *
   * @example
   * ```ts
   * import { asyncMap, AsyncPipeline } from "@specify/async-core";
   *
   * const pipeline = new AsyncPipeline<number>().addStage(asyncMap((n) => n + 1));
   * console.log(await pipeline.stream([1, 2, 3]).take(2).collect()); // [2, 3]
   * ```
   */
  stream(source: StreamSource<In>): AsyncStream<Out> {
    let stream = AsyncStream.from(source) as AsyncStream<unknown>;
    for (const entry of this.#entries) stream = this.#apply(entry, stream);
    const tracer = pipelineTracer();
    if (tracer !== undefined) {
      const plan = stream[PLAN];
      stream = ofIterator(
        () => new TracedRun(plan, tracer, () => this.stats()),
        plan.origin.isRepeatable,
      );
    }
    return stream as AsyncStream<Out>;
  }

  /**
   * The pipeline as a TransformStream, for `pipeThrough`. Each call makes a new one.
   *
   * @example
   * ```ts
   * import { asyncMap, AsyncPipeline } from "@specify/async-core";
   *
   * const pipeline = new AsyncPipeline<number>().addStage(asyncMap((n) => n + 1));
   * const readable = ReadableStream.from([1, 2]).pipeThrough(pipeline.toTransformStream());
   * console.log(await Array.fromAsync(readable)); // [2, 3]
   * ```
   */
  toTransformStream(): TransformStream<In, Out> {
    const queue = new AsyncQueue<In>({ maxSize: 0 });
    const plan = this.stream(queue)[PLAN];
    // Writes must not wait for ever for a reader that has gone.
    const ended = (reason: unknown) =>
      reason === undefined ? queue.abort() : queue.abort(reason);
    const readable = ofIterator(() => new Watched(plan, ended), false)
      .toReadableStream();
    return { readable, writable: queue.writable };
  }

  /**
   * What each stage has done so far, to find the one that holds up the others.
   *
   * @example
   * ```ts
   * import { asyncFilter, AsyncPipeline } from "@specify/async-core";
   *
   * const pipeline = new AsyncPipeline<number>()
   *   .addStage(asyncFilter((n) => n > 1), { name: "large" });
   * await pipeline.process([1, 2, 3]);
   * const [large] = pipeline.stats();
   * console.log(large?.in, large?.out, large?.errors); // 3 2 0
   * ```
   */
  stats(): StageStats[] {
    return this.#entries.map(({ name, counts }) => ({ name, ...counts }));
  }

  #apply(entry: Entry, stream: AsyncStream<unknown>): AsyncStream<unknown> {
    const { stage, counts } = entry;
    const each = eachOf<unknown, unknown>(stage);
    if (each !== undefined) return this.#applyEach(entry, each, stream);
    const coming = stream.tap(() => void counts.in++);
    const isMeasured = this.#options.measure ?? true;
    const going =
      (isMeasured ? clocked(coming, (time) => counts.time -= time) : coming)
        .through(
          stage as (stream: AsyncStream<unknown>) => AsyncIterable<unknown>,
        );
    return (isMeasured ? clocked(going, (time) => counts.time += time) : going)
      .tap(() => void counts.out++);
  }

  #applyEach(
    entry: Entry,
    { fn, options: ownOptions }: Each<unknown, unknown>,
    stream: AsyncStream<unknown>,
  ): AsyncStream<unknown> {
    const { counts, options } = entry;
    const guarded = this.#guard(entry, fn);
    return stream
      .map(guarded, { ...ownOptions, ...definedOf(options) })
      .filter((value) => value !== SKIPPED)
      .tap(() => void counts.out++);
  }

  /** `fn` with the stage's counts, clock and error policy around each call. */
  #guard(
    entry: Entry,
    fn: Mapper<unknown, unknown>,
  ): Mapper<unknown, unknown> {
    const { counts, options } = entry;
    const { onError = "fail", retryDelay = 0, signal } = options;
    const { maxRetries = onError === "retry" ? 3 : 0 } = options;
    const isMeasured = this.#options.measure ?? true;
    const recover = async (
      error: unknown,
      value: unknown,
      index: number,
    ): Promise<unknown> => {
      let attempts = 1;
      for (; attempts <= maxRetries; attempts++) {
        if (retryDelay > 0) await sleep(retryDelay, signal);
        try {
          return await fn(value, index);
        } catch (again) {
          error = again;
        }
      }
      counts.errors++;
      if (onError === "fail" || onError === "retry") throw error;
      if (onError === "dead-letter") {
        await this.#putAside({
          stage: entry.name,
          item: value,
          error,
          attempts,
        });
      }
      return SKIPPED;
    };
    return (value, index) => {
      counts.in++;
      const start = isMeasured ? now() : 0;
      let result;
      try {
        result = fn(value, index);
      } catch (error) {
        result = recover(error, value, index);
        if (!isMeasured) return result;
        return result.finally(() => counts.time += now() - start);
      }
      if (!isThenable(result)) {
        if (isMeasured) counts.time += now() - start;
        return result;
      }
      const settled = Promise.resolve(result)
        .catch((error) => recover(error, value, index));
      return isMeasured
        ? settled.finally(() => counts.time += now() - start)
        : settled;
    };
  }

  async #putAside(letter: DeadLetter): Promise<void> {
    const { deadLetter } = this.#options;
    if (deadLetter === undefined) this.deadLetters.push(letter);
    else if (deadLetter instanceof AsyncQueue) await deadLetter.put(letter);
    else await deadLetter(letter);
  }
}

const ERROR_POLICIES: readonly ErrorPolicy[] = [
  "fail",
  "skip",
  "retry",
  "dead-letter",
];

const EACH_OPTIONS = [
  "concurrency",
  "ordered",
  "runner",
  "priority",
  "signal",
  "onError",
  "maxRetries",
  "retryDelay",
] as const;

function checkOptions(stage: unknown, options: StageOptions): void {
  checkConcurrency(options);
  const { name, onError, maxRetries, retryDelay } = options;
  if (name !== undefined && typeof name !== "string") {
    throw new TypeError(`name must be a string, got ${show(name)}`);
  }
  if (onError !== undefined) oneOf("onError", onError, ERROR_POLICIES);
  if (maxRetries !== undefined) integer("maxRetries", maxRetries, 0);
  if (retryDelay !== undefined) duration("retryDelay", retryDelay);
  if (eachOf(stage) !== undefined) return;
  const given = EACH_OPTIONS.find((name) => options[name] !== undefined);
  if (given !== undefined) {
    throw new TypeError(
      `The option ${given} needs a stage that treats each element by itself. ` +
        "Make it with asyncMap() or asyncFilter(), or deal with it inside the stage.",
    );
  }
}

/** The concurrency options that were given. */
function definedOf(options: StageOptions): ConcurrencyOptions {
  const given: ConcurrencyOptions = {};
  if (options.concurrency !== undefined) {
    given.concurrency = options.concurrency;
  }
  if (options.ordered !== undefined) given.ordered = options.ordered;
  if (options.runner !== undefined) given.runner = options.runner;
  if (options.priority !== undefined) given.priority = options.priority;
  if (options.signal !== undefined) given.signal = options.signal;
  return given;
}

/** Tells how long each read takes. */
class Clocked<T> implements PullableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #iterator: PullableIterator<T>;
  readonly #took: (time: number) => void;

  constructor(plan: Plan<T>, took: (time: number) => void) {
    this.#iterator = plan.iterate();
    this.#took = took;
  }

  next(): IteratorResult<T> | PromiseLike<IteratorResult<T>> {
    return this.pull();
  }

  pull(): IteratorResult<T> | PromiseLike<IteratorResult<T>> {
    const start = now();
    const tell = () => this.#took(now() - start);
    let result;
    try {
      result = this.#iterator.pull();
    } catch (error) {
      tell();
      throw error;
    }
    if (isThenable(result)) result.then(tell, tell);
    else tell();
    return result;
  }

  return(reason?: unknown): unknown {
    return this.#iterator.return?.(reason);
  }
}

/** Tells of the end, with the failure, or the reason for which it was left. */
class Watched<T> implements PullableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #iterator: PullIterator<T>;
  readonly #ended: (reason: unknown) => void;

  constructor(plan: Plan<T>, ended: (reason: unknown) => void) {
    this.#iterator = plan.iterate();
    this.#ended = ended;
  }

  next(): Promise<IteratorResult<T>> {
    return this.pull();
  }

  async pull(): Promise<IteratorResult<T>> {
    try {
      const result = await this.#iterator.pull();
      if (result.done) this.#ended(undefined);
      return result;
    } catch (error) {
      this.#ended(error);
      throw error;
    }
  }

  async return(reason?: unknown): Promise<void> {
    try {
      await this.#iterator.return(reason);
    } finally {
      this.#ended(reason);
    }
  }
}

function clocked<T>(
  stream: AsyncStream<T>,
  took: (time: number) => void,
): AsyncStream<T> {
  const plan = stream[PLAN];
  return ofIterator(
    () => new Clocked(plan, took),
    plan.origin.isRepeatable,
  );
}
