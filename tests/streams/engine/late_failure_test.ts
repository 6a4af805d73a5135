/**
 * Failures that come when nobody can be told any more: news is reported, an abort is none.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AsyncRunner, AsyncStream } from "../../../mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { captureReports, settle, stopped } from "../support/probe.ts";

/** An element, then one that fails with `error` when `signal` aborts. */
async function* failing(signal: AbortSignal, error: unknown) {
  yield 1;
  await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(error), { once: true });
  });
}

for (const isNews of [false, true]) {
  Deno.test(
    `AsyncStream.map() with a runner ${
      isNews ? "reports" : "does not report"
    } a source that fails late ${
      isNews ? "with an error of its own" : "with the reason of the abort"
    }`,
    async () => {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const reason = new Error("enough");
      const error = isNews ? new Error("news") : reason;
      using reports = captureReports();
      {
        await using runner = new AsyncRunner({ signal: controller.signal });
        await using _ = nothingLeft({ runner });
        let isRunning = false;
        const result = AsyncStream.from(failing(controller.signal, error))
          .map(() => {
            isRunning = true;
            return new Promise((resolve) => setTimeout(resolve, 10));
          }, { runner })
          .collect();
        const failed = assertRejects(() => result);
        while (!isRunning) await new Promise((resolve) => setTimeout(resolve));
        controller.abort(reason);
        assertStrictEquals(await failed, reason);
        await new Promise((resolve) => setTimeout(resolve));
      }
      assertEquals(reports.lines, isNews ? [stopped("Error: news")] : []);
    },
  );
}

const operators: Record<
  string,
  (stream: AsyncStream<number>) => AsyncStream<number>
> = {
  finally: (stream) => stream.finally(() => {}),
  catch: (stream) => stream.catch(() => []),
  retry: (stream) => stream.retry(),
  timeout: (stream) => stream.timeout(60_000),
  buffer: (stream) => stream.buffer(2),
};
for (const [name, operate] of Object.entries(operators)) {
  Deno.test(`AsyncStream.${name}() reports a function before it that fails after the stream was left`, async () => {
    using reports = captureReports();
    const call = Promise.withResolvers<number>();
    const stream = AsyncStream.from(() => [1]).map(() => call.promise);
    const iterator = operate(stream)[Symbol.asyncIterator]();
    const first = iterator.next();
    await settle();
    const returned = iterator.return?.();
    await settle();
    call.reject("late");
    await returned;
    assertEquals((await first).done, true);
    assertEquals(reports.lines, [stopped('"late"')]);
  });
}
