/**
 * `runner.map`: a function over a source, several elements at once, each a task of the runner.
 *
 * @module
 */
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { contextAccess } from "../../_internal/async_context.ts";
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { callsBackOnce } from "../../_internal/thenable.ts";
import {
  boolean,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  priorityOption,
  show,
  takeOptions,
  timePoint,
} from "../../_internal/validate.ts";
import type { LateFailure } from "../../_internal/late_failure.ts";
import { OwnedJob } from "../scheduler/job.ts";
import { concurrency } from "../scheduler/options.ts";
import { checkOpen, submitOptions } from "./batch.ts";
import type { BatchHost, JobOwner, LimitFollower } from "./host.ts";
import type { SubmitOptions, Task, TaskContext, TaskState } from "../types.ts";

/** What `map` submits each call with. */
export interface RunnerMapOptions
  extends Pick<SubmitOptions, "priority" | "signal" | "timeout" | "deadline"> {
  /** How many elements may be in work. @default {maxWorkers, as it changes} */
  concurrency?: number | undefined;
  /** Results in the order of the source; `false` gives them as they end. @default {true} */
  ordered?: boolean | undefined;
}

const CHECKS: Checks<RunnerMapOptions> = {
  priority: priorityOption,
  signal: checkSignal,
  timeout: duration,
  deadline: timePoint,
  concurrency,
  ordered: boolean,
};

/** What `map` calls for each element. */
export type MapFunction<T, U> = (
  value: T,
  index: number,
  context: TaskContext,
) => U | PromiseLike<U>;

/**
 * The results of `fn` over a source. `taskOf`: where the host cannot call `fn`, what to submit for
 * an element in its place.
 */
export function map<T, U>(
  host: BatchHost,
  source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
  fn: MapFunction<T, U>,
  options: RunnerMapOptions,
  taskOf?: (value: T) => Task<U>,
): AsyncIterableIterator<U> & AsyncDisposable {
  checkSource(source);
  functionNamed("fn", fn);
  const { concurrency, ordered = true, signal, ...others } = takeOptions(
    "map()",
    options,
    CHECKS,
  );
  checkOpen(host);
  return new RunnerMap(host, source, fn, taskOf, {
    options: submitOptions(host, others),
    concurrency,
    ordered,
    signal,
  });
}

/** One call of the function. Lighter than a closure and a promise for each element. */
class MapJob extends OwnedJob implements PromiseLike<unknown> {
  /** Set on the prototype. */
  declare readonly [callsBackOnce]: true;
  readonly value: unknown;
  /** Where it stands among those in flight. */
  place = 0;
  succeed: ((value: unknown) => unknown) | undefined | null = undefined;
  fail: ((error: unknown) => unknown) | undefined | null = undefined;
  /** Its outcome, kept until its function has ended. */
  early: { state: TaskState; value: unknown } | undefined = undefined;
  /** Whether it failed, and was not only cancelled. */
  hasFailed = false;

  /** `task`: the function of the map, which gives the job its name, or what is run in its place. */
  constructor(
    task: (...args: never[]) => unknown,
    owner: JobOwner<MapJob>,
    index: number,
    value: unknown,
  ) {
    super(task as Task<unknown>, owner, index);
    this.value = value;
  }

  override run(context: TaskContext): unknown {
    const fn = this.task as unknown as MapFunction<unknown, unknown>;
    return fn(this.value, this.index, context);
  }

