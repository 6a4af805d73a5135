/**
 * How a stream and a transform end together.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { AsyncStream } from "../../../streams/mod.ts";
import { asyncProbe, failureOf } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("through() has closed the source when it ends or fails early", async () => {
  await using _ = nothingLeft();
  const failure = new Error("transform");
  const transforms: [unknown, () => TransformStream<number, number>][] = [
    [failure, () =>
      new TransformStream({
        transform() {
          throw failure;
        },
      })],
    [failure, () =>
      new TransformStream({
        transform: (_, controller) => controller.error(failure),
      })],
    [[0], () =>
      new TransformStream({
        transform(n, controller) {
          controller.enqueue(n);
          controller.terminate();
        },
      })],
  ];
  for (const [expected, make] of transforms) {
    for (const stage of [make, make()]) {
      const probe = asyncProbe();
      const result = await AsyncStream.from(probe).through(stage).collect()
        .catch((error) => error);
      assertEquals(result, expected);
      assertEquals(probe.returns, 1);
      assert(probe.isClosed);
    }
  }
});

Deno.test("through() fails with what the source's closing fails with when the transform ends early", async () => {
  await using _ = nothingLeft();
  const failure = new Error("closing");
  const probe = asyncProbe({ closeError: failure });
  const stream = AsyncStream.from(probe).through(
    new TransformStream<number, number>({
      transform: (_, controller) => controller.terminate(),
    }),
  );
  assertStrictEquals(await failureOf(stream.collect()), failure);
});

Deno.test("through() closes the source when two sides that do not know each other part", async () => {
  await using _ = nothingLeft();
  for (const isEnding of [true, false]) {
    const probe = asyncProbe();
    const written: number[] = [];
    const aborted: unknown[] = [];
    const pair = {
      writable: new WritableStream<number>({
        write: (n) => void written.push(n),
        abort: (reason) => void aborted.push(reason),
      }),
      readable: new ReadableStream<string>({
        start(controller) {
          controller.enqueue("a");
          if (isEnding) controller.close();
        },
      }),
    };
    const stream = AsyncStream.from(probe).through(pair);
    const result = isEnding ? stream.collect() : stream.take(1).collect();
    assertEquals(await result, ["a"]);
    assertEquals(probe.returns, 1);
    assert(probe.isClosed);
    const { length } = written;
    // The macrotask of a piping that went on would come first.
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(written.length <= length + 1, true);
    assertEquals(aborted.length, 1);
  }
});

Deno.test("through() releases both sides at the end", async () => {
  const transform = new TransformStream<number, number>();
  assertEquals(await AsyncStream.of(1, 2).through(transform).collect(), [1, 2]);
  assertEquals(transform.readable.locked, false);
  assertEquals(transform.writable.locked, false);
});

Deno.test("through() closes a source that was never read when the transform has failed before", async () => {
  await using _ = nothingLeft();
  const failure = new Error("before");
  const transform = new TransformStream<number, number>();
  await transform.writable.abort(failure);
  const probe = asyncProbe();
  const stream = AsyncStream.from(probe).through(transform).take(0);
  assertStrictEquals(await failureOf(stream.collect()), failure);
  assertEquals([probe.pulls, probe.returns], [0, 1]);
});

Deno.test("through() with a function closes a source that it never came to read", async () => {
  await using _ = nothingLeft();
  const failure = new Error("stage");
  const untouched = asyncProbe();
  const stream = AsyncStream.from(untouched).through((source) => source);
  assertEquals(await stream.take(0).collect(), []);
  assertEquals([untouched.pulls, untouched.returns], [0, 1]);

  const refused = asyncProbe();
  const failing = AsyncStream.from(refused).through(() => {
    throw failure;
  });
  assertStrictEquals(await failureOf(failing.collect()), failure);
  assertEquals([refused.pulls, refused.returns], [0, 1]);
  assert(refused.isClosed);
});

Deno.test("retry() refuses a stage over a source that can be read once", () => {
  const stream = AsyncStream.from(asyncProbe()).through((source) => source);
  assertThrows(() => stream.retry(), TypeError);
});
