/**
 * The streams' part of the smoke suite.
 *
 * @module
 */
import {
  AsyncQueue,
  AsyncStream,
  StreamConsumedError,
} from "../../streams/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { holds, pause, rejection, same } from "./check.ts";
import type { SmokeCase } from "./smoke.ts";

/** What holds of streams. */
export const streamCases: readonly SmokeCase[] = [
  {
    name: "streams: operators over every kind of source",
    async run() {
      const generator = async function* () {
        for (let n = 1; n <= 6; n++) yield await Promise.resolve(n);
      };
      const readable = () =>
        new ReadableStream<number>({
          start(controller) {
            for (let n = 1; n <= 6; n++) controller.enqueue(n);
            controller.close();
          },
        });
      const queue = new AsyncQueue<number>();
      for (let n = 1; n <= 6; n++) queue.tryPut(n);
      queue.close();
      for (
        const source of [
          [1, 2, 3, 4, 5, 6],
          new Set([1, 2, 3, 4, 5, 6]),
          generator(),
          generator,
          readable(),
          queue,
        ]
      ) {
        same(
          await AsyncStream.from<number>(source)
            .map((n) => n * 2)
            .filter(async (n) => await Promise.resolve(n > 4))
            .batch(3)
            .collect(),
          [[6, 8, 10], [12]],
        );
      }
    },
  },
  {
    name:
      "streams: concurrent map, alone and on a runner, keeps order and limit",
    async run() {
      let inFlight = 0;
      let most = 0;
      const work = async (n: number) => {
        most = Math.max(most, ++inFlight);
        await pause(n % 3);
        inFlight--;
        return n;
      };
      const expected = Array.from({ length: 30 }, (_, n) => n);
      same(
        await AsyncStream.range(0, 30).map(work, { concurrency: 4 }).collect(),
        expected,
      );
      same(most, 4);
      const runner = new AsyncRunner({ maxWorkers: 2 });
      most = 0;
      same(
        await AsyncStream.range(0, 30)
          .map(work, { concurrency: 8, runner }).collect(),
        expected,
      );
      same(most, 2);
      await runner.shutdown();
    },
  },
  {
    name: "streams: time, merge, zip, tee, retry and catch",
    async run() {
      same(await AsyncStream.interval(1).take(3).count(), 3);
      same(
        (await AsyncStream.merge([1, 2], [3, 4]).collect()).sort(),
        [1, 2, 3, 4],
      );
      same(await AsyncStream.of(1, 2).zip(["a", "b"]).collect(), [
        [1, "a"],
        [2, "b"],
      ]);
      const [left, right] = AsyncStream.of(1, 2, 3).tee(2);
      same(await Promise.all([left.collect(), right.collect()]), [
        [1, 2, 3],
        [1, 2, 3],
      ]);
      const late = AsyncStream.from(async function* () {
        await pause(60);
        yield 1;
      }).timeout(1).collect();
      same((await rejection(late)).name, "TimeoutError");
      same(await AsyncStream.of(1, 2, 3).window(2).collect(), [[1, 2], [2, 3]]);
    },
  },
  {
    name:
      "streams: breaking out closes the source once; a second read is refused",
    async run() {
      let closed = 0;
      const generator = (async function* () {
        try {
          for (let n = 0;; n++) yield n;
        } finally {
          closed++;
        }
      })();
      const stream = AsyncStream.from(generator);
      for await (const n of stream) if (n === 3) break;
      same(closed, 1);
      holds(
        await rejection(stream.collect()) instanceof StreamConsumedError,
        "a StreamConsumedError",
      );
    },
  },
  {
    name: "streams: to and from Web Streams, with backpressure",
    async run() {
      let pulled = 0;
      const stream = AsyncStream.from(function* () {
        for (let n = 0; n < 100; n++) {
          pulled++;
          yield n;
        }
      });
      const reader = stream.toReadableStream().getReader();
      same((await reader.read()).value, 0);
      holds(pulled <= 2, `pulls on demand, pulled ${pulled}`);
      await reader.cancel();
      same(
        await AsyncStream.of("a", "b").through(new TextEncoderStream())
          .through(new TextDecoderStream()).join(""),
        "ab",
      );
      const written: number[] = [];
      await AsyncStream.of(1, 2).pipeTo(
        new WritableStream({ write: (n) => void written.push(n) }),
      );
      same(written, [1, 2]);
    },
  },
  {
    name: "streams: events of an EventTarget, until it is aborted",
    async run() {
      const target = new EventTarget();
      const reading = AsyncStream.fromEvents(target, "tick").take(2).count();
      await pause(0);
      target.dispatchEvent(new Event("tick"));
      target.dispatchEvent(new Event("tick"));
      same(await reading, 2);
      const controller = new AbortController();
      const endless = AsyncStream.fromEvents(target, "tick")
        .abortable(controller.signal).count();
      await pause(0);
      const reason = new Error("enough");
      controller.abort(reason);
      holds(await rejection(endless) === reason, "the same reason");
    },
  },
  {
    name: "streams: a queue of producers and consumers loses nothing",
    async run() {
      const queue = new AsyncQueue<number>({ maxSize: 4 });
      const produce = async (from: number) => {
        for (let n = from; n < from + 50; n++) await queue.put(n);
      };
      const taken: number[] = [];
      const consume = async () => {
        for await (const n of queue) {
          taken.push(n);
          if (n % 7 === 0) await pause(0);
        }
      };
      const consumers = [consume(), consume()];
      await Promise.all([produce(0), produce(50)]);
      queue.close();
      await Promise.all(consumers);
      same(
        taken.sort((a, b) => a - b),
        Array.from({ length: 100 }, (_, n) => n),
      );
    },
  },
];
