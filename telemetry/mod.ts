/**
 * Spans and metrics through OpenTelemetry.
 *
 * @module
 */
export {};
