/**
 * What OpenTelemetry hears of pipelines: a span for each run, from its first pull to its end, which
 * is the parent of what the stages do. Made only when a provider is registered.
 *
 * @module
 */
import {
  type Context,
  context,
  type Span,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { closesWhilePending } from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { sharedTelemetry } from "../../telemetry/shared.ts";
import { recordError } from "../../telemetry/span.ts";
import type { StageStats } from "./pipeline_stage.ts";
import type { PullableIterator } from "../engine/engine.ts";
import type { Plan } from "../engine/plan.ts";

/** The tracer for pipelines; `undefined` while nobody listens. */
export const pipelineTracer: () => Tracer | undefined = sharedTelemetry(
  (tracer) => tracer,
);

/** One run within its span. */
export class TracedRun<T> implements PullableIterator<T> {
  // Invariant: #span is set from the first pull until the first of the end, a failure and return;
  // whoever takes it away ends it, so it ends once.
  readonly [closesWhilePending] = true;
  readonly #iterator: PullableIterator<T>;
  readonly #tracer: Tracer;
  readonly #stats: () => StageStats[];
  #before: StageStats[] = [];
  #span: Span | undefined;
  #context: Context | undefined;

  constructor(plan: Plan<T>, tracer: Tracer, stats: () => StageStats[]) {
    this.#iterator = plan.iterate();
    this.#tracer = tracer;
    this.#stats = stats;
  }

  next(): IteratorResult<T> | PromiseLike<IteratorResult<T>> {
    return this.pull();
  }

  pull(): IteratorResult<T> | PromiseLike<IteratorResult<T>> {
    const within = this.#context ??= this.#begin();
    let result;
    try {
      result = context.with(within, () => this.#iterator.pull());
    } catch (error) {
      this.#end({ error });
      throw error;
    }
    if (isThenable(result)) {
      result.then(
        ({ done }) => {
          if (done) this.#end();
        },
        (error) => this.#end({ error }),
      );
    } else if (result.done) this.#end();
    return result;
  }

  return(reason?: unknown): unknown {
    const closed = this.#context === undefined
      ? this.#iterator.return?.(reason)
      : context.with(this.#context, () => this.#iterator.return?.(reason));
    if (isThenable(closed)) {
      closed.then(() => this.#end(), (error) => this.#end({ error }));
    } else this.#end();
    return closed;
  }

  #begin(): Context {
    this.#before = this.#stats();
    this.#span = this.#tracer.startSpan("stream.pipeline", {
      attributes: { "async_core.pipeline.stages": this.#before.length },
    });
    return trace.setSpan(context.active(), this.#span);
  }

  #end(failure?: { error: unknown }): void {
    const span = this.#span;
    if (span === undefined) return;
    this.#span = undefined;
    this.#stats().forEach((stage, index) => {
      const before = this.#before[index];
      span.addEvent("stage", {
        "async_core.stage.name": stage.name,
        "async_core.stage.in": stage.in - (before?.in ?? 0),
        "async_core.stage.out": stage.out - (before?.out ?? 0),
        "async_core.stage.errors": stage.errors - (before?.errors ?? 0),
        "async_core.stage.time_ms": stage.time - (before?.time ?? 0),
      });
    });
    if (failure !== undefined) recordError(span, failure.error);
    span.end();
  }
}
