/**
 * The same programs, stopped before their first step, after it, after the second, and so on to
 * their end: at whatever point, the source is closed once, nobody is left waiting, and nothing
 * runs on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { AsyncQueue, AsyncStream } from "../../../streams/mod.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

interface State {
  opened: number;
  closed: number;
  calls: number;
}

function source(state: State): AsyncStream<number> {
  return AsyncStream.from(async function* () {
    state.opened++;
    try {
      for (let n = 0; n < 6; n++) {
        await null;
        yield n;
      }
    } finally {
      await null;
      state.closed++;
    }
  });
}

const slowly = (state: State) => async (n: number): Promise<number> => {
  state.calls++;
  await null;
  await null;
  return n;
};

const programs: [string, (state: State) => AsyncStream<unknown>][] = [
  ["map", (state) => source(state).map(slowly(state))],
  ["filter, batch", (state) => source(state).filter(slowly(state)).batch(2)],
  [
    "concurrent map",
    (state) => source(state).map(slowly(state), { concurrency: 3 }),
  ],
  [
    "unordered map, take",
    (state) =>
      source(state).map(slowly(state), { concurrency: 3, ordered: false }).take(
        4,
      ),
  ],
  [
    "flatMap",
    (state) =>
      source(state).take(3).flatMap(() => source(state).map(slowly(state))),
  ],
  [
    "merge",
    (state) =>
      source(state).merge(source(state), source(state).map(slowly(state))),
  ],
  ["zip", (state) => source(state).zip(source(state).map(slowly(state)))],
  ["buffer", (state) => source(state).buffer(3).map(slowly(state))],
  [
    "timed batch, timeout",
    (state) => source(state).batch(4, { timeout: 1000 }).timeout(1000),
  ],
  ["tee", (state) => {
    const [a, b] = source(state).tee(2);
    return a.zip(b.map(slowly(state)));
  }],
  [
    "groupBy",
    (state) =>
      source(state).groupBy((n) => n % 2).map(
        ([, group]) => group.take(2).collect(),
        { concurrency: 2 },
      ),
  ],
  [
    "catch, finally",
    (state) =>
      source(state).map((n) => n === 3 ? Promise.reject(0) : n).catch(() =>
        source(state)
      ).finally(() => settle()),
  ],
  [
    "retry",
    (state) =>
      source(state).map((n) => n === 2 ? Promise.reject(0) : n).retry({
        maxRetries: 2,
      }).catch(() => []),
  ],
  [
    "through",
    (state) => source(state).through(new TransformStream()).map(slowly(state)),
  ],
  [
    "readable and back",
    (state) =>
      AsyncStream.from(() => source(state).toReadableStream()).map(
        slowly(state),
      ),
  ],
];

/** Stops a running program, and says how it ended. */
type Stop = (
  stream: AsyncStream<unknown>,
  after: Promise<void>,
  consumed: () => void,
) => Promise<string>;

const stops: [string, Stop][] = [
  ["an abort", async (stream, after, consumed) => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    let isStopped = false;
    after.then(() => {
      isStopped = true;
      controller.abort("stop");
    });
    try {
      await stream.forEach(() => {
        assert(!isStopped, "called after the abort");
        consumed();
      }, { signal: controller.signal });
      return "ended";
    } catch (error) {
      assertEquals(error, "stop");
      return "stopped";
    }
  }],
  ["return() of the iterator", async (stream, after, consumed) => {
    const iterator = stream[Symbol.asyncIterator]();
    let isStopped = false;
    const returned = after.then(() => {
      isStopped = true;
      return iterator.return?.();
    });
    for (;;) {
      const { done } = await iterator.next();
      if (done) break;
      consumed();
    }
    const ending = isStopped ? "stopped" : "ended";
    await returned;
    assertEquals((await iterator.next()).done, true);
    return ending;
  }],
  ["cancel() of the ReadableStream", async (stream, after, consumed) => {
    const reader = stream.toReadableStream().getReader();
    let isStopped = false;
    const cancelled = after.then(() => {
      isStopped = true;
      return reader.cancel("stop");
    });
    for (;;) {
      const { done } = await reader.read();
      if (done) break;
      consumed();
    }
    const ending = isStopped ? "stopped" : "ended";
    await cancelled;
    return ending;
  }],
];

/** Resolves after so many microtasks. */
async function microtasks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await null;
}

for (const [name, make] of programs) {
  for (const [how, stop] of stops) {
    Deno.test(`AsyncStream ends cleanly wherever ${how} comes: ${name}`, async () => {
      await using _ = nothingLeft();
      for (let steps = 0; steps < 120; steps++) {
        const state: State = { opened: 0, closed: 0, calls: 0 };
        let consumed = 0;
        const ending = await stop(
          make(state),
          microtasks(steps),
          () => consumed++,
        );
        await settle();
        // A TransformStream and a ReadableStream end in turns of their own.
        await macrotask();
        assertEquals(state.closed, state.opened, `${steps} steps, ${ending}`);
        const { calls } = state;
        const before = consumed;
        await settle();
        assertEquals(
          [state.calls, consumed],
          [calls, before],
          "nothing runs on",
        );
        if (ending === "ended") break;
      }
    });
  }
}

Deno.test("AsyncQueue keeps every item wherever its waiters abort", async () => {
  for (let steps = 0; steps < 40; steps++) {
    for (const maxSize of [0, 1, 3]) {
      const queue = new AsyncQueue<number>({ maxSize });
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const { signal } = controller;
      const got: number[] = [];
      const accepted: number[] = [];
      const producer = (async () => {
        for (let n = 0; n < 10; n++) {
          await queue.put(n, { signal });
          accepted.push(n);
        }
      })().catch(() => {});
      const consumers = [1, 2].map(async () => {
        for (let n = 0; n < 4; n++) got.push(await queue.get({ signal }));
      }).map((consumer) => consumer.catch(() => {}));
      await microtasks(steps);
      controller.abort();
      await Promise.all([producer, ...consumers]);
      queue.close();
      got.push(...await queue.stream().collect());
      assertEquals(
        got.toSorted((a, b) => a - b),
        accepted,
        `${steps} steps, maxSize ${maxSize}`,
      );
    }
  }
});
