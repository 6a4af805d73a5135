/**
 * Spans for users' own operations.
 *
 * @module
 */
import {
  INVALID_SPAN_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { isThenable } from "../_internal/thenable.ts";
import { activeTracer } from "./provider.ts";

/** What an attribute may hold. */
export type AttributeValue =
  | string
  | number
  | boolean
  | string[]
  | number[]
  | boolean[];

/** Attributes by name. */
export type SpanAttributes = Record<string, AttributeValue>;

/** The span that is open: OpenTelemetry's, as far as a user's function needs it. */
export interface ActiveSpan {
  /** Says one thing more about the work. */
  setAttribute(name: string, value: AttributeValue): unknown;
  /** Says several things more. */
  setAttributes(attributes: SpanAttributes): unknown;
  /** Notes a moment within the work. */
  addEvent(name: string, attributes?: SpanAttributes): unknown;
  /** The ids by which logs or other systems can refer to this span. */
  spanContext(): { traceId: string; spanId: string; traceFlags: number };
}

/**
 * Runs `fn` within a span named `name`: what it starts has this span as its parent, its error is
 * recorded, and the span ends when it does. Without a tracer provider no span is made and `fn`
 * gets one that ignores everything.
 *
 * @param name What is done, in few different words: details belong in the attributes.
 * @param attributes What to say about it.
 * @param fn The work; a synchronous function stays synchronous.
 * @returns What `fn` returns.
 *
 * @example
 * ```ts
 * import { span } from "@specify/async-core/telemetry";
 *
 * const total = await span("orders.total", { count: 2 }, async (current) => {
 *   const sum = await Promise.resolve(40) + 2;
 *   current.setAttribute("orders.sum", sum);
 *   return sum;
 * });
 * console.log(total); // 42
 * ```
 */
export function span<T>(
  name: string,
  attributes: SpanAttributes,
  fn: (span: ActiveSpan) => T,
): T {
  const tracer = activeTracer();
  if (tracer === undefined) {
    return fn(trace.wrapSpanContext(INVALID_SPAN_CONTEXT));
  }
  return tracer.startActiveSpan(name, { attributes }, (current) => {
    let result: T;
    try {
      result = fn(current);
    } catch (error) {
      fail(current, error);
      throw error;
    }
    if (!isThenable(result)) {
      current.end();
      return result;
    }
    // The same kind of value as `fn` returned: a promise of its result.
    return result.then(
      (value) => {
        current.end();
        return value;
      },
      (error) => {
        fail(current, error);
        throw error;
      },
    ) as T;
  });
}

/** Ends a span with an error. */
export function fail(span: Span, error: unknown): void {
  recordError(span, error);
  span.end();
}

/** Notes an error on a span without ending it. */
export function recordError(span: Span, error: unknown): void {
  const isError = error instanceof Error;
  span.recordException(isError ? error : String(error));
  span.setAttribute("error.type", isError ? error.name : typeof error);
  span.setStatus({
    code: SpanStatusCode.ERROR,
    message: isError ? error.message : String(error),
  });
}
