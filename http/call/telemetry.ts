/**
 * What OpenTelemetry hears of HTTP calls: a span for the call, one for each attempt, and metrics,
 * after the semantic conventions for HTTP clients. Made only when a provider is registered.
 *
 * @module
 */
import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from "@opentelemetry/api";
import { now } from "../../_internal/clock.ts";
import { sharedTelemetry } from "../../telemetry/provider.ts";
import { recordError } from "../../telemetry/span.ts";
import type { RequestBody } from "../request/body.ts";
import type { CircuitBreaker } from "../breaker/circuit_breaker.ts";
import { CircuitOpenError } from "../errors/circuit_open_error.ts";
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import { redactURL } from "../redact.ts";

/** The conventions' own, in seconds. */
const BOUNDARIES = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75],
  ...[1, 2.5, 5, 7.5, 10],
];

/** What is told of a call. */
export interface TracedCall {
  readonly method: string;
  readonly url: string;
  readonly body: RequestBody | undefined;
  readonly isAborted: boolean;
  trace: CallTrace | undefined;
}

/** What is told of an attempt. */
export interface TracedExchange {
  readonly call: TracedCall;
  readonly url: string;
  readonly response: Response | undefined;
  readonly isAborted: boolean;
  readonly reason: unknown;
  trace: AttemptTrace | undefined;
  /** Sends the request. */
  send(
    breaker: CircuitBreaker | undefined,
    time: number | undefined,
  ): Promise<void>;
}

/** Any other method is a name of the caller's choice, of which a metric could get too many. */
const METHODS = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
  ...["CONNECT", "TRACE", "QUERY"],
]);

/** The telemetry of HTTP clients; `undefined` while nobody listens. */
export const httpTelemetry: () => HTTPTelemetry | undefined = sharedTelemetry(
  (tracer, meter) => new HTTPTelemetry(tracer, meter),
);

/** Spans and metrics of all clients. */
export class HTTPTelemetry {
  readonly #tracer: Tracer | undefined;
  readonly duration: Histogram | undefined;
  readonly retries: Counter | undefined;
  readonly sent: Histogram | undefined;
  readonly received: Histogram | undefined;

