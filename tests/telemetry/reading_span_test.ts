import { assertEquals, assertThrows } from "@std/assert";
import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import { ReadingSpan } from "../../telemetry/reading_span.ts";

/** A tracer that notes what becomes of its spans. */
function notingTracer() {
  const log: string[] = [];
  const startSpan = (name: string) => {
    log.push(`${name} begins`);
    return {
      spanContext: () => ({ traceId: "", spanId: "", traceFlags: 0 }),
      setAttribute: (name: string, value: unknown) =>
        void log.push(`${name}=${value}`),
      setAttributes: (attributes: Attributes) =>
        void log.push(JSON.stringify(attributes)),
      recordException: (error: unknown) => void log.push(`error ${error}`),
      setStatus: () => {},
      end: () => void log.push("ends"),
    } as unknown as Span;
  };
  return { log, tracer: { startSpan } as unknown as Tracer };
}

function reading(signal?: AbortSignal) {
  const { log, tracer } = notingTracer();
  const span = new ReadingSpan(tracer, () => ({
    name: "reading",
    attributes: {},
    signal,
    finish: (span) => void span.setAttributes({ count: 1 }),
  }));
  return { log, span };
}

const isEnd = (value: unknown) => value === undefined;
const whole = ["reading begins", '{"count":1}', "ends"];

Deno.test("ReadingSpan begins with the first pull and ends with the end, once, whatever comes then", async () => {
  const { log, span } = reading();
  assertEquals(log, []);
  assertEquals(span.pull(() => 1, isEnd), 1);
  assertEquals(await span.pull(() => Promise.resolve(2), isEnd), 2);
  assertEquals(log, ["reading begins"]);
  assertEquals(
    await span.pull(() => Promise.resolve(undefined), isEnd),
    undefined,
  );
  assertEquals(log, whole);
  span.pull(() => undefined, isEnd);
  span.close(() => {});
  assertEquals(log, whole);
});

Deno.test("ReadingSpan ends with a closing, when that has ended", async () => {
  const { log, span } = reading();
  span.pull(() => 1, isEnd);
  const closing = Promise.withResolvers<void>();
  const closed = span.close(() => closing.promise);
  assertEquals(log, ["reading begins"]);
  closing.resolve();
  await closed;
  assertEquals(log, whole);
});

Deno.test("ReadingSpan makes no span for what is closed before it is read", () => {
  const { log, span } = reading();
  assertEquals(span.close(() => "closed"), "closed");
  assertEquals(log, []);
});

Deno.test("ReadingSpan notes a failure of a pull and of a closing, but not what its signal aborted for", async () => {
  const failed = [
    "reading begins",
    '{"count":1}',
    "error broken",
    "error.type=string",
    "ends",
  ];
  const thrown = reading();
  assertThrows(() =>
    thrown.span.pull(() => {
      throw new Error("broken");
    }, isEnd)
  );
  assertEquals(thrown.log.at(-1), "ends");
  for (const fail of ["pull", "close"] as const) {
    const { log, span } = reading();
    if (fail === "close") span.pull(() => 1, isEnd);
    const failing = fail === "pull"
      ? span.pull(() => Promise.reject("broken"), isEnd)
      : span.close(() => Promise.reject("broken"));
    await Promise.resolve(failing).catch(() => {});
    assertEquals(log, failed);
  }
  const { log, span } = reading(AbortSignal.abort("enough"));
  await Promise.resolve(span.pull(() => Promise.reject("enough"), isEnd))
    .catch(() => {});
  assertEquals(log, [
    "reading begins",
    '{"count":1}',
    "async_core.cancelled=true",
    "ends",
  ]);
});
