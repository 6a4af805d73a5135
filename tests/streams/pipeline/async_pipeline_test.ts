import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  asyncBatch,
  asyncFilter,
  asyncMap,
  asyncMerge,
  AsyncPipeline,
  AsyncQueue,
  AsyncRunner,
  AsyncStream,
  asyncWindow,
  type DeadLetter,
  StreamConsumedError,
} from "../../../mod.ts";
import { asyncProbe, failureOf, settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("AsyncPipeline runs the pipeline of the source document, in statements", async () => {
  const pipeline = new AsyncPipeline<number>();
  pipeline.addStage(asyncMap((x) => x * 2));
  pipeline.addStage(asyncFilter((x) => x > 50));
  assertEquals(await pipeline.process([10, 26, 40]), [52, 80]);
});

Deno.test("AsyncPipeline carries the type from stage to stage", async () => {
  const pipeline = new AsyncPipeline<string>()
    .addStage(asyncMap((text) => text.length))
    .addStage(asyncFilter((length) => length > 1))
    .addStage(asyncWindow(2))
    .addStage(asyncBatch(10))
    .addStage(async function* (source) {
      for await (const windows of source) yield windows.length;
    });
  const results: number[] = await pipeline.process(["a", "bb", "ccc", "dddd"]);
  assertEquals(results, [2]);
  // @ts-expect-error: the first stage takes strings
  const wrong = () => pipeline.process([1]);
  // @ts-expect-error: numbers come out
  const alsoWrong: () => Promise<string[]> = () => pipeline.process(["a"]);
  // @ts-expect-error: the last stage gives numbers
  const wrongStage = () => pipeline.addStage(asyncMap((text: string) => text));
  assertEquals([wrong, alsoWrong, wrongStage].length, 3);
});

Deno.test("AsyncPipeline can be used twice, and at the same time", async () => {
  const pipeline = new AsyncPipeline<number>()
    .addStage(
      asyncMap(async (n) => {
        await null;
        return n + 1;
      }),
      { concurrency: 3 },
    )
    .addStage(asyncBatch(2));
  const [a, b] = await Promise.all([
    pipeline.process([1, 2, 3]),
    pipeline.process(AsyncStream.range(10, 13)),
  ]);
  assertEquals([a, b], [[[2, 3], [4]], [[11, 12], [13]]]);
  assertEquals(pipeline.stats().map(({ in: coming, out }) => [coming, out]), [[
    6,
    6,
  ], [6, 4]]);
});

const odd = (n: number) => {
  if (n % 2 === 1) throw new Error(`odd ${n}`);
  return n;
};

Deno.test("AsyncPipeline fails, skips, retries or puts aside an element that a stage fails on", async () => {
  await using _ = nothingLeft();
  const make = (options: Parameters<AsyncPipeline<number>["addStage"]>[1]) =>
    new AsyncPipeline<number>().addStage(asyncMap(odd), {
      name: "even",
      ...options,
    });
  const source = asyncProbe();
  assertEquals(
    (await failureOf(make({}).process(source)) as Error).message,
    "odd 1",
  );
  assertEquals(source.returns, 1);

  const skipping = make({ onError: "skip" });
  assertEquals(await skipping.process([0, 1, 2, 3]), [0, 2]);
  const [stats] = skipping.stats();
  assertEquals([stats?.name, stats?.in, stats?.out, stats?.errors], [
    "even",
    4,
    2,
    2,
  ]);

  const letters = make({ onError: "dead-letter", concurrency: 2 });
  assertEquals(await letters.process([0, 1, 2]), [0, 2]);
  assertEquals(
    letters.deadLetters.map((
      { stage, item, error, attempts },
    ) => [stage, item, (error as Error).message, attempts]),
    [["even", 1, "odd 1", 1]],
  );

  let calls = 0;
  const retrying = new AsyncPipeline<number>().addStage(
    asyncMap((n) => {
      if (++calls < 3) return Promise.reject(undefined);
      return n;
    }),
    { onError: "retry" },
  );
  assertEquals(await retrying.process([7]), [7]);
  assertEquals([calls, retrying.stats()[0]?.errors], [3, 0]);
  calls = -100;
  assertStrictEquals(await failureOf(retrying.process([7])), undefined);
  assertEquals([calls, retrying.stats()[0]?.errors], [-96, 1]);
});

Deno.test("AsyncPipeline gives dead letters to a function or a queue", async () => {
  const seen: DeadLetter[] = [];
  await new AsyncPipeline<number>({
    deadLetter: (letter) => settle().then(() => seen.push(letter)),
  })
    .addStage(asyncMap(odd), { onError: "dead-letter", maxRetries: 2 }).process(
      [1],
    );
  assertEquals(seen.map(({ item, attempts }) => [item, attempts]), [[1, 3]]);
  const queue = new AsyncQueue<DeadLetter>();
  await new AsyncPipeline<number>({ deadLetter: queue })
    .addStage(asyncMap(odd), { onError: "dead-letter" }).process([3]);
  assertEquals((await queue.get()).item, 3);
});

Deno.test("AsyncPipeline refuses per-element options for a stage that is not per element", () => {
  const pipeline = new AsyncPipeline<number>();
  assertThrows(
    () => pipeline.addStage(asyncBatch(2), { onError: "skip" }),
    TypeError,
    "onError",
  );
  assertThrows(
    () => pipeline.addStage((source) => source, { concurrency: 2 }),
    TypeError,
    "concurrency",
  );
  assertThrows(
    () => pipeline.addStage(asyncMap(odd), { concurrency: 0 }),
    RangeError,
    "concurrency",
  );
  assertThrows(() => pipeline.addStage(5 as never), TypeError, "stage");
  assertThrows(() => asyncBatch(0), RangeError, "size");
});

Deno.test("AsyncPipeline takes TransformStreams as stages, once, or from a function", async () => {
  await using _ = nothingLeft();
  const transform = () =>
    new TransformStream<number, string>({
      transform: (n, controller) => controller.enqueue(`#${n}`),
    });
  const once = new AsyncPipeline<number>().addStage(transform());
  assertEquals(await once.process([1, 2]), ["#1", "#2"]);
  assert(await failureOf(once.process([1])) instanceof StreamConsumedError);
  const often = new AsyncPipeline<number>().addStage(transform, {
    name: "text",
  });
  assertEquals(await often.process([1]), ["#1"]);
  assertEquals(await often.process([2]), ["#2"]);
  const [stats] = often.stats();
  assertEquals([stats?.name, stats?.in, stats?.out], ["text", 2, 2]);
});

Deno.test("AsyncPipeline.compose() makes a new pipeline", async () => {
  const first = new AsyncPipeline<number>().addStage(asyncMap((n) => n + 1));
  const second = new AsyncPipeline<number>().addStage(asyncMap((n) => `${n}`));
  const both = first.compose(second);
  assertEquals(await both.process([1]), ["2"]);
  assertEquals(await first.process([1]), [2]);
  assertEquals(both.stats().length, 2);
  assertEquals(first.stats()[0]?.in, 1);
});

Deno.test("AsyncPipeline.stats() shows the slow stage", async () => {
  await using _ = nothingLeft();
  const pipeline = new AsyncPipeline<number>()
    .addStage(asyncMap((n) => n), { name: "fast" })
    .addStage(async function* slow(source) {
      for await (const n of source) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield n;
      }
    })
    .addStage(asyncMap((n) => n), { name: "last" });
  // The machine may stand still within a fast one, so there are several tries.
  for (let tries = 1;; tries++) {
    await pipeline.process(Array(3 * tries).fill(1));
    const [fast, slow, last] = pipeline.stats();
    assertEquals(slow?.name, "slow");
    assert(slow && fast && last && slow.time > 10);
    if (slow.time > 5 * (fast.time + last.time)) break;
    assert(tries < 10, JSON.stringify(pipeline.stats()));
  }
});

