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
import { show } from "../_internal/validate.ts";
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
 * What `span()` returns: what its function did, and for a promise or another thenable a promise
 * of its result, without methods of its own such as a task handle's `cancel`.
 */
export type SpanResult<T> = T extends PromiseLike<infer Value> ? Promise<Value>
  : T;

/**
 * Runs `fn` within a span named `name`: what it starts has this span as its parent, its error is
 * recorded, and the span ends when it does. Without a tracer provider no span is made and `fn`
 * gets one that ignores everything.
 *
 * @param name What is done, in few different words: details belong in the attributes.
 * @param attributes What to say about it.
 * @param fn The work; a synchronous function stays synchronous.
 * @returns What `fn` returns; for a promise or another thenable, a promise of its result.
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
): SpanResult<T> {
  return spanUntil(undefined, name, attributes, fn);
}

/** `span()` of work that ends with `signal`: when it does, that is no error of the work. */
export function spanUntil<T>(
  signal: AbortSignal | undefined,
  name: string,
  attributes: SpanAttributes,
  fn: (span: ActiveSpan) => T,
): SpanResult<T> {
  const tracer = activeTracer();
  if (tracer === undefined) {
    const result = fn(trace.wrapSpanContext(INVALID_SPAN_CONTEXT));
    return given(isThenable(result) ? native(result) : result);
  }
  return tracer.startActiveSpan(
    name,
    { attributes },
    (current): SpanResult<T> => {
      let result: T;
      try {
        result = fn(current);
      } catch (error) {
        endWithFailure(current, error, signal);
        throw error;
      }
      if (!isThenable(result)) {
        current.end();
        return given(result);
      }
      return given(
        native(result).then(
          (value) => {
            current.end();
            return value;
          },
          (error) => {
            endWithFailure(current, error, signal);
            throw error;
          },
        ),
      );
    },
  );
}

/** A promise as it is; another thenable's `then` may return anything, or nothing. */
function native(thenable: PromiseLike<unknown>): Promise<unknown> {
  return thenable instanceof Promise ? thenable : Promise.resolve(thenable);
}

/** The type of what `fn` returned, with a promise in the place of a thenable: as SpanResult says. */
function given<T>(result: unknown): SpanResult<T> {
  return result as SpanResult<T>;
}

/** Ends a span of work that failed; with what its `signal` aborted for, it was cancelled. */
export function endWithFailure(
  span: Span,
  error: unknown,
  signal: AbortSignal | undefined,
): void {
  if (signal?.aborted && error === signal.reason) {
    span.setAttribute("async_core.cancelled", true);
  } else recordError(span, error);
  span.end();
}

/** Notes an error on a span without ending it. */
export function recordError(span: Span, error: unknown): void {
  const isError = error instanceof Error;
  // Anything can be thrown, also what cannot be made a string.
  const text = isError
    ? error.message
    : typeof error === "string"
    ? error
    : show(error);
  span.recordException(isError ? error : text);
  span.setAttribute("error.type", isError ? error.name : typeof error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: text });
}