  then<R1 = unknown, R2 = never>(
    succeed?: ((value: unknown) => R1 | PromiseLike<R1>) | null,
    fail?: ((error: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    this.succeed = succeed;
    this.fail = fail;
    // Whoever chains gets nothing: the concurrent map does not.
    return this as unknown as PromiseLike<R1 | R2>;
  }
}

Object.defineProperty(MapJob.prototype, callsBackOnce, { value: true });

/** How many at once, in which order. */
interface MapSettings {
  readonly options: SubmitOptions | undefined;
  /** Undefined: as many as the limit of the host says, as that changes. */
  readonly concurrency: number | undefined;
  readonly ordered: boolean;
  readonly signal: AbortSignal | undefined;
}

/** The results of a function over a source. Ends what is in flight when it is closed early. */
class RunnerMap<T, U>
  implements
    AsyncIterableIterator<U>,
    AsyncDisposable,
    JobOwner<MapJob>,
    LimitFollower {
  // Invariant: #inFlight holds the jobs that were submitted and whose function has not ended;
  // the concurrent map hears of an end only then, so it never closes over work that still runs.
  // While there are any, a map that follows the limit of its host is told when it is changed; so
  // one that nobody reads any more is held by nobody.
  readonly #host: BatchHost;
  readonly #fn: MapFunction<T, U>;
  readonly #taskOf: ((value: T) => Task<U>) | undefined;
  readonly #settings: MapSettings;
  readonly #inFlight: MapJob[] = [];
  readonly #followsLimit: boolean;
  readonly #map: ConcurrentMap<T, U>;
  readonly #contexts = contextAccess();
  /** The caller's async context, in which every element is submitted. */
  readonly #context = this.#contexts.capture();
  #subscription: AbortSubscription | undefined;
  #started = false;
  /** What calls failed with, their cancelling aside: one is delivered, the others are told. */
  readonly #failures: unknown[] = [];

  constructor(
    host: BatchHost,
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    fn: MapFunction<T, U>,
    taskOf: ((value: T) => Task<U>) | undefined,
    settings: MapSettings,
  ) {
    this.#host = host;
    this.#fn = fn;
    this.#taskOf = taskOf;
    this.#settings = settings;
    this.#followsLimit = settings.concurrency === undefined;
    this.#map = new ConcurrentMap(source, this.#start, {
      concurrency: settings.concurrency ?? host.limit,
      ordered: settings.ordered,
      ready: () => host.hasRoom ? undefined : host.ready(),
      finished: () => this.#subscription?.unsubscribe(),
      cancelFrom: (index, reason) => this.#cancelFrom(index, reason),
      tellLate: (error, call) => {
        const job = call as PromiseLike<unknown> as MapJob;
        if (job.hasFailed) host.tellFailure(job, error);
      },
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<U>> {
    if (!this.#started) this.#begin();
    return this.#map.next();
  }

  #begin(): void {
    this.#started = true;
    // A shutdown waits for no map that nobody reads, so it may have come since.
    const { refusal } = this.#host;
    if (refusal !== undefined) return this.#map.stopWith(refusal.reason);
    // One subscription for all elements: it also ends a map that waits for its source.
    this.#subscription = heedAbort(this.#settings.signal, (reason) => {
      this.#map.stopWith(reason);
      this.#cancelFrom(0, reason);
    });
  }

  limitChanged(): void {
    this.#map.concurrency = this.#host.limit;
    this.#map.readOn();
  }

  async return(): Promise<IteratorResult<U>> {
    this.#started = true;
    return await this.#map.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  readonly #start = (value: T, index: number): PromiseLike<U> => {
    const task = this.#taskOf === undefined ? this.#fn : this.#taskOf(value);
    const job = new MapJob(task, this, index, value);
    job.place = this.#inFlight.push(job) - 1;
    if (this.#followsLimit) this.#followLimit(job.place === 0);
    try {
      // An element may be read while any task ends, but belongs to whoever called map.
      this.#contexts.run(this.#context, this.#submit, job);
    } catch (error) {
      // A wrong option, or nothing that can be run: nothing was submitted.
      this.#remove(job);
      throw error;
    }
    // It gives what fn returned, awaited.
    return job as PromiseLike<unknown> as PromiseLike<U>;
  };

  /** An element is started, with or without others in flight. */
  #followLimit(isOnly: boolean): void {
    if (isOnly) this.#host.followers.add(this);
    // While nothing was in flight, nobody was told.
    if (isOnly || this.#host.isAdaptive) {
      this.#map.concurrency = this.#host.limit;
    }
  }

  readonly #submit = {
    run: (job: MapJob): void =>
      this.#host.submitJob(job, this.#settings.options),
  };

  settled(
    job: MapJob,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void {
    if (!hasEnded) job.early = { state, value };
    else if (state === "succeeded") this.#succeed(job, value);
    else this.#fail(job, state, value);
  }

  ended(job: MapJob, late: LateFailure | undefined): boolean {
    // Its outcome came before its end.
    const { state, value } = job.early!;
    if (state === "succeeded") this.#succeed(job, value);
    else this.#fail(job, state, value);
    // It may be the very error that this fails with.
    return late !== undefined && this.#failures.includes(late.error);
  }

  #succeed(job: MapJob, value: unknown): void {
    this.#remove(job);
    // Settled within submit, by an observer's doing: the map has not called `then` yet.
    if (job.succeed === undefined) queueMicrotask(() => job.succeed?.(value));
    else job.succeed?.(value);
  }

  #fail(job: MapJob, state: TaskState, error: unknown): void {
    this.#remove(job);
    if (state === "failed") {
      job.hasFailed = true;
      this.#failures.push(error);
    }
    // The same for a job that was refused.
    if (job.fail === undefined) queueMicrotask(() => job.fail?.(error));
    else job.fail?.(error);
  }

  /** The last takes the place of the one that goes: no order is needed here. */
  #remove(job: MapJob): void {
    const last = this.#inFlight.pop();
    if (this.#followsLimit && this.#inFlight.length === 0) {
      this.#host.followers.delete(this);
    }
    if (last === undefined || last === job) return;
    this.#inFlight[job.place] = last;
    last.place = job.place;
  }

  #cancelFrom(index: number, reason: unknown): void {
    for (const job of [...this.#inFlight]) {
      if (job.index >= index) this.#host.cancelJob(job, reason);
    }
  }
}

/** Checks that there is something to read from: a string is iterable, too. */
export function checkSource(source: unknown): void {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = Object(
    source,
  ) as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  if (typeof (async ?? sync) === "function") return;
  throw new TypeError(
    `source must be an iterable or an async iterable, got ${show(source)}`,
  );
}
