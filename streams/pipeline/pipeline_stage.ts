/**
 * One stage of a pipeline: its options, what it has counted, and how it is put into a stream.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { sleep } from "../../_internal/sleep.ts";
import { isThenable } from "../../_internal/thenable.ts";
import {
  type Checks,
  duration,
  givenOptions,
  integerFrom,
  show,
  string,
  takeOptions,
  word,
} from "../../_internal/validate.ts";
import { type AsyncStream, over } from "../async_stream.ts";
import type { Mapper } from "../engine/types.ts";
import {
  CONCURRENCY_CHECKS,
  type ConcurrencyOptions,
} from "../operators/concurrent.ts";
import { isTransform, type TransformPair } from "../operators/web.ts";
import type { Plan } from "../engine/plan.ts";
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

/** The checks of what needs a stage that treats each element by itself. */
const EACH_CHECKS: Checks<Omit<StageOptions, "name">> = {
  ...CONCURRENCY_CHECKS,
  onError: word("fail", "skip", "retry", "dead-letter"),
  maxRetries: integerFrom(0),
  retryDelay: duration,
};

const CHECKS: Checks<StageOptions> = { name: string, ...EACH_CHECKS };

/** The options that were given, checked. */
function takeStageOptions(stage: unknown, options: StageOptions): StageOptions {
  const given = takeOptions("addStage()", options, CHECKS);
  if (eachOf(stage) !== undefined) return given;
  const [other] = Object.keys(givenOptions(given, EACH_CHECKS));
  if (other === undefined) return given;
  throw new TypeError(
    `The option ${other} needs a stage that treats each element by itself. ` +
      "Make it with asyncMap() or asyncFilter(), or deal with it inside the stage.",
  );
}

/** Takes a dead letter. */
export type PutAside = (letter: DeadLetter) => Promise<void>;

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
    this.stage = stage;
    this.options = takeStageOptions(stage, options);
    this.name = this.options.name ??
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
    putAside: PutAside,
  ): AsyncStream<unknown> {
    const { counts } = this;
    const each = eachOf<unknown, unknown>(this.stage);
    if (each !== undefined) {
      return stream
        .map(this.#guard(each.fn, putAside), this.#concurrency(each.options))
        .filter((value) => value !== SKIPPED)
        .tap(() => void counts.out++);
    }
    const coming = stream.tap(() => void counts.in++);
    const going = clocked(coming, (time) => counts.time -= time).through(
      this.stage as (stream: AsyncStream<unknown>) => AsyncIterable<unknown>,
    );
    return clocked(going, (time) => counts.time += time)
      .tap(() => void counts.out++);
  }

  /** The options of the use of a stage come before those of its making. */
  #concurrency(made: ConcurrencyOptions = {}): ConcurrencyOptions {
    return {
      ...givenOptions(made, CONCURRENCY_CHECKS),
      ...givenOptions<ConcurrencyOptions>(this.options, CONCURRENCY_CHECKS),
    };
  }

  /** `fn` with the stage's counts, clock and error policy around each call. */
  #guard(
    fn: Mapper<unknown, unknown>,
    putAside: PutAside,
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
      const start = now();
      let outcome: Promise<unknown>;
      try {
        const result = fn(value, index);
        if (!isThenable(result)) {
          counts.time += now() - start;
          return result;
        }
        outcome = Promise.resolve(result)
          .catch((error) => recover(error, value, index));
      } catch (error) {
        outcome = recover(error, value, index);
      }
      return outcome.finally(() => counts.time += now() - start);
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
  return over(stream, (plan) => new Clocked(plan, took));
}
