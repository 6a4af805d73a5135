/**
 * A run of a file's stream or of a walk within its span: from its first pull to its end, its
 * failure, or its consumer's leaving. Made only when a provider is registered.
 *
 * @module
 */
import type { Attributes } from "@opentelemetry/api";
import type { BatchSource } from "../streams/engine/types.ts";
import { ReadingSpan } from "../telemetry/reading_span.ts";
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
  if (tracer === undefined) return source;
  let count = 0;
  const reading = new ReadingSpan(tracer, () => {
    const { name, path, signal, measure } = describe();
    return {
      name,
      attributes: { "file.path": path },
      signal,
      finish: (span) => span.setAttributes(measure(count)),
    };
  });
  const isEnd = (batch: readonly T[] | undefined): boolean => {
    if (batch === undefined) return true;
    count += batch.length;
    return false;
  };
  return {
    closesWhilePending: source.closesWhilePending === true,
    pull: () => reading.pull(() => source.pull(), isEnd),
    close: (reason) => reading.close(() => source.close?.(reason)),
  };
}
