/**
 * What OpenTelemetry hears of files: a span for each that is read, written or copied whole, with
 * its path and bytes, never its content. Made only when a provider is registered.
 *
 * @module
 */
import type { Tracer } from "@opentelemetry/api";
import { sharedTelemetry } from "../telemetry/shared.ts";
import { span } from "../telemetry/span.ts";

/** The tracer for files; `undefined` while nobody listens. */
export const fileTracer: () => Tracer | undefined = sharedTelemetry(
  (tracer) => tracer,
);

/** What is done with a file. */
export type FileOperation = "read" | "write" | "copy";

/** Runs `work` within the span `file.<operation>`; `bytes` says how many its result stands for. */
export function traceFile<T>(
  operation: FileOperation,
  attributes: Record<string, string | boolean>,
  work: () => Promise<T>,
  bytes: (result: T) => number | undefined,
): Promise<T> {
  return span(`file.${operation}`, attributes, async (current) => {
    const result = await work();
    const size = bytes(result);
    if (size !== undefined) current.setAttribute("file.size", size);
    return result;
  });
}