Deno.test("AsyncPipeline.toTransformStream() passes errors and cancels both ways", async () => {
  await using _ = nothingLeft();
  const pipeline = new AsyncPipeline<number>().addStage(asyncMap(odd));
  assertEquals(
    await Array.fromAsync(
      ReadableStream.from([2, 4]).pipeThrough(pipeline.toTransformStream()),
    ),
    [2, 4],
  );
  const failing = pipeline.toTransformStream();
  const piping = failureOf(
    AsyncStream.range(2).pipeTo(failing.writable),
  );
  const reading = failureOf(Array.fromAsync(failing.readable));
  assertEquals([
    (await piping as Error).message,
    (await reading as Error).message,
  ], ["odd 3", "odd 3"]);

  const source = asyncProbe();
  const left = AsyncStream.from(source).map((n) => n * 2).toReadableStream()
    .pipeThrough(pipeline.toTransformStream());
  const reader = left.getReader();
  await reader.read();
  await reader.cancel();
  await settle();
  assertEquals(source.returns, 1);
});

Deno.test("AsyncPipeline and AsyncStream run their calls as tasks of a runner", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  let inFlight = 0;
  let most = 0;
  const work = async (n: number) => {
    most = Math.max(most, ++inFlight);
    await settle();
    inFlight--;
    return n;
  };
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  assertEquals(
    await AsyncStream.from(all).map(work, { runner, concurrency: 5 }).collect(),
    all,
  );
  assertEquals(most, 2);
  assertEquals(
    await new AsyncPipeline<number>().addStage(asyncMap(work), { runner })
      .process(all),
    all,
  );
  assertEquals(most, 2);
});

Deno.test("AsyncStream.map() with a runner and a signal cancels its tasks", async () => {
  const controller = new AbortController();
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ signals: [controller.signal] });
  const source = asyncProbe();
  const running = failureOf(
    AsyncStream.from(source).map(() => new Promise<number>(() => {}), {
      runner,
      concurrency: 4,
      signal: controller.signal,
    }).collect(),
  );
  await settle();
  controller.abort("stop");
  assertEquals(await running, "stop");
  await settle();
  assertEquals(source.returns, 1);
  await runner.shutdown({ timeout: 0 });
});

Deno.test("asyncMerge() and the stages work alone", async () => {
  assertEquals(await asyncMerge([1], [2]).collect(), [1, 2]);
  assertEquals(await asyncMap((n: number) => n + 1)([1]).collect(), [2]);
  assertEquals(await asyncFilter((n: number) => n > 1)([1, 2]).collect(), [2]);
});
