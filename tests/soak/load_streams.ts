/**
 * Random streams and queues.
 *
 * @module
 */
import { AsyncQueue, AsyncStream } from "../../streams/mod.ts";
import { Fault, holds, type Load, pause } from "./load.ts";

const CANCELLED = new Error("stopped by the soak");

/** Operators over a source that may fail, read by somebody who may leave. */
export const streams: Load = async (random, { runner, signal }) => {
  const count = random.integer(10, 2_000);
  const failsAt = random.chance(0.2) ? random.integer(0, count) : -1;
  const leavesAt = random.chance(0.2) ? random.integer(0, count) : Infinity;
  const slow = random.chance(0.3);
  let closed = 0;
  const source = async function* () {
    try {
      for (let n = 0; n < count; n++) {
        if (n === failsAt) throw new Fault("source");
        if (slow && n % 50 === 0) await pause(1);
        yield n;
      }
    } finally {
      closed++;
    }
  };
  const own = new AbortController();
  const ordered = random.chance(0.7);
  let stream = AsyncStream.from(source)
    .map((n) => n % 97 === 0 ? pause(0).then(() => n) : n, {
      concurrency: random.integer(1, 8),
      ordered,
      ...(count < 300 && random.chance(0.5) ? { runner } : {}),
    })
    .filter((n) => n % 3 !== 0)
    .abortable(signal)
    .abortable(own.signal);
  if (random.chance(0.3)) stream = stream.buffer(random.integer(1, 20));
  const batches = stream.batch(random.integer(1, 20), {
    timeout: random.integer(1, 20),
  });
  const timer = random.chance(0.2)
    ? setTimeout(() => own.abort(CANCELLED), random.integer(0, 10))
    : undefined;
  const seen: number[] = [];
  let isWhole = false;
  try {
    for await (const batch of batches) {
      seen.push(...batch);
      if (seen.length > leavesAt) break;
    }
    isWhole = seen.length <= leavesAt;
  } catch (error) {
    holds(
      error === CANCELLED || error instanceof Fault,
      `a stream fails with what stopped it, not with ${error}`,
    );
  } finally {
    clearTimeout(timer);
  }
  holds(closed <= 1, `the source is closed once, not ${closed} times`);
  holds(new Set(seen).size === seen.length, "no element comes twice");
  if (ordered) {
    holds(
      seen.every((n, index) => index === 0 || n > (seen[index - 1] ?? 0)),
      "the order is kept",
    );
  }
  const expected = Array.from({ length: count }, (_, n) => n)
    .filter((n) => n % 3 !== 0);
  if (isWhole) {
    holds(seen.length === expected.length, "no element is lost");
  } else if (ordered) {
    holds(
      seen.every((n, index) => n === expected[index]),
      "what came is the beginning",
    );
  }
};

/** Branches of one source: each gets everything, in order, whatever the others do. */
export const branches: Load = async (random) => {
  const count = random.integer(1, 300);
  const parts = AsyncStream.range(0, count).tee(3, { buffer: 16 });
  const leaves = random.integer(0, 3);
  const totals = await Promise.all(
    parts.map(async (part, index) => {
      if (index === leaves) return await part.take(count / 2 | 0).count();
      let next = 0;
      for await (const n of part) {
        holds(n === next++, "the order is kept in each branch");
        if (n % 40 === index) await pause(0);
      }
      return next;
    }),
  );
  totals.forEach((total, index) =>
    holds(
      total === (index === leaves ? count / 2 | 0 : count),
      `branch ${index} got ${total} of ${count}`,
    )
  );
  const merged = await AsyncStream.merge(
    ...Array.from(
      { length: 4 },
      (_, k) => AsyncStream.range(k * 100, k * 100 + 100),
    ),
  ).collect();
  holds(
    new Set(merged).size === 400 && merged.length === 400,
    "all of a merge",
  );
};

/** Producers and consumers, waiters among them that give up: what was put is got, once. */
export const queues: Load = async (random, { signal }) => {
  const queue = new AsyncQueue<number>({ maxSize: random.integer(1, 8) });
  const put = new Set<number>();
  const got: number[] = [];
  let next = 0;
  const own = () => {
    const controller = new AbortController();
    return [
      controller.signal,
      setTimeout(() => controller.abort(CANCELLED), random.integer(0, 2)),
    ] as const;
  };
  const producer = async (): Promise<void> => {
    for (let k = random.integer(10, 80); k > 0; k--) {
      const item = next++;
      const [mine, timer] = random.chance(0.1) ? own() : [signal, undefined];
      try {
        await queue.put(item, { signal: mine });
        put.add(item);
      } catch (error) {
        holds(error === CANCELLED, `a put fails with its reason: ${error}`);
      }
      clearTimeout(timer);
      if (random.chance(0.05)) await pause(1);
    }
  };
  const consumer = async (): Promise<void> => {
    while (!queue.isClosed || queue.size > 0) {
      const [mine, timer] = random.chance(0.2) ? own() : [signal, undefined];
      try {
        got.push(await queue.get({ signal: mine }));
      } catch (error) {
        if (error !== CANCELLED) {
          holds(
            (error as Error).name === "QueueClosedError",
            `a get fails with its reason: ${error}`,
          );
          return;
        }
      } finally {
        clearTimeout(timer);
      }
    }
  };
  const consumers = Array.from({ length: random.integer(1, 3) }, consumer);
  await Promise.all(Array.from({ length: random.integer(1, 3) }, producer));
  queue.close();
  await Promise.all(consumers);
  holds(new Set(got).size === got.length, "no item is got twice");
  holds(
    got.length === put.size && got.every((item) => put.has(item)),
    `${put.size} were put and ${got.length} got`,
  );
};
