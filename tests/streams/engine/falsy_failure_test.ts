/**
 * `throw undefined` and the like are failures like any other, wherever they come from.
 */
import { assertEquals } from "@std/assert";
import {
  asyncMap,
  asyncMerge,
  AsyncPipeline,
  AsyncQueue,
  AsyncStream,
} from "../../../streams/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

const fails = (error: unknown) => (): never => {
  throw error;
};
const rejects = (error: unknown) => () => Promise.reject(error);
const stream = () => AsyncStream.of(1, 2);

/** Each settles as the stream does that has a failure of `error` in this place. */
const places: [string, (error: unknown) => PromiseLike<unknown>][] = [
  ["a generator", (error) =>
    AsyncStream.from(function* () {
      yield 1;
      throw error;
    }).collect()],
  ["an async generator", (error) =>
    AsyncStream.from(async function* () {
      yield 1;
      throw error;
    }).collect()],
  [
    "a promise in an array",
    (error) => AsyncStream.from([1, Promise.reject(error)]).collect(),
  ],
  ["a factory", (error) => AsyncStream.from(fails(error)).collect()],
  [
    "a factory's promise",
    (error) => AsyncStream.from(rejects(error)).collect(),
  ],
  [
    "a batch source",
    (error) =>
      AsyncStream.fromBatches(() => ({ pull: fails(error) })).collect(),
  ],
  [
    "a batch source's promise",
    (error) =>
      AsyncStream.fromBatches(() => ({ pull: rejects(error) })).collect(),
  ],
  ["a ReadableStream", (error) =>
    AsyncStream.from(
      new ReadableStream({ pull: (controller) => controller.error(error) }),
    ).collect()],
  ["map", (error) => stream().map(fails(error)).collect()],
  ["map's promise", (error) => stream().map(rejects(error)).collect()],
  ["filter", (error) => stream().filter(fails(error)).collect()],
  ["filter's promise", (error) => stream().filter(rejects(error)).collect()],
  ["flatMap", (error) => stream().flatMap(rejects(error)).collect()],
  [
    "an inner source",
    (error) => stream().flatMap(() => AsyncStream.from(fails(error))).collect(),
  ],
  ["tap", (error) => stream().tap(rejects(error)).collect()],
  ["scan", (error) => stream().scan(fails(error)).collect()],
  ["takeWhile", (error) => stream().takeWhile(rejects(error)).collect()],
  ["distinct", (error) => stream().distinct(fails(error)).collect()],
  [
    "concurrent map",
    (error) => stream().map(rejects(error), { concurrency: 2 }).collect(),
  ],
  [
    "unordered map",
    (error) =>
      stream().map(fails(error), { concurrency: 2, ordered: false }).collect(),
  ],
  [
    "merge",
    (error) => asyncMerge([1], AsyncStream.from(fails(error))).collect(),
  ],
  ["zip", (error) => stream().zip(AsyncStream.from(fails(error))).collect()],
  [
    "concat",
    (error) => stream().concat(AsyncStream.from(fails(error))).collect(),
  ],
  ["groupBy", (error) => stream().groupBy(fails(error)).collect()],
  ["tee", (error) => {
    const [a, b] = stream().tap(fails(error)).tee();
    b.drain().catch(() => {});
    return a.collect();
  }],
  ["buffer", (error) => stream().map(fails(error)).buffer(2).collect()],
  ["delay", (error) => stream().map(fails(error)).delay(1).collect()],
  ["timeout", (error) => stream().map(rejects(error)).timeout(50).collect()],
  [
    "batch with a timeout",
    (error) => stream().map(rejects(error)).batch(9, { timeout: 50 }).collect(),
  ],
  ["catch", (error) => stream().map(fails(1)).catch(fails(error)).collect()],
  [
    "retry",
    (error) => stream().map(fails(error)).retry({ maxRetries: 1 }).collect(),
  ],
  ["finally", (error) => stream().finally(fails(error)).collect()],
  [
    "through",
    (error) =>
      stream().through(new TransformStream({ transform: rejects(error) }))
        .collect(),
  ],
  ["a closing", (error) =>
    AsyncStream.from({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: 1 }),
        return: rejects(error),
      }),
    }).first()],
  ["forEach", (error) => stream().forEach(rejects(error))],
  ["reduce", (error) => stream().reduce(fails(error))],
  ["find", (error) => stream().find(fails(error))],
  ["toMap", (error) => stream().toMap(rejects(error))],
  [
    "pipeTo",
    (error) => stream().pipeTo(new WritableStream({ write: rejects(error) })),
  ],
  [
    "toReadableStream",
    (error) => Array.fromAsync(stream().map(fails(error)).toReadableStream()),
  ],
  ["for await", (error) => Array.fromAsync(stream().map(rejects(error)))],
  ["an abort", (error) => stream().collect({ signal: aborted(error) })],
  [
    "a stage",
    (error) =>
      new AsyncPipeline<number>().addStage(asyncMap(rejects(error)))
        .process([1]),
  ],
  ["a closed queue's get", (error) => closed(error).get()],
  ["a closed queue's stream", (error) => closed(error).stream().collect()],
  ["a closed queue's iterator", (error) => Array.fromAsync(closed(error))],
  [
    "a closed queue's readable",
    (error) => Array.fromAsync(closed(error).readable),
  ],
  ["an aborted queue's put", (error) => abortedQueue(error).put(1)],
  ["an aborted queue's get", (error) => abortedQueue(error).get()],
];

function aborted(error: unknown): AbortSignal {
  // An abort with undefined has an AbortError as its reason: the signal makes it.
  return AbortSignal.abort(error);
}

function closed(error: unknown): AsyncQueue<number> {
  const queue = new AsyncQueue<number>();
  queue.close(error);
  return queue;
}

function abortedQueue(error: unknown): AsyncQueue<number> {
  const queue = new AsyncQueue<number>();
  queue.abort(error);
  return queue;
}

for (const [name, run] of places) {
  Deno.test(`undefined, null, 0 and "" are failures like any other in ${name}`, async () => {
    await using _ = nothingLeft();
    for (const error of [undefined, null, 0, ""]) {
      const outcome = await run(error).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      if (name === "an abort" && error === undefined) {
        const { error } = outcome as { error: DOMException };
        assertEquals(error.name, "AbortError");
      } else assertEquals(outcome, { error });
    }
  });
}
