/**
 * One trace over both sides: the submit's span travels as a W3C traceparent, and the worker's
 * span is its child. Without a tracer provider no span is made and nothing travels.
 *
 * @module
 */
import {
  type Attributes,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { TaskHandle } from "@specify/async-core/runner";

const tracerName = "@specify/async-distributed";

/** A span of the API's own that does nothing: what there is without a provider. */
function begin(
  name: string,
  attributes: Attributes,
  kind: SpanKind,
): Span | undefined {
  const span = trace.getTracer(tracerName).startSpan(name, {
    kind,
    attributes,
  });
  return isSpanContextValid(span.spanContext()) && span.isRecording()
    ? span
    : undefined;
}

/** The span of a submit, until the handle settles; `undefined` while nobody listens. */
export function submitSpan(
  id: string,
  task: string,
  priority: number,
): Span | undefined {
  return begin("cluster.submit", {
    "task.id": id,
    "task.name": task,
    "task.priority": priority,
  }, SpanKind.PRODUCER);
}

/** The header that stands for a span. */
export function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** Runs `fn` within a span that continues a submit's. */
export function runTraced<T>(
  traceparent: string | undefined,
  attributes: Attributes,
  fn: (span: Span | undefined) => T,
): T {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(
    traceparent ?? "",
  );
  if (match === null) return fn(undefined);
  const [, traceId = "", spanId = "", flags = ""] = match;
  return trace.getTracer(tracerName).startActiveSpan(
    "cluster.task",
    { kind: SpanKind.CONSUMER, attributes },
    trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: parseInt(flags, 16),
      isRemote: true,
    }),
    fn,
  );
}

/** Ends a span with the task of a handle, in its state and with its error. */
export function endSpanWith(span: Span, handle: TaskHandle<unknown>): void {
  handle.then(
    () => endSpan(span, "succeeded", undefined),
    (error) => endSpan(span, handle.state, error),
  );
}

function endSpan(
  span: Span,
  state: string,
  error: unknown,
): void {
  span.setAttribute("task.state", state);
  if (state === "failed") {
    const isError = error instanceof Error;
    span.recordException(isError ? error : String(error));
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: isError ? error.message : String(error),
    });
  }
  span.end();
}
