/**
 * AsyncPipeline: named stages that are put together once and used many times.
 *
 * @module
 */
import { checkOptions, type Checks, show } from "../../_internal/validate.ts";
import { activeTracer } from "../../telemetry/provider.ts";
import { AsyncQueue } from "../queue/async_queue.ts";
import { AsyncStream, ofIterator, over } from "../async_stream.ts";
import {
  type DeadLetter,
  PipelineStage,
  type Stage,
  type StageOptions,
  type StageStats,
} from "./pipeline_stage.ts";
import { TracedRun } from "./pipeline_telemetry.ts";
import { PLAN, type Plan } from "../engine/plan.ts";
import type { StreamSource } from "../engine/source.ts";
import { type Pulled, Wrapped } from "../engine/wrapped.ts";
import type { TerminalOptions } from "../terminals.ts";

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
}

const CHECKS: Checks<PipelineOptions> = {
  deadLetter: (name, value) => {
    if (typeof value === "function" || value instanceof AsyncQueue) return;
    throw new TypeError(
      `${name} must be a function or an AsyncQueue, got ${show(value)}`,
    );
  },
};

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
  readonly #stages: PipelineStage[] = [];
  readonly #deadLetter: PipelineOptions["deadLetter"];
  /** The elements put aside by `"dead-letter"`, unless the option `deadLetter` takes them. */
  readonly deadLetters: DeadLetter[] = [];

  /** An empty pipeline: what comes in goes out. */
  constructor(options: PipelineOptions = {}) {
    this.#deadLetter =
      checkOptions("AsyncPipeline", options, CHECKS).deadLetter;
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
    this.#stages.push(
      new PipelineStage(
        stage as Stage<unknown, unknown>,
        options,
        this.#stages.length + 1,
      ),
    );
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
    const composed = new AsyncPipeline<In, U>({
      deadLetter: this.#deadLetter,
    });
    for (const stage of [...this.#stages, ...other.#stages]) {
      composed.#stages.push(stage.copy());
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
    const putAside = (letter: DeadLetter) => this.#putAside(letter);
    for (const stage of this.#stages) stream = stage.apply(stream, putAside);
    const tracer = activeTracer();
    if (tracer !== undefined) {
      const stats = () => this.stats();
      stream = over(stream, (plan) => new TracedRun(plan, tracer, stats));
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
    return this.#stages.map(({ name, counts }) => ({ name, ...counts }));
  }

  async #putAside(letter: DeadLetter): Promise<void> {
    const deadLetter = this.#deadLetter;
    if (deadLetter === undefined) this.deadLetters.push(letter);
    else if (deadLetter instanceof AsyncQueue) await deadLetter.put(letter);
    else await deadLetter(letter);
  }
}

/** Tells of the end, with the failure, or the reason for which it was left. */
class Watched<T> extends Wrapped<T> {
  readonly #tell: (reason: unknown) => void;

  constructor(plan: Plan<T>, tell: (reason: unknown) => void) {
    super(plan.iterate());
    this.#tell = tell;
  }

  protected override ended(): Pulled<T> {
    this.#tell(undefined);
    return super.ended();
  }

  protected override failed(error: unknown): Pulled<T> {
    this.#tell(error);
    return super.failed(error);
  }

  protected override async close(reason: unknown): Promise<void> {
    try {
      await super.close(reason);
    } finally {
      this.#tell(reason);
    }
  }
}
