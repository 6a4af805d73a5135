/**
 * asyncTimeout, as a call and as a block.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { asyncTimeout } from "../../../runner/mod.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

const never = () => new Promise<never>(() => {});

Deno.test("asyncTimeout() gives what fn returns in time, and its timer is gone", async () => {
  await using _ = nothingLeft();
  assertEquals(await asyncTimeout(60_000, () => 1), 1);
  assertEquals(await asyncTimeout(60_000, () => Promise.resolve(2)), 2);
  assertEquals(await asyncTimeout(Infinity, () => 3), 3);
  assertEquals(await asyncTimeout(2 ** 40, async () => await 4), 4);
  assertEquals(timers.size, 0);
});

Deno.test("asyncTimeout() rejects with the same kind of error as AbortSignal.timeout() when fn ignores its signal", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const failed = assertRejects(() => asyncTimeout(50, never), DOMException);
  await clock.tick(49);
  assertEquals(timers.size, 1);
  await clock.tick(1);
  const error = await failed;
  assertEquals(error.name, "TimeoutError");
  assertEquals(
    error.message,
    "asyncTimeout(): the time limit of 50 ms has passed",
  );
  assertEquals(timers.size, 0);
});

Deno.test("asyncTimeout() aborts the signal with the error that it rejects with", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  let seen: AbortSignal | undefined;
  const failed = asyncTimeout(5, (signal) => {
    seen = signal;
    return never();
  }).catch((error) => error);
  await clock.tick(5);
  assertStrictEquals(seen?.reason, await failed);
});

Deno.test("asyncTimeout() lets an error of fn win over a later timeout", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const error = new Error("mine");
  assertStrictEquals(
    await asyncTimeout(50, () => Promise.reject(error)).catch((e) => e),
    error,
  );
  assertStrictEquals(
    await asyncTimeout(50, () => {
      throw error;
    }).catch((e) => e),
    error,
  );
  await clock.tick(100);
  assertEquals(timers.size, 0);
});

Deno.test("asyncTimeout() keeps the timeout when fn throws something else because of it", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const failed = asyncTimeout(
    5,
    (signal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("my own")));
      }),
  ).catch((error) => error);
  await clock.tick(5);
  assertEquals((await failed).name, "TimeoutError");
});

Deno.test("asyncTimeout() ignores what fn gives after its time, result or error", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  for (const end of [() => "late", () => Promise.reject(new Error("late"))]) {
    const gate = Promise.withResolvers<void>();
    const failed = assertRejects(
      () => asyncTimeout(5, () => gate.promise.then(end)),
      DOMException,
    );
    await clock.tick(5);
    await failed;
    gate.resolve();
    await clock.tick();
  }
});

Deno.test("asyncTimeout() nested: the earlier wins, whether inner or outer", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  for (
    const [outer, inner, winner] of [[10, 20, 10], [20, 10, 10]] as const
  ) {
    const reasons: unknown[] = [];
    const failed = asyncTimeout(
      outer,
      (signal) =>
        asyncTimeout(inner, never, { signal }).catch((error) => {
          reasons.push(error.message);
          throw error;
        }),
    ).catch((error) => error.message);
    await clock.tick(10);
    const message = `asyncTimeout(): the time limit of ${winner} ms has passed`;
    assertEquals(await failed, message);
    assertEquals(reasons, [message]);
    assertEquals(timers.size, 0);
  }
});

Deno.test("asyncTimeout() rejects with the reason of a signal that aborts first, or has already", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const reason = { why: "caller" };
  const failed = asyncTimeout(60_000, never, { signal: controller.signal })
    .catch((error) => error);
  controller.abort(reason);
  assertStrictEquals(await failed, reason);
  let wasCalled = false;
  assertStrictEquals(
    await asyncTimeout(60_000, () => wasCalled = true, {
      signal: controller.signal,
    }).catch((error) => error),
    reason,
  );
  assert(!wasCalled);
  assertEquals(timers.size, 0);
});

Deno.test("asyncTimeout() takes foreign thenables, and those whose then cannot be read", async () => {
  await using _ = nothingLeft();
  const thenable = (resolve: (value: number) => void) => {
    resolve(1);
    resolve(2);
    throw new Error("after it");
  };
  assertEquals(
    await asyncTimeout(
      60_000,
      () => ({ then: thenable }) as unknown as PromiseLike<number>,
    ),
    1,
  );
  await assertRejects(
    () =>
      asyncTimeout(60_000, () => ({
        get then(): never {
          throw new Error("getter");
        },
      })),
    Error,
    "getter",
  );
  assertEquals(timers.size, 0);
});

Deno.test("using asyncTimeout() aborts its signal when the time is up", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  using deadline = asyncTimeout(100);
  assertEquals(deadline.remaining, 100);
  assertEquals(deadline.time, performance.now() + 100);
  await clock.tick(40);
  assertEquals(deadline.remaining, 60);
  assert(!deadline.signal.aborted);
  await clock.tick(60);
  assertInstanceOf(deadline.signal.reason, DOMException);
  assertEquals(deadline.signal.reason.name, "TimeoutError");
  await clock.tick(60);
  assertEquals(deadline.remaining, 0);
});

Deno.test("using asyncTimeout() leaves no timer and no abort behind after its block", async () => {
  const outer = new AbortController();
  await using _ = nothingLeft({ signals: [outer.signal] });
  using clock = new FakeClock();
  let signal: AbortSignal;
  {
    using deadline = asyncTimeout(100, { signal: outer.signal });
    signal = deadline.signal;
    assertEquals(timers.size, 1);
  }
  assertEquals(timers.size, 0);
  await clock.tick(200);
  outer.abort();
  assert(!signal.aborted);
});

Deno.test("using asyncTimeout() nested: the earlier wins, whether inner or outer", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  {
    using outer = asyncTimeout(10);
    using inner = asyncTimeout(20, { signal: outer.signal });
    await clock.tick(10);
    assertStrictEquals(inner.signal.reason, outer.signal.reason);
  }
  {
    using outer = asyncTimeout(20);
    using inner = asyncTimeout(10, { signal: outer.signal });
    await clock.tick(10);
    assert(inner.signal.aborted);
    assert(!outer.signal.aborted);
  }
  {
    using outer = asyncTimeout(0);
    await clock.tick(0);
    using inner = asyncTimeout(10, { signal: outer.signal });
    assertStrictEquals(inner.signal.reason, outer.signal.reason);
  }
  assertEquals(timers.size, 0);
});

Deno.test("using asyncTimeout() without a limit sets no timer", () => {
  using deadline = asyncTimeout(Infinity);
  assertEquals([deadline.time, deadline.remaining], [Infinity, Infinity]);
  assertEquals(timers.size, 0);
});

Deno.test("asyncTimeout() names what is wrong", async () => {
  await using _ = nothingLeft();
  for (const wrong of [-1, NaN]) {
    assertThrows(
      () => asyncTimeout(wrong),
      RangeError,
      `duration must be a non-negative number of milliseconds (Infinity for none), got ${wrong}`,
    );
  }
  assertThrows(
    () => asyncTimeout("5" as unknown as number, never),
    TypeError,
    'got "5"',
  );
  assertThrows(
    () => asyncTimeout(5, 7 as unknown as () => void),
    TypeError,
    "fn must be a function, got 7",
  );
  const signal = {} as AbortSignal;
  const message = "signal must be an AbortSignal, got an object";
  assertThrows(() => asyncTimeout(5, { signal }), TypeError, message);
  await assertRejects(
    () => asyncTimeout(5, never, { signal }),
    TypeError,
    message,
  );
  assertEquals(timers.size, 0);
});
