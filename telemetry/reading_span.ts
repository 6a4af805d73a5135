/**
 * The span of a reading: from its first pull to its end, its failure, or its consumer's leaving.
 * Each pull runs within it, so that what the source does is under it and what the consumer does is
 * not. Made only when a provider is registered.
 *
 * @module
 */
import {
  type Attributes,
  type Context,
  context,
  type Span,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { isThenable } from "../_internal/thenable.ts";
import { endWithFailure } from "./span.ts";

/** What the span of a reading says. */
export interface ReadingDescription {
  /** The span's name. */
  readonly name: string;
  /** What is known when it begins. */
  readonly attributes: Attributes;
  /** An end by its abort is no failure. */
  readonly signal?: AbortSignal | undefined;
  /** Says what is known when it is over. */
  readonly finish: (span: Span) => void;
}

/** See the module. Whatever is read, it is told of each pull and of the closing. */
export class ReadingSpan {
  // Invariant: #span is set from the first pull until the first of the end, a failure and a close;
  // whoever takes it away ends it, so it ends once.
  readonly #tracer: Tracer;
  readonly #describe: () => ReadingDescription;
  #description: ReadingDescription | undefined;
  #span: Span | undefined;
  #context: Context | undefined;

  /** `describe` is called at the first pull. */
  constructor(tracer: Tracer, describe: () => ReadingDescription) {
    this.#tracer = tracer;
    this.#describe = describe;
  }

  /** Does what `pull` does; the reading is over when that fails, or `isEnd` takes its result for the end. */
  pull<Result>(
    pull: () => Result | PromiseLike<Result>,
    isEnd: (result: Result) => boolean,
  ): Result | PromiseLike<Result> {
    const within = this.#context ??= this.#begin();
    let result;
    try {
      result = context.with(within, pull);
    } catch (error) {
      this.#end({ error });
      throw error;
    }
    const pulled = (result: Result) => {
      if (isEnd(result)) this.#end();
    };
    if (isThenable(result)) {
      (result as PromiseLike<Result>)
        .then(pulled, (error) => this.#end({ error }));
    } else pulled(result as Result);
    return result;
  }

  /** Does what `close` does; the reading is over then. */
  close<Result>(close: () => Result): Result {
    const closed = this.#context === undefined
      ? close()
      : context.with(this.#context, close);
    if (isThenable(closed)) {
      closed.then(() => this.#end(), (error) => this.#end({ error }));
    } else this.#end();
    return closed;
  }

  #begin(): Context {
    const { name, attributes } = this.#description = this.#describe();
    this.#span = this.#tracer.startSpan(name, { attributes });
    return trace.setSpan(context.active(), this.#span);
  }

  #end(failure?: { error: unknown }): void {
    const span = this.#span;
    if (span === undefined) return;
    this.#span = undefined;
    this.#description?.finish(span);
    if (failure === undefined) span.end();
    else endWithFailure(span, failure.error, this.#description?.signal);
  }
}
