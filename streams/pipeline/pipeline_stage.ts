/**
 * One stage of a pipeline: its options, what it has counted, and how it is put into a stream.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { sleep } from "../../_internal/sleep.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { duration, integer, oneOf, show } from "../../_internal/validate.ts";
import { type AsyncStream, ofIterator } from "../async_stream.ts";
import type { Mapper } from "../engine/engine.ts";
import type { ConcurrencyOptions } from "../operators/concurrent.ts";
import { isTransform, type TransformPair } from "../operators/web.ts";
import { checkConcurrency } from "../options.ts";
import { PLAN, type Plan } from "../engine/plan.ts";
import { type Pulled, Wrapped } from "../engine/wrapped.ts";
import { eachOf, SKIPPED, type StageFunction } from "./stages.ts";

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

/** What the stages of a pipeline share in a run. */
export interface StageRun {
  /** Whether times are taken. */
  readonly isMeasured: boolean;
  /** Takes a dead letter. */
  putAside(letter: DeadLetter): Promise<void>;
}

/** See the module. */
export class PipelineStage {
  readonly stage: Stage<unknown, unknown>;
  readonly options: StageOptions;
  readonly name: string;
  readonly counts = { in: 0, out: 0, errors: 0, time: 0 };

  /** `number` counts from 1 and names a stage that has no name. */
  constructor(
    stage: Stage<unknown, unknown>,
    options: StageOptions,
    number: number,
  ) {
    if (typeof stage !== "function" && !isTransform(stage)) {
      throw new TypeError(
        `stage must be a function or a TransformStream, got ${show(stage)}`,
      );
    }
    checkOptions(stage, options);
    this.stage = stage;
    this.options = options;
    this.name = options.name ??
      ((typeof stage === "function" && stage.name) || `stage ${number}`);
  }

  /** The same stage for another pipeline, which counts for itself. */
  copy(): PipelineStage {
    return new PipelineStage(
      this.stage,
      { ...this.options, name: this.name },
      0,
    );
  }

  /** What becomes of `stream` in it. */
  apply(
    stream: AsyncStream<unknown>,
    { isMeasured, putAside }: StageRun,
  ): AsyncStream<unknown> {
    const { counts } = this;
    const each = eachOf<unknown, unknown>(this.stage);
    if (each !== undefined) {
      const guarded = this.#guard(each.fn, isMeasured, putAside);
      return stream
        .map(guarded, { ...each.options, ...definedOf(this.options) })
        .filter((value) => value !== SKIPPED)
        .tap(() => void counts.out++);
    }
    const coming = stream.tap(() => void counts.in++);
    const going =
      (isMeasured ? clocked(coming, (time) => counts.time -= time) : coming)
        .through(
          this.stage as (
            stream: AsyncStream<unknown>,
          ) => AsyncIterable<unknown>,
        );
    return (isMeasured ? clocked(going, (time) => counts.time += time) : going)
      .tap(() => void counts.out++);
  }

  /** `fn` with the stage's counts, clock and error policy around each call. */
  #guard(
    fn: Mapper<unknown, unknown>,
    isMeasured: boolean,
    putAside: StageRun["putAside"],
  ): Mapper<unknown, unknown> {
    const { counts, options } = this;
    const { onError = "fail", retryDelay = 0, signal } = options;
    const { maxRetries = onError === "retry" ? 3 : 0 } = options;
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
        await putAside({ stage: this.name, item: value, error, attempts });
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
}

/** Tells how long each read takes. */
class Clocked<T> extends Wrapped<T> {
  readonly #took: (time: number) => void;

  constructor(plan: Plan<T>, took: (time: number) => void) {
    super(plan.iterate());
    this.#took = took;
  }

  protected override read(): Pulled<T> {
    const start = now();
    const tell = () => this.#took(now() - start);
    let result;
    try {
      result = super.read();
    } catch (error) {
      tell();
      throw error;
    }
    if (isThenable(result)) result.then(tell, tell);
    else tell();
    return result;
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
