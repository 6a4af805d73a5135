import { assertEquals } from "@std/assert";
import type { AnyIterator } from "../../_internal/iterators.ts";
import { Upstream } from "../../_internal/upstream.ts";
import {
  asyncProbe,
  settle,
  stopped,
  unclosed,
} from "../streams/support/probe.ts";
import { captureReports } from "../support/captured_console.ts";

/** Notes what an upstream tells. */
function noting() {
  const heard: unknown[] = [];
  return {
    heard,
    arrived: (value: number) => void heard.push(value),
    ended: () => void heard.push("ended"),
    failed: (error: unknown) => void heard.push(["failed", error]),
  };
}

Deno.test("Upstream closes a source whose next() is pending when it wakes, and whoever asks waits for that", async () => {
  const source = asyncProbe({ hangAt: 0 });
  const reader = noting();
  const upstream = new Upstream<number>(source, reader);
  upstream.read();
  assertEquals(upstream.close("enough"), undefined);
  await settle();
  assertEquals([source.returns, upstream.isOver], [0, true]);
  source.wake();
  while (source.returns === 0) await null;
  assertEquals(source.isClosed, false);
  await upstream.closing;
  assertEquals([source.returns, source.isClosed], [1, true]);
  assertEquals(upstream.closing, undefined);
  assertEquals(reader.heard, []);
});

Deno.test("Upstream passes the reason of close() on to a source that it closes at once or when it wakes", async () => {
  const reasons: unknown[] = [];
  const reading = Promise.withResolvers<IteratorResult<number>>();
  const source = (): AnyIterator<number> => ({
    next: () => reading.promise,
    return: (reason) => reasons.push(reason),
  });
  const pending = new Upstream(source(), noting());
  pending.read();
  pending.close("late");
  new Upstream(source(), noting()).close("at once");
  reading.resolve({ done: false, value: 1 });
  await settle();
  assertEquals(reasons, ["at once", "late"]);
});

Deno.test("Upstream closes a source that stops its reader within its own next(), once that is over", () => {
  const log: string[] = [];
  const stopping = function* () {
    try {
      upstream.close();
      log.push("still in next()");
      yield 1;
    } finally {
      log.push("closed");
    }
  };
  const reader = noting();
  const upstream: Upstream<number> = new Upstream<number>(stopping(), reader);
  upstream.read();
  assertEquals(log, ["still in next()", "closed"]);
  assertEquals(reader.heard, []);
});

Deno.test("Upstream does not read again within a next()", () => {
  let depth = 0;
  let deepest = 0;
  const reader = noting();
  const upstream: Upstream<number> = new Upstream<number>({
    next: () => {
      deepest = Math.max(deepest, ++depth);
      if (depth < 3) upstream.read();
      depth--;
      return { done: false, value: 1 };
    },
  }, reader);
  upstream.read();
  assertEquals([deepest, reader.heard], [1, [1]]);
});

Deno.test("Upstream closes a source that gives no iterator result, and tells of the failure once", async () => {
  let returns = 0;
  const source = {
    next: () => Promise.resolve(null as unknown as IteratorResult<number>),
    return: () => Promise.resolve(returns++),
  };
  const reader = noting();
  const upstream = new Upstream<number>(source, reader);
  upstream.read();
  await settle();
  assertEquals([returns, reader.heard.length], [1, 1]);
  upstream.close();
  assertEquals(returns, 1);
});

Deno.test("Upstream reports what fails after close(), unless it is the reason or something cancelled", async () => {
  using reports = captureReports();
  const reason = new Error("the reason");
  const news = new Error("news");
  const cancelled = new DOMException("", "AbortError");
  for (const error of [reason, news, cancelled]) {
    const source = asyncProbe({ hangAt: 0, failAt: 0, error });
    const reader = noting();
    const upstream = new Upstream<number>(source, reader);
    upstream.read();
    upstream.close(reason);
    source.wake();
    await settle();
    assertEquals([source.returns, reader.heard], [0, []]);
  }
  assertEquals(reports.lines, [stopped("Error: news")]);
});

Deno.test("Upstream reports that a source failed to close when it woke", async () => {
  using reports = captureReports();
  const closeError = new Error("close");
  const source = asyncProbe({ hangAt: 0, closeError });
  const upstream = new Upstream<number>(source, noting());
  upstream.read();
  upstream.close();
  source.wake();
  await settle();
  assertEquals(reports.lines, [unclosed("Error: close")]);
});
