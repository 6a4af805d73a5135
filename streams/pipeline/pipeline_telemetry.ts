/**
 * What OpenTelemetry hears of pipelines: a span for each run, from its first pull to its end, which
 * is the parent of what the stages do. Made only when a provider is registered.
 *
 * @module
 */
import type { Tracer } from "@opentelemetry/api";
import {
  type ReadingDescription,
  ReadingSpan,
} from "../../telemetry/reading_span.ts";
import type { Plan } from "../engine/plan.ts";
import { type Pulled, Wrapped } from "../engine/wrapped.ts";
import type { StageStats } from "./pipeline_stage.ts";

/** One run within its span. */
export class TracedRun<T> extends Wrapped<T> {
  readonly #reading: ReadingSpan;

  /** `stats` counts all runs; the span says what has come since it began. */
  constructor(plan: Plan<T>, tracer: Tracer, stats: () => StageStats[]) {
    super(plan.iterate());
    this.#reading = new ReadingSpan(tracer, () => describe(stats));
  }

  protected override read(): Pulled<T> {
    return this.#reading.pull(
      () => super.read(),
      ({ done }) => done === true,
    );
  }

  protected override close(reason: unknown): Promise<void> {
    return this.#reading.close(() => super.close(reason));
  }
}

function describe(stats: () => StageStats[]): ReadingDescription {
  const before = stats();
  return {
    name: "stream.pipeline",
    attributes: { "async_core.pipeline.stages": before.length },
    finish: (span) =>
      stats().forEach((stage, index) => {
        const was = before[index];
        span.addEvent("stage", {
          "async_core.stage.name": stage.name,
          "async_core.stage.in": stage.in - (was?.in ?? 0),
          "async_core.stage.out": stage.out - (was?.out ?? 0),
          "async_core.stage.errors": stage.errors - (was?.errors ?? 0),
          "async_core.stage.time_ms": stage.time - (was?.time ?? 0),
        });
      }),
  };
}
