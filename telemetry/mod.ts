/**
 * Spans and metrics through OpenTelemetry: what the modules report by themselves once a provider
 * is registered (`OTEL_DENO=true`, or one of your own), and `span()` for your own operations.
 *
 * @module
 */
export {
  type ActiveSpan,
  type AttributeValue,
  span,
  type SpanAttributes,
  type SpanResult,
} from "./span.ts";
