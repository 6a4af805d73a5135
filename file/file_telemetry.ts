/**
 * What OpenTelemetry hears of files: a span for each that is read, written, hashed or copied, with
 * its path and bytes, never its content. Made only when a provider is registered.
 *
 * @module
 */
import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import type { BatchSource } from "../streams/engine/types.ts";
import { ReadingSpan } from "../telemetry/reading_span.ts";
import { sharedTelemetry } from "../telemetry/provider.ts";
import { recordError, spanUntil } from "../telemetry/span.ts";

/** The tracer for files; `undefined` while nobody listens. */
export const fileTracer: () => Tracer | undefined = sharedTelemetry(
  (tracer) => tracer,
);

/** What is done with a file. */
export type FileOperation = "read" | "write" | "copy" | "hash";

/** Runs `work`, while somebody listens within the span `file.<operation>`; `bytes` says how many its result stands for. */
export function traceFile<T>(
  operation: FileOperation,
  attributes: Record<string, string | boolean>,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  bytes: (result: T) => number,
): Promise<T> {
  if (fileTracer() === undefined) return work();
  const name = `file.${operation}`;
  return spanUntil(signal, name, attributes, async (current) => {
    const result = await work();
    current.setAttribute("file.size", bytes(result));
    return result;
  });
}

/** The span of a writer; `undefined` while nobody listens. */
export function traceWriter(
  path: string,
  isAtomic: boolean,
): WriterTrace | undefined {
  const span = fileTracer()?.startSpan("file.write", {
    attributes: { "file.path": path, "async_core.file.atomic": isAtomic },
  });
  return span === undefined ? undefined : new WriterTrace(span);
}

/** From the opening of a writer's file to its release. */
export class WriterTrace {
  readonly #span: Span;
  #isOver = false;

  constructor(span: Span) {
    this.#span = span;
  }

  /** The first of these two says how it went. */
  failed(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    recordError(this.#span, error);
  }

  /** Somebody gave it up. */
  cancelled(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#span.setAttribute("async_core.cancelled", true);
  }

  /** So many bytes were written, and the file is released. */
  end(written: number): void {
    this.#span.setAttribute("file.size", written);
    this.#span.end();
  }
}

/**
 * `source` itself while nobody listens, and otherwise within a span.
 *
 * @param signal An end by its abort is no failure.
 * @param measure What is known when it is over; `count` elements have come out.
 */
export function traced<T>(
  source: BatchSource<T>,
  name: `file.${string}`,
  path: string,
  signal: AbortSignal | undefined,
  measure: (count: number) => Attributes,
): BatchSource<T> {
  const tracer = fileTracer();
  if (tracer === undefined) return source;
  let count = 0;
  const reading = new ReadingSpan(tracer, () => ({
    name,
    attributes: { "file.path": path },
    signal,
    finish: (span) => span.setAttributes(measure(count)),
  }));
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