  constructor(tracer: Tracer | undefined, meter: Meter | undefined) {
    this.#tracer = tracer;
    this.duration = meter?.createHistogram("http.client.request.duration", {
      description: "From an attempt's begin to the end of its response's body",
      unit: "s",
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
    this.retries = meter?.createCounter("async_core.http.retries", {
      description: "Attempts after the first",
      unit: "{attempt}",
    });
    this.sent = meter?.createHistogram("http.client.request.body.size", {
      description: "Bytes of request bodies whose size is known",
      unit: "By",
    });
    this.received = meter?.createHistogram("http.client.response.body.size", {
      description: "Bytes of response bodies, as they were transferred",
      unit: "By",
    });
  }

  /** Runs `perform` within the call's span. */
  within(call: TracedCall, perform: () => void): void {
    const begin = (span: Span | undefined) => {
      call.trace = new CallTrace(this, span);
      perform();
    };
    if (this.#tracer === undefined) return begin(undefined);
    const attributes = {
      ...methodAndServer(call.method, call.url),
      "url.full": redactURL(call.url),
    };
    this.#tracer.startActiveSpan("http.request", { attributes }, begin);
  }

  /** Sends the request within the attempt's span. */
  attempt(
    exchange: TracedExchange,
    breaker: CircuitBreaker | undefined,
    time: number | undefined,
  ): Promise<void> {
    const { call } = exchange;
    const known = methodAndServer(call.method, call.url);
    const resends = call.trace === undefined ? 0 : call.trace.sent++;
    const begin = (span: Span | undefined) => {
      exchange.trace = new AttemptTrace(this, span, known);
      return exchange.send(breaker, time);
    };
    if (this.#tracer === undefined) return begin(undefined);
    const attributes: Attributes = {
      ...known,
      "url.full": redactURL(call.url),
    };
    if (!METHODS.has(call.method)) {
      attributes["http.request.method_original"] = call.method;
    }
    if (resends > 0) attributes["http.request.resend_count"] = resends;
    return this.#tracer.startActiveSpan(
      METHODS.has(call.method) ? call.method : "HTTP",
      { kind: SpanKind.CLIENT, attributes },
      begin,
    );
  }
}

/** The span of one call. */
export class CallTrace {
  // Ended by the call when it is over: its promise settled, and no body open.
  readonly #telemetry: HTTPTelemetry;
  readonly #span: Span | undefined;
  /** Requests that were sent for it. */
  sent = 0;

  constructor(telemetry: HTTPTelemetry, span: Span | undefined) {
    this.#telemetry = telemetry;
    this.#span = span;
  }

  /** The attempt was no success, and another follows after `delay`. */
  retried(
    call: TracedCall,
    failure: unknown,
    status: number | undefined,
    delay: number,
  ): void {
    const type = status === undefined ? errorType(failure) : String(status);
    this.#telemetry.retries?.add(1, {
      ...methodAndServer(call.method, call.url),
      "error.type": type,
    });
    this.#span?.addEvent("retry", {
      "error.type": type,
      "async_core.retry.delay_ms": delay,
    });
  }

  /** The promise has its value. */
  succeeded(response: Response): void {
    this.#span?.setAttribute("http.response.status_code", response.status);
    if (response.status >= 400) {
      this.#span?.setAttribute("error.type", String(response.status));
    }
  }

  /** The promise has its error. */
  failed(call: TracedCall, failure: unknown): void {
    if (this.#span === undefined) return;
    if (call.isAborted && !(failure instanceof HTTPTimeoutError)) {
      this.#span.setAttribute("async_core.cancelled", true);
    } else recordError(this.#span, failure);
  }

  /** The call is over. */
  end(): void {
    this.#span?.setAttribute("async_core.http.requests", this.sent);
    this.#span?.end();
  }
}

/** The span and the measurements of one attempt. */
export class AttemptTrace {
  // Ended by the exchange, once, when it gives back what it held.
  readonly #telemetry: HTTPTelemetry;
  readonly #span: Span | undefined;
  readonly #known: Attributes;
  readonly #begin = now();
  #failure: { error: unknown } | undefined;
  #received: number | undefined;
  #isWhole = false;

  constructor(
    telemetry: HTTPTelemetry,
    span: Span | undefined,
    known: Attributes,
  ) {
    this.#telemetry = telemetry;
    this.#span = span;
    this.#known = known;
  }

  /** It failed, before the response or within its body. */
  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  /** So many bytes of the body have come. */
  received(bytes: number): void {
    this.#received = bytes;
  }

  /** The runtime has read the body: its size is what was announced. */
  readWhole(): void {
    this.#isWhole = true;
  }

  /** Everything has been given back. */
  end(exchange: TracedExchange): void {
    const { response } = exchange;
    const measured: Attributes = { ...this.#known };
    if (response !== undefined) {
      measured["http.response.status_code"] = response.status;
      if (response.status >= 400) {
        measured["error.type"] = String(response.status);
      }
    }
    const failure = this.#failure ??
      (exchange.isAborted ? { error: exchange.reason } : undefined);
    // Somebody gave up, or another request was faster: no failure of the server's. What it failed
    // with before is one.
    const isCancelled = exchange.isAborted &&
      failure?.error === exchange.reason &&
      !(exchange.reason instanceof HTTPTimeoutError);
    if (failure !== undefined && !isCancelled) {
      measured["error.type"] = errorType(failure.error);
    }
    this.#measure(exchange, measured, failure?.error);
    const span = this.#span;
    if (span === undefined) return;
    span.setAttributes(measured);
    if (exchange.url !== exchange.call.url) {
      span.setAttribute("async_core.url.final", redactURL(exchange.url));
    }
    if (isCancelled) span.setAttribute("async_core.cancelled", true);
    else if (failure !== undefined) recordError(span, failure.error);
    else if (measured["error.type"] !== undefined) {
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }

  #measure(
    exchange: TracedExchange,
    measured: Attributes,
    error: unknown,
  ): void {
    // Nothing was sent: no request to measure.
    if (error instanceof CircuitOpenError) return;
    const { duration, sent, received } = this.#telemetry;
    duration?.record((now() - this.#begin) / 1000, measured);
    const size = sizeOf(exchange.call.body);
    if (size !== undefined) {
      sent?.record(size, measured);
      this.#span?.setAttribute("http.request.body.size", size);
    }
    const announced = exchange.response?.headers.get("content-length");
    const bytes = this.#received ??
      (this.#isWhole && announced ? Number(announced) : undefined);
    if (bytes === undefined) return;
    received?.record(bytes, measured);
    this.#span?.setAttribute("http.response.body.size", bytes);
  }
}

function methodAndServer(method: string, url: string): Attributes {
  const known: Attributes = {
    "http.request.method": METHODS.has(method) ? method : "_OTHER",
  };
  if (!URL.canParse(url)) return known;
  const { hostname, port, protocol } = new URL(url);
  known["server.address"] = hostname;
  known["server.port"] = port !== ""
    ? Number(port)
    : protocol === "https:"
    ? 443
    : 80;
  return known;
}

function errorType(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

function sizeOf(body: RequestBody | undefined): number | undefined {
  const source: unknown = body?.source;
  if (typeof source === "string") {
    return new TextEncoder().encode(source).byteLength;
  }
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return source.byteLength;
  }
  return source instanceof Blob ? source.size : undefined;
}
