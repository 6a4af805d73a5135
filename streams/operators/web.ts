/**
 * TransformStreams and stage functions as operators.
 *
 * @module
 */
import { DONE } from "../../_internal/iterators.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { STOPPED, UNCLOSED } from "../../_internal/upstream.ts";
import { type Origin, PULL } from "../engine/types.ts";
import type { Plan } from "../engine/plan.ts";
import type { PullIterator } from "../engine/pull_iterator.ts";
import {
  enterSource,
  openIterator,
  type StreamSource,
} from "../engine/source.ts";
import { NOTHING, type Pulled, Wrapped } from "../engine/wrapped.ts";

/** A TransformStream, or anything with its two sides. */
export interface TransformPair<T, U> {
  /** Takes what goes in. */
  readonly writable: WritableStream<T>;
  /** Gives what comes out. */
  readonly readable: ReadableStream<U>;
}

/** Whether it has the two sides. */
export function isTransform(
  value: unknown,
): value is TransformPair<never, unknown> {
  return typeof value === "object" && value !== null &&
    "readable" in value && "writable" in value;
}

// Errors and cancels pass both ways by the rules of pipeTo. What is added here: whatever ends the
// far side (its end, a failure, a consumer that leaves) closes the source and waits for that, and
// what fails after that, a function of the source or a write in progress, is told. The piping itself
// is not waited for: the two sides need not belong together as those of a TransformStream do, and a
// write that hangs would keep it for ever.
/** The far side of a transform that the plan is piped into, from the first read on. */
export class Piped<T, U> extends Wrapped<U> {
  readonly #plan: Plan<T>;
  readonly #transform: TransformPair<T, U>;
  /** Set by the first read, and with them `inner`. */
  #source: PullIterator<T> | undefined = undefined;
  #writer: WritableStreamDefaultWriter<T> | undefined = undefined;
  #aborting: Promise<unknown> | undefined = undefined;
  #sourceClosing: Promise<unknown> | undefined = undefined;
  /** What the source has failed with. */
  #sourceFailure: { error: unknown } | undefined = undefined;
  /** Why the consumer has left. */
  #left: { reason: unknown } | undefined = undefined;

  constructor(plan: Plan<T>, transform: TransformPair<T, U>) {
    super(NOTHING);
    this.#plan = plan;
    this.#transform = transform;
  }

  protected override read(): Pulled<U> {
    try {
      if (this.#source === undefined) this.#open();
    } catch (error) {
      this.isOver = true;
      return refuse(this.#plan.origin, error);
    }
    return super.read();
  }

  #open(): void {
    const { readable, writable } = this.#transform;
    if (writable.locked) {
      throw new TypeError(
        "through() was given a transform whose writable side is locked: somebody else writes to it. " +
          "Give a function that returns a new one: through(() => new TransformStream()).",
      );
    }
    this.inner = openIterator<U>(readable);
    this.#writer = writable.getWriter();
    this.#source = this.#plan.iterate();
    this.#pipe(this.#source, this.#writer);
  }

  async #pipe(
    source: PullIterator<T>,
    writer: WritableStreamDefaultWriter<T>,
  ): Promise<void> {
    // Nothing is read for what can be written no more.
    const end = (reason?: unknown) =>
      void this.#closeSource(reason).catch(() => {});
    writer.closed.then(end, end);
    // Before the consumer has left, the readable side has it.
    const writeFailed = (error: unknown) =>
      this.#left && this.#tellSink(writer.closed, error);
    let written: Promise<void> | undefined;
    let isReading = false;
    try {
      for (;;) {
        await writer.ready;
        isReading = true;
        const { done, value } = await source.pull();
        isReading = false;
        if (done) break;
        written = writer.write(value);
        written.catch(writeFailed);
      }
      await writer.close();
    } catch (error) {
      if (isReading) {
        if (this.isOver) reportLate(STOPPED, error, this.#left?.reason);
        else this.#sourceFailure = { error };
      }
      await written?.catch(() => {});
      await this.#abort(error);
    }
    this.#writer = undefined;
    writer.releaseLock();
  }

  /** Does nothing to one that is closed or has failed. */
  #abort(reason: unknown): Promise<unknown> | undefined {
    const writer = this.#writer;
    return this.#aborting ??= writer?.abort(reason)
      .catch((error) => this.#tellSink(writer.closed, error));
  }

  /** Tells of a failure of a write or an abort. What was not even begun has what closed the writer. */
  #tellSink(closed: Promise<void>, error: unknown): void {
    closed.catch((reason) => error !== reason && reportLate(STOPPED, error));
  }

  protected override async ended(): Promise<IteratorResult<U>> {
    // Of two sides that do not know each other the far one may end all the same.
    if (this.#sourceFailure !== undefined) {
      return await this.failed(this.#sourceFailure.error);
    }
    this.inner.release?.();
    await this.closing.begin(this.#stop(undefined));
    return DONE;
  }

  protected override async failed(error: unknown): Promise<never> {
    this.isOver = true;
    this.inner.release?.();
    // What the far side has made of that comes after it.
    const first = this.#sourceFailure ?? { error };
    if (error !== first.error) reportLate(STOPPED, error);
    await this.closing.begin(this.#stop(first.error)).catch((second) =>
      reportLate(UNCLOSED, second, first.error)
    );
    throw first.error;
  }

  /** Does nothing to two sides that are over, as they are when all was piped to its end. */
  async #stop(reason: unknown): Promise<void> {
    this.#abort(reason);
    await this.#closeSource(reason);
  }

  #closeSource(reason: unknown): Promise<unknown> {
    return this.#sourceClosing ??= this.#source?.return(reason) ??
      Promise.resolve();
  }

  protected override async close(reason: unknown): Promise<void> {
    const { readable } = this.#transform;
    this.#left = { reason };
    try {
      if (this.#source !== undefined) await super.close(reason);
      else if (!readable.locked) await readable.cancel(reason);
    } finally {
      if (this.#source !== undefined) await this.#stop(reason);
      else await this.#plan.origin.discard(reason);
    }
  }
}

/**
 * The origin of what a function of another stream makes, at each reading. `make` calls it with
 * the stream of `plan`.
 */
export function stageOrigin<T, U>(
  plan: Plan<T>,
  make: () => TransformPair<T, U> | StreamSource<U>,
): Origin<U> {
  const { origin } = plan;
  return {
    isRepeatable: origin.isRepeatable,
    discard: (reason) => origin.discard(reason),
    open(run, level, push) {
      let made;
      try {
        made = make();
      } catch (error) {
        return refuse(origin, error);
      }
      if (!isTransform(made)) return enterSource(run, level, push, made);
      run.enter(PULL, level, push, new Piped(plan, made));
      return undefined;
    },
  };
}

/** Fails before anything was read: the source is closed all the same. */
async function refuse(origin: Origin<unknown>, error: unknown): Promise<never> {
  try {
    await origin.discard(error);
  } catch (second) {
    reportLate(UNCLOSED, second, error);
  }
  throw error;
}
