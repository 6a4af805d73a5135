/**
 * `runner.map`: a function over a source, several elements at once, each a task of the runner.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { contextAccess } from "../../_internal/async_context.ts";
import { abortError } from "../../_internal/errors.ts";
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { callsBackOnce } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
import type { BatchSettings } from "./gather.ts";
import { isActive, type JobOwner, OwnedJob } from "../scheduler/job.ts";
import type { SchedulerCore } from "../scheduler/core.ts";
import type { SubmitOptions, Task, TaskContext, TaskState } from "../types.ts";

/** What `map` submits each call with. */
export interface RunnerMapOptions
  extends Pick<SubmitOptions, "priority" | "signal" | "timeout"> {
  /** How many elements may be in work. @default {maxWorkers, as it changes} */
  concurrency?: number | undefined;
  /** Results in the order of the source; `false` gives them as they end. @default {true} */
  ordered?: boolean | undefined;
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
  /** Why it was cut off, kept until its function has really ended. */
  cutOffWith: { error: unknown } | undefined = undefined;

  constructor(
    fn: (value: never, index: number, context: TaskContext) => unknown,
    owner: JobOwner,
    index: number,
    value: unknown,
  ) {
    // Not called as a task, but it gives the job its name.
    super(fn as unknown as Task<unknown>, owner, index);
    this.value = value;
  }

  override run(context: TaskContext): unknown {
    const fn = this.task as unknown as (
      value: unknown,
      index: number,
      context: TaskContext,
    ) => unknown;
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
export interface RunnerMapSettings extends BatchSettings {
  /** Undefined: as many as the scheduler runs, as that changes. */
  concurrency: number | undefined;
  ordered: boolean;
}

/** The results of `fn` over a source. Ends what is in flight when it is closed early. */
export class RunnerMap<T, U>
  implements AsyncIterableIterator<U>, AsyncDisposable, JobOwner {
  // Invariant: #inFlight holds the jobs that were submitted and whose function has not ended;
  // the concurrent map hears of an end only then, so it never closes over work that still runs.
  // While there are any, a map that follows the scheduler's limit is told when it is changed; so
  // one that nobody reads any more is held by nobody.
  readonly #core: SchedulerCore;
  readonly #fn: (
    value: T,
    index: number,
    context: TaskContext,
  ) => U | PromiseLike<U>;
  readonly #settings: RunnerMapSettings;
  readonly #signal: AbortSignal | undefined;
  readonly #inFlight: MapJob[] = [];
  readonly #followsLimit: boolean;
  readonly #map: ConcurrentMap<T, U>;
  readonly #contexts = contextAccess();
  /** The caller's async context, in which every element is submitted. */
  readonly #context = this.#contexts.capture();
  #subscription: AbortSubscription | undefined;
  #started = false;
  /** What stands at this place or behind it was cancelled already. */
  #cancelledFrom = Infinity;

  constructor(
    core: SchedulerCore,
    source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
    fn: (value: T, index: number, context: TaskContext) => U | PromiseLike<U>,
    settings: RunnerMapSettings,
  ) {
    this.#core = core;
    this.#fn = fn;
    const { signal, ...options } = settings.options ?? {};
    // One subscription for all elements: it also ends a map that waits for its source.
    this.#signal = signal;
    this.#settings = {
      ...settings,
      options: Object.keys(options).length === 0 ? undefined : options,
    };
    this.#followsLimit = settings.concurrency === undefined;
    this.#map = new ConcurrentMap(source, this.#start, {
      concurrency: settings.concurrency ?? core.maxConcurrent,
      ordered: settings.ordered,
      ready: () => core.hasRoom ? undefined : core.ready(),
      finished: () => this.#subscription?.unsubscribe(),
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
    const signal = this.#signal;
    if (signal === undefined) return;
    const stop = (reason: unknown) => {
      this.#map.stopWith(reason);
      this.#cancelFrom(0, reason);
    };
    if (signal.aborted) stop(signal.reason);
    else this.#subscription = onAbort(signal, stop);
  }

  /** The scheduler's limit was changed. */
  pump(): void {
    this.#map.concurrency = this.#core.maxConcurrent;
    this.#map.readOn();
  }

  async return(): Promise<IteratorResult<U>> {
    this.#started = true;
    this.#cancelFrom(
      0,
      abortError("The consumer of the map stopped, so this task was cancelled"),
    );
    return await this.#map.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  readonly #start = (value: T, index: number): PromiseLike<U> => {
    const job = new MapJob(this.#fn, this, index, value);
    job.place = this.#inFlight.push(job) - 1;
    if (this.#followsLimit) this.#followLimit(job.place === 0);
    // An element may be read while any task ends, but belongs to whoever called map.
    this.#contexts.run(this.#context, this.#submit, job);
    // It gives what fn returned, awaited.
    return job as PromiseLike<unknown> as PromiseLike<U>;
  };

  /** An element is started, with or without others in flight. */
  #followLimit(isOnly: boolean): void {
    if (isOnly) this.#core.batches.add(this);
    // What has changed while nothing was in flight, or adapts itself, nobody has told.
    else if (!this.#core.isAdaptive) return;
    this.#map.concurrency = this.#core.maxConcurrent;
  }

  readonly #submit = {
    run: (job: MapJob): void => {
      const { options, group } = this.#settings;
      this.#core.submit(job, options, group, job.index > 0);
    },
  };

  settled(job: OwnedJob, state: TaskState, value: unknown): void {
    const mapJob = job as MapJob;
    if (state === "succeeded") {
      this.#remove(mapJob);
      mapJob.succeed?.(value);
    } else if (isActive(job)) mapJob.cutOffWith = { error: value };
    else this.#fail(mapJob, value);
  }

  ended(job: OwnedJob, _failed: boolean, _value: unknown): void {
    const mapJob = job as MapJob;
    this.#fail(mapJob, mapJob.cutOffWith?.error);
  }

  #fail(job: MapJob, error: unknown): void {
    this.#remove(job);
    // Settled within submit (a refused job): the map has not called `then` yet.
    if (job.fail === undefined) queueMicrotask(() => this.#deliver(job, error));
    else this.#deliver(job, error);
  }

  #deliver(job: MapJob, error: unknown): void {
    // Before the others are cancelled: it is their end that must not look like the failure.
    job.fail?.(error);
    // In order, what came before the failed element is still delivered.
    this.#cancelFrom(
      this.#settings.ordered ? job.index : 0,
      abortError(
        "Another task of the same map failed, so this one was cancelled",
      ),
    );
  }

  /** The last takes the place of the one that goes: no order is needed here. */
  #remove(job: MapJob): void {
    const last = this.#inFlight.pop();
    if (this.#followsLimit && this.#inFlight.length === 0) {
      this.#core.batches.delete(this);
    }
    if (last === undefined || last === job) return;
    this.#inFlight[job.place] = last;
    last.place = job.place;
  }

  #cancelFrom(index: number, reason: unknown): void {
    if (index >= this.#cancelledFrom) return;
    this.#cancelledFrom = index;
    for (const job of [...this.#inFlight]) {
      if (job.index >= index) this.#core.end(job, "cancelled", reason);
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
