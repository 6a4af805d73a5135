/**
 * A small OTLP/HTTP receiver on loopback: what a program under `OTEL_DENO=true` exports, as JSON.
 *
 * @module
 */

/** A span as the exporter sends it, with attributes as a plain object. */
export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  kind: number;
  start: number;
  end: number;
  isError: boolean;
  attributes: Record<string, unknown>;
  events: string[];
}

/** A metric: its name, unit, and the attributes of its points; of sums and gauges their values. */
export interface ReceivedMetric {
  name: string;
  unit: string;
  points: Record<string, unknown>[];
  values: (number | undefined)[];
}

interface OtlpValue {
  stringValue?: string;
  intValue?: string | number;
  doubleValue?: number;
  boolValue?: boolean;
}

interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

interface OtlpPoint {
  attributes?: OtlpAttribute[];
  asInt?: string | number;
  asDouble?: number;
}

interface OtlpSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status?: { code?: number };
  attributes?: OtlpAttribute[];
  events?: { name: string }[];
}

interface OtlpMetric {
  name: string;
  unit?: string;
  sum?: { dataPoints?: OtlpPoint[] };
  gauge?: { dataPoints?: OtlpPoint[] };
  histogram?: { dataPoints?: OtlpPoint[] };
}

/** `await using receiver = new OtlpReceiver()`, then `await receiver.run(program)`. */
export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly metrics: ReceivedMetric[] = [];
  readonly #server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const body = await request.json();
      for (const resource of body.resourceSpans ?? []) {
        for (const scope of resource.scopeSpans) {
          this.spans.push(...scope.spans.map(toSpan));
        }
      }
      for (const resource of body.resourceMetrics ?? []) {
        for (const scope of resource.scopeMetrics) {
          this.metrics.push(...scope.metrics.map(toMetric));
        }
      }
      return Response.json({});
    },
  );

  /** What makes a program export here. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_SERVICE_NAME: "test",
    };
  }

  /** Runs a program that exports here; returns what it printed. Its exit code must be 0. */
  async run(program: URL, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", program.href, ...args],
      env: this.env,
    }).output();
    const text = new TextDecoder();
    if (code !== 0) {
      throw new Error(
        `${program.href} ended with ${code}: ${text.decode(stderr)}`,
      );
    }
    return text.decode(stdout);
  }

  /** The spans of that name, by start. */
  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name)
      .sort((a, b) => a.start - b.start);
  }

  /** The name of the parent, or "" at the root of a trace. */
  parentOf(span: ReceivedSpan): ReceivedSpan | undefined {
    return this.spans.find(({ spanId }) => spanId === span.parentSpanId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function toSpan(span: OtlpSpan): ReceivedSpan {
  return {
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? "",
    kind: span.kind,
    start: Number(span.startTimeUnixNano) / 1e6,
    end: Number(span.endTimeUnixNano) / 1e6,
    isError: span.status?.code === 2,
    attributes: toObject(span.attributes),
    events: (span.events ?? []).map(({ name }) => name),
  };
}

function toMetric(metric: OtlpMetric): ReceivedMetric {
  const points = (metric.sum ?? metric.histogram ?? metric.gauge)?.dataPoints ??
    [];
  return {
    name: metric.name,
    unit: metric.unit ?? "",
    points: points.map(({ attributes }) => toObject(attributes)),
    values: points.map(({ asInt, asDouble }) =>
      asDouble ?? (asInt === undefined ? undefined : Number(asInt))
    ),
  };
}

function toObject(attributes: OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [
    key,
    value.stringValue ?? value.boolValue ?? value.doubleValue ??
      Number(value.intValue),
  ]));
}
