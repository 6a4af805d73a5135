import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConcurrentMap } from "../../../_internal/concurrent_map.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  asyncProbe,
  failureOf,
  settle,
  stopped,
  syncProbe,
} from "../support/probe.ts";
import { captureReports } from "../../support/captured_console.ts";

/** A source that counts what is done to it. */
function counted(
  length: number,
  failAt = Infinity,
): AsyncIterable<number> & { pulls: number; returns: number } {
  return {
    pulls: 0,
    returns: 0,
    [Symbol.asyncIterator]() {
      let index = 0;
      return {
        next: async () => {
          this.pulls++;
          await null;
          if (index === failAt) throw new Error("source failed");
          return index < length
            ? { done: false, value: index++ }
            : { done: true, value: undefined };
        },
        return: async () => {
          await null;
          this.returns++;
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** A function whose calls are settled by the test. */
function controlled() {
  const calls: PromiseWithResolvers<string>[] = [];
  return {
    calls,
    start(value: number, _index: number): Promise<string> {
      const call = Promise.withResolvers<string>();
      calls[value] = call;
      return call.promise;
    },
  };
}

Deno.test("ConcurrentMap keeps order when the slowest is the first", async () => {
  const source = counted(5);
  const { calls, start } = controlled();
  const map = new ConcurrentMap(source, start, {
    concurrency: 3,
    ordered: true,
  });
  const first = map.next();
  await settle();
  assertEquals(calls.length, 3);
  assertEquals(source.pulls, 3);
  calls[2]?.resolve("c");
  calls[1]?.resolve("b");
  await settle();
  assertEquals(calls.length, 3, "the undelivered ones count");
  calls[0]?.resolve("a");
  assertEquals(await first, { done: false, value: "a" });
  assertEquals(await map.next(), { done: false, value: "b" });
  assertEquals(await map.next(), { done: false, value: "c" });
  await settle();
  calls[3]?.resolve("d");
  calls[4]?.resolve("e");
  assertEquals(await map.next(), { done: false, value: "d" });
  assertEquals(await map.next(), { done: false, value: "e" });
  assertEquals((await map.next()).done, true);
  assertEquals(source.returns, 0, "a source that ended is not closed");
});

Deno.test("ConcurrentMap emits as they end when unordered", async () => {
  const { calls, start } = controlled();
  const map = new ConcurrentMap([0, 1, 2], start, {
    concurrency: 2,
    ordered: false,
  });
  const results = [map.next(), map.next(), map.next(), map.next()];
  calls[1]?.resolve("b");
  await settle();
  calls[2]?.resolve("c");
  await settle();
  calls[0]?.resolve("a");
  assertEquals(
    (await Promise.all(results)).map((result) => result.value),
    ["b", "c", "a", undefined],
  );
});

Deno.test("ConcurrentMap delivers what came before a failure, awaits the rest and closes the source", async () => {
  await using _ = nothingLeft();
  using reports = captureReports();
  const source = counted(10);
  const { calls, start } = controlled();
  const map = new ConcurrentMap(source, start, {
    concurrency: 3,
    ordered: true,
  });
  const first = map.next();
  await settle();
  calls[1]?.reject(new Error("second"));
  await settle();
  assertEquals(source.returns, 1);
  calls[0]?.resolve("a");
  assertEquals((await first).value, "a");
  let failed: unknown;
  const second = map.next().catch((error) => failed = error);
  await settle();
  assertEquals(failed, undefined, "the third is still in flight");
  calls[2]?.reject(new Error("third"));
  await second;
  assertEquals((failed as Error).message, "second");
  assertEquals(reports.lines, [stopped("Error: third")]);
  assertEquals((await map.next()).done, true);
  assertEquals(source.pulls, 3);
  assertEquals(source.returns, 1);
});

Deno.test("ConcurrentMap delivers a failure only when a slow return() of the source has ended", async () => {
  await using _ = nothingLeft();
  for (const ordered of [true, false]) {
    const closing = Promise.withResolvers<IteratorResult<number>>();
    const failure = new Error("failed");
    let isClosing = false;
    const source = {
      ...counted(10)[Symbol.asyncIterator](),
      [Symbol.asyncIterator]() {
        return this;
      },
      return() {
        isClosing = true;
        return closing.promise;
      },
    };
    const { calls, start } = controlled();
    const map = new ConcurrentMap(source, start, { concurrency: 2, ordered });
    let told: unknown;
    const first = map.next().catch((error) => told = error);
    await settle();
    // Nothing is being read now.
    calls[0]?.reject(failure);
    calls[1]?.resolve("b");
    await settle();
    assertEquals([isClosing, told], [true, undefined]);
    closing.resolve({ done: true, value: undefined });
    await first;
    assertStrictEquals(told, failure);
  }
});

Deno.test("ConcurrentMap lets the earliest element's error win, and tells of the others", async () => {
  await using _ = nothingLeft();
  using reports = captureReports();
  const { calls, start } = controlled();
  const map = new ConcurrentMap([0, 1, 2], start, {
    concurrency: 3,
    ordered: true,
  });
  const first = map.next();
  calls[2]?.reject(new Error("third"));
  await settle();
  calls[0]?.reject(undefined);
  calls[1]?.resolve("b");
  let failure: { error: unknown } | undefined;
  await first.catch((error) => failure = { error });
  assertEquals(failure, { error: undefined });
  assertEquals(reports.lines, [stopped("Error: third")]);
});

Deno.test("ConcurrentMap gives earlier results before the source's error and does not close it", async () => {
  await using _ = nothingLeft();
  const source = counted(10, 2);
  const map = new ConcurrentMap(source, (value: number) => value * 2, {
    concurrency: 8,
    ordered: true,
  });
  assertEquals((await map.next()).value, 0);
  assertEquals((await map.next()).value, 2);
  await assertRejects(() => map.next(), Error, "source failed");
  assertEquals((await map.next()).done, true);
  assertEquals(source.returns, 0);
});

Deno.test("ConcurrentMap.return() waits for what is in flight, tells of what fails then, and closes the source once", async () => {
  await using _ = nothingLeft();
  using reports = captureReports();
  const source = counted(10);
  const { calls, start } = controlled();
  const map = new ConcurrentMap(source, start, {
    concurrency: 2,
    ordered: true,
  });
  const first = map.next();
  await settle();
  let returned = false;
  const end = map.return().then(() => returned = true);
  assertEquals((await first).done, true);
  await settle();
  assertEquals(returned, false);
  calls[0]?.resolve("a");
  calls[1]?.reject(new Error("nobody waits for it"));
  await end;
  assertEquals(reports.lines, [stopped("Error: nobody waits for it")]);
  await map.return();
  assertEquals(source.returns, 1);
});

Deno.test("ConcurrentMap.return() before the first next() reads nothing and closes the source", async () => {
  await using _ = nothingLeft();
  const source = counted(10);
  const map = new ConcurrentMap(source, (value: number) => value, {
    concurrency: 2,
    ordered: true,
  });
  await map.return();
  assertEquals([source.pulls, source.returns], [0, 1]);
  assertEquals((await map.next()).done, true);
});

Deno.test("ConcurrentMap.return() does not wait for a source that hangs, and closes it when it wakes", async () => {
  await using _ = nothingLeft();
  const read = Promise.withResolvers<IteratorResult<number>>();
  let returns = 0;
  const map = new ConcurrentMap(
    {
      [Symbol.asyncIterator]: () => ({
        next: () => read.promise,
        return: () => {
          returns++;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    },
    (value: number) => value,
    { concurrency: 2, ordered: false },
  );
  const first = map.next();
  await map.return();
  assertEquals((await first).done, true);
  assertEquals(returns, 0);
  read.resolve({ done: false, value: 1 });
  await settle();
  assertEquals(returns, 1);
});

Deno.test("ConcurrentMap reads at most concurrency + 1 when the consumer stalls", async () => {
  await using _ = nothingLeft();
  const source = counted(100);
  const map = new ConcurrentMap(source, async (value: number) => {
    await null;
    return value;
  }, { concurrency: 4, ordered: true });
  await map.next();
  await settle();
  assertEquals(source.pulls, 5);
  await map.return();
});

Deno.test("ConcurrentMap waits for `ready` before each read", async () => {
  await using _ = nothingLeft();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const source = counted(3);
  const map = new ConcurrentMap(source, (value: number) => value, {
    concurrency: 2,
    ordered: true,
    ready: () => asked++ === 0 ? gate.promise : undefined,
  });
  const first = map.next();
  await settle();
  assertEquals(source.pulls, 0);
  gate.resolve();
  assertEquals((await first).value, 0);
  await map.return();
});

Deno.test("ConcurrentMap closes the source when `ready` rejects", async () => {
  await using _ = nothingLeft();
  const source = counted(3);
  const map = new ConcurrentMap(source, (value: number) => value, {
    concurrency: 2,
    ordered: true,
    ready: () => Promise.reject(new Error("shut down")),
  });
  await assertRejects(() => map.next(), Error, "shut down");
  assertEquals([source.pulls, source.returns], [0, 1]);
});

Deno.test("ConcurrentMap delivers a failure after the closing of a source that woke meanwhile", async () => {
  const closing = Promise.withResolvers<void>();
  const read = Promise.withResolvers<IteratorResult<number>>();
  let index = 0;
  const { calls, start } = controlled();
  const map = new ConcurrentMap(
    {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          index < 2
            ? Promise.resolve({ done: false, value: index++ })
            : read.promise,
        return: async () => {
          await closing.promise;
          return { done: true as const, value: undefined };
        },
      }),
    },
    start,
    { concurrency: 3, ordered: false },
  );
  let failed: unknown;
  const first = map.next().catch((error) => failed = error);
  await settle();
  calls[0]?.reject("broken");
  await settle();
  read.resolve({ done: false, value: 2 });
  await settle();
  calls[1]?.resolve("b");
  await settle();
  assertEquals(failed, undefined, "the source is being closed");
  closing.resolve();
  await first;
  assertEquals([failed, calls.length], ["broken", 2]);
});

Deno.test("ConcurrentMap closes a synchronous source that stops it within its own next()", async () => {
  using reports = captureReports();
  let isClosed = false;
  const stopping = function* () {
    try {
      yield 0;
      map.stopWith("enough");
      yield 1;
    } finally {
      isClosed = true;
    }
  };
  const map: ConcurrentMap<number, number> = new ConcurrentMap(
    stopping(),
    (value: number) => value,
    { concurrency: 2, ordered: true },
  );
  assertEquals(await map.next(), { done: false, value: 0 });
  assertEquals(await failureOf(map.next()), "enough");
  assertEquals([isClosed, reports.lines], [true, []]);
});

Deno.test("ConcurrentMap closes a source of promises at once when it is stopped while it awaits one", async () => {
  using reports = captureReports();
  const element = Promise.withResolvers<number>();
  const source = syncProbe();
  const { next } = source;
  source.next = () => (next.call(source), {
    done: false,
    value: element.promise as unknown as number,
  });
  const map = new ConcurrentMap(source, (value: number) => value, {
    concurrency: 2,
    ordered: true,
  });
  const first = map.next();
  await map.return();
  assertEquals([source.pulls, source.returns], [1, 1]);
  assertEquals((await first).done, true);
  element.reject("late");
  await settle();
  assertEquals(reports.lines, [stopped('"late"')]);
});

Deno.test("ConcurrentMap gives promises of an asynchronous source to the function as they are", async () => {
  const value = Promise.resolve(1);
  const seen: unknown[] = [];
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => ({ done: seen.length > 0, value }),
    }),
  } as unknown as AsyncIterable<unknown>;
  await new ConcurrentMap(source, (value) => void seen.push(value), {
    concurrency: 1,
    ordered: true,
  }).run();
  assertEquals(seen.length, 1);
  assertStrictEquals(seen[0], value);
});

Deno.test("ConcurrentMap answers a next() that its function calls, after the one that it is called for", async () => {
  const answers: Promise<IteratorResult<number>>[] = [];
  const map: ConcurrentMap<number, number> = new ConcurrentMap(
    [1, 2, 3],
    (value: number) => {
      if (value === 1) answers.push(map.next());
      return value;
    },
    { concurrency: 2, ordered: true },
  );
  assertEquals((await map.next()).value, 1);
  assertEquals((await answers[0])?.value, 2);
  assertEquals((await map.next()).value, 3);
});

Deno.test("ConcurrentMap.run() calls the function for each element, so many at a time, and then resolves", async () => {
  let running = 0;
  let most = 0;
  const seen: number[] = [];
  await new ConcurrentMap(counted(10), async (value: number) => {
    most = Math.max(most, ++running);
    await settle();
    running--;
    seen.push(value);
  }, { concurrency: 3, ordered: false }).run();
  assertEquals([most, running, seen.length], [3, 0, 10]);
});

Deno.test("ConcurrentMap.run() rejects with the first failure when what runs has ended and the source is closed", async () => {
  const source = asyncProbe();
  let running = 0;
  const map = new ConcurrentMap(source, async (value: number) => {
    running++;
    for (let round = 0; round < (value === 1 ? 2 : 20); round++) await null;
    running--;
    if (value > 0) throw value;
  }, { concurrency: 4, ordered: false });
  assertEquals(await failureOf(map.run()), 1);
  assertEquals([running, source.returns, source.isClosed], [0, 1, true]);
});

Deno.test("ConcurrentMap fails with what the then of a result throws", async () => {
  const source = asyncProbe();
  const map = new ConcurrentMap(source, () => ({
    get then() {
      throw "no promise";
    },
  }), { concurrency: 2, ordered: true });
  assertEquals(await failureOf(map.next()), "no promise");
  assertEquals([source.returns, (await map.next()).done], [1, true]);
});
