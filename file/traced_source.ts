/**
 * A run of a file's stream or of a walk within its span: from its first pull to its end, its
 * failure, or its consumer's leaving. Made only when a provider is registered.
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
import type { BatchSource } from "../streams/engine/types.ts";
import { recordError } from "../telemetry/span.ts";
import { fileTracer } from "./file_telemetry.ts";

/** What the span of a run says. */
export interface RunDescription {
  /** The span's name. */
  readonly name: `file.${string}`;
  /** What is worked on. */
  readonly path: string;
  /** An end by its abort is no failure. */
  readonly signal: AbortSignal | undefined;
  /** What is known when it is over; `count` elements have come out. */
  readonly measure: (count: number) => Attributes;
}

/** `source` itself while nobody listens, and otherwise within a span. */
export function traced<T>(
  source: BatchSource<T>,
  describe: () => RunDescription,
): BatchSource<T> {
  const tracer = fileTracer();
  return tracer === undefined
    ? source
    : new TracedSource<T>(source, tracer, describe());
}

class TracedSource<T> implements BatchSource<T> {
  // Invariant: #span is set from the first pull until the first of the end, a failure and close;
  // whoever takes it away ends it, so it ends once.
  readonly closesWhilePending: boolean;
  readonly #source: BatchSource<T>;
  readonly #tracer: Tracer;
  readonly #description: RunDescription;
  #span: Span | undefined;
  #context: Context | undefined;
  #count = 0;

  constructor(
    source: BatchSource<T>,
    tracer: Tracer,
    description: RunDescription,
  ) {
    this.#source = source;
    this.#tracer = tracer;
    this.#description = description;
    this.closesWhilePending = source.closesWhilePending === true;
  }

  pull():
    | readonly T[]
    | undefined
    | PromiseLike<readonly T[] | undefined> {
    const within = this.#context ??= this.#begin();
    let batch;
    try {
      batch = context.with(within, () => this.#source.pull());
    } catch (error) {
      this.#end({ error });
      throw error;
    }
    if (isThenable(batch)) {
      batch.then(
        (batch) => this.#pulled(batch),
        (error) => this.#end({ error }),
      );
    } else this.#pulled(batch);
    return batch;
  }

  close(reason?: unknown): unknown {
    const closed = this.#context === undefined
      ? this.#source.close?.(reason)
      : context.with(this.#context, () => this.#source.close?.(reason));
    if (isThenable(closed)) {
      closed.then(() => this.#end(), (error) => this.#end({ error }));
    } else this.#end();
    return closed;
  }

  #begin(): Context {
    const { name, path } = this.#description;
    this.#span = this.#tracer.startSpan(name, {
      attributes: { "file.path": path },
    });
    return trace.setSpan(context.active(), this.#span);
  }

  #pulled(batch: readonly T[] | undefined): void {
    if (batch === undefined) this.#end();
    else this.#count += batch.length;
  }

  #end(failure?: { error: unknown }): void {
    const span = this.#span;
    if (span === undefined) return;
    this.#span = undefined;
    const { signal, measure } = this.#description;
    span.setAttributes(measure(this.#count));
    if (failure !== undefined) {
      if (signal?.aborted && failure.error === signal.reason) {
        span.setAttribute("async_core.cancelled", true);
      } else recordError(span, failure.error);
    }
    span.end();
  }
}
