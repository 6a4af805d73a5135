/**
 * ResourcePool: what it promises, and every hard moment of a resource's life.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  AcquireTimeoutError,
  DisposedError,
  LeaseReleasedError,
  type PoolFailure,
  PoolFullError,
  PoolTimeoutError,
  ResourcePool,
  type ResourcePoolOptions,
} from "../../../runner/mod.ts";
import { idleTimers, timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { microtasks } from "../../support/held_task.ts";
import { abortListeners, nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";

interface Thing {
  readonly id: number;
  isClosed: boolean;
}

/** A pool of things that are numbered, with everything that was told kept. */
function makePool(options: Partial<ResourcePoolOptions<Thing>> = {}) {
  const things: Thing[] = [];
  const told: [PoolFailure, unknown][] = [];
  const pool = new ResourcePool<Thing>({
    maxResources: 1,
    factory: () => {
      const thing = { id: things.length + 1, isClosed: false };
      things.push(thing);
      return thing;
    },
    cleanup: (thing) => {
      assert(!thing.isClosed, "cleaned up twice");
      thing.isClosed = true;
    },
    onError: (error, during) => told.push([during, error]),
    ...options,
  });
  return { pool, things, told };
}

/** The counters of `stats` must add up, and none exceeds the limit. */
function assertConsistent(pool: ResourcePool<Thing>, maxResources: number) {
  const { total, creating, idle, validating, leased, cleaning } = pool.stats;
  assertEquals(total, creating + idle + validating + leased + cleaning);
  assert(total <= maxResources, `${total} resources of ${maxResources}`);
  assert(leased >= 0);
}

Deno.test("ResourcePool.acquire() lends out, takes back and lends the same again", async () => {
  const { pool, things } = makePool();
  const lease = await pool.acquire();
  assertEquals(lease.resource.id, 1);
  assertEquals(pool.stats.leased, 1);
  lease.release();
  assertEquals(pool.stats.idle, 1);
  {
    await using again = await pool.acquire();
    assertEquals(again.resource.id, 1);
  }
  {
    using again = await pool.acquire();
    assertEquals(again.resource.id, 1);
  }
  assertEquals(things.length, 1);
  await pool.close();
  assert(things[0]?.isClosed);
  const { acquired, created, destroyed, total } = pool.stats;
  assertEquals([acquired, created, destroyed, total], [3, 1, 1, 0]);
});

Deno.test("ResourcePool.use() releases when fn returns, throws, destroys or releases itself", async () => {
  await using pool = makePool().pool;
  await using _ = nothingLeft({ pool });
  assertEquals(await pool.use((thing) => thing.id), 1);
  const error = new Error("fn");
  assertStrictEquals(
    await pool.use(() => Promise.reject(error)).catch((e) => e),
    error,
  );
  assertStrictEquals(
    await pool.use(() => {
      throw error;
    }).catch((e) => e),
    error,
  );
  assertEquals(
    await pool.use(async (thing, lease) => {
      await lease.destroy();
      return thing.id;
    }),
    1,
  );
  assertEquals(
    await pool.use((thing, lease) => {
      lease.release();
      return thing.id;
    }),
    2,
  );
  assertEquals(pool.stats.leased, 0);
});

Deno.test("ResourcePool.use() gives the resource back when the signal aborts between hand-over and fn", async () => {
  await using pool = makePool().pool;
  const controller = new AbortController();
  await using _ = nothingLeft({ pool, signals: [controller.signal] });
  const holder = await pool.acquire();
  let wasCalled = false;
  const used = pool.use(() => wasCalled = true, { signal: controller.signal });
  await null;
  holder.release();
  controller.abort("late");
  assertEquals(await used.catch((reason) => reason), "late");
  assert(!wasCalled);
  assertEquals(pool.stats.leased, 0);
});

Deno.test("ResourcePool serves 1,000 waiters first come first served", async () => {
  await using pool = makePool({ maxResources: 3 }).pool;
  const holders = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  const order: number[] = [];
  const all = Array.from({ length: 1000 }, async (_, index) => {
    const lease = await pool.acquire();
    order.push(index);
    await null;
    lease.release();
  });
  for (const holder of holders) holder.release();
  await Promise.all(all);
  assertEquals(order, Array.from({ length: 1000 }, (_, index) => index));
});

Deno.test("ResourcePool hands a released resource to the waiter before a newcomer of the same tick", async () => {
  await using pool = makePool().pool;
  const holder = await pool.acquire();
  const order: string[] = [];
  const waiter = pool.acquire().then((lease) => {
    order.push("waiter");
    lease.release();
  });
  holder.release();
  const newcomer = pool.acquire().then((lease) => {
    order.push("newcomer");
    lease.release();
  });
  await Promise.all([waiter, newcomer]);
  assertEquals(order, ["waiter", "newcomer"]);
});

Deno.test("ResourcePool makes resources concurrently, up to the limit", async () => {
  let running = 0;
  let most = 0;
  const { pool } = makePool({
    maxResources: 4,
    factory: async () => {
      most = Math.max(most, ++running);
      await null;
      running--;
      return { id: 0, isClosed: false };
    },
  });
  const leases = Array.from({ length: 10 }, () => pool.use(() => {}));
  assertEquals(pool.stats.creating, 4);
  await Promise.all(leases);
  assertEquals(most, 4);
  assertEquals(pool.stats.created, 4);
});

Deno.test("ResourcePool.acquire() rejects exactly one waiter with the error of a factory that fails while others wait", async () => {
  const errors = [new Error("first"), new Error("second")];
  let calls = 0;
  const { pool, told } = makePool({
    factory: async () => {
      await null;
      const error = errors[calls++];
      if (error !== undefined) throw error;
      return { id: calls, isClosed: false };
    },
  });
  await using _ = nothingLeft({ pool });
  const results = await Promise.allSettled(
    Array.from({ length: 4 }, () => pool.use((thing) => thing.id)),
  );
  assertEquals(results, [
    { status: "rejected", reason: errors[0] },
    { status: "rejected", reason: errors[1] },
    { status: "fulfilled", value: 3 },
    { status: "fulfilled", value: 3 },
  ]);
  assertEquals(told, []);
  assertEquals(pool.stats.failed, 2);
  await pool.close();
});

Deno.test("ResourcePool calls a factory that always fails once for each acquire, without recursion", async () => {
  let calls = 0;
  let isGood = false;
  const { pool } = makePool({
    factory: () => {
      if (isGood) return { id: 1, isClosed: false };
      throw new Error(`call ${++calls}`);
    },
  });
  await using _ = nothingLeft({ pool });
  for (let index = 0; index < 10; index++) {
    await assertRejects(() => pool.acquire(), Error, `call ${index + 1}`);
  }
  assertEquals(calls, 10);
  // And 20,000 at once, behind a lease that ends.
  isGood = true;
  const holder = await pool.acquire();
  const all = Promise.allSettled(
    Array.from({ length: 20_000 }, () => pool.acquire()),
  );
  isGood = false;
  await holder.destroy();
  assert((await all).every(({ status }) => status === "rejected"));
  assertEquals(calls, 20_010);
  assertEquals(pool.stats.total, 0);
  await pool.close();
});

Deno.test("ResourcePool calls a failing factory for minResources after pauses that grow, not in a loop", async () => {
  using clock = new FakeClock();
  let calls = 0;
  let isGood = false;
  const { pool, told } = makePool({
    maxResources: 5,
    minResources: 3,
    factory: () => {
      calls++;
      if (!isGood) throw new Error("down");
      return { id: calls, isClosed: false };
    },
  });
  await using _ = nothingLeft({ pool });
  await clock.tick();
  for (let step = 0; step < 100; step++) await clock.tick(100);
  assert(calls >= 5 && calls <= 24, `${calls} calls in 10 s`);
  assertEquals(told.length, calls);
  assertEquals(told[0]?.[0], "factory");
  isGood = true;
  await clock.tick(30_000);
  assertEquals(pool.stats.idle, 3);
  await pool.close();
});

Deno.test("ResourcePool calls a factory that goes on failing for minResources every 30 s, and not more seldom", async () => {
  using clock = new FakeClock();
  let calls = 0;
  const { pool } = makePool({
    minResources: 1,
    factory: () => {
      calls++;
      throw new Error("factory");
    },
  });
  // 100 ms, 200 ms, and so on: the tenth pause is the first of 30 s.
  await clock.tick();
  for (let pause = 100; pause < 30_000; pause *= 2) await clock.tick(pause);
  assertEquals(calls, 10);
  for (let round = 1; round <= 3; round++) {
    await clock.tick(29_999);
    assertEquals(calls, 9 + round);
    await clock.tick(1);
    assertEquals(calls, 10 + round);
  }
  await pool.close();
});

Deno.test("ResourcePool makes a large minimum at once, without recursion", async () => {
  const { pool, things } = makePool({
    maxResources: 20_000,
    minResources: 20_000,
  });
  await microtasks();
  assertEquals([things.length, pool.stats.idle], [20_000, 20_000]);
  await pool.close();
  assert(things.every(({ isClosed }) => isClosed));
});

Deno.test("ResourcePool tries with one when the factory has failed for minResources, and makes the rest when that succeeds", async () => {
  using clock = new FakeClock();
  const calls: PromiseWithResolvers<Thing>[] = [];
  const { pool } = makePool({
    maxResources: 3,
    minResources: 3,
    factory: () => {
      const call = Promise.withResolvers<Thing>();
      calls.push(call);
      return call.promise;
    },
  });
  await using _ = nothingLeft({ pool });
  const end = async (call: number, isGood: boolean) => {
    if (isGood) calls[call]?.resolve({ id: call, isClosed: false });
    else calls[call]?.reject(new Error("not yet"));
    await clock.settle();
  };
  await clock.settle();
  assertEquals(calls.length, 3);
  for (const call of [0, 1, 2]) await end(call, false);
  await clock.tick(100);
  assertEquals(calls.length, 4);
  await end(3, true);
  assertEquals([calls.length, pool.stats.idle], [6, 1]);
  // A success makes the next pause a short one again.
  await end(4, true);
  await end(5, false);
  await clock.tick(99);
  assertEquals(calls.length, 6);
  await clock.tick(1);
  assertEquals(calls.length, 7);
  await end(6, true);
  assertEquals(pool.stats.idle, 3);
  await pool.close();
});

Deno.test("ResourcePool makes a resource for minResources when one could not be made for a waiter", async () => {
  let isBroken = false;
  const { pool } = makePool({
    minResources: 1,
    factory: () => {
      if (!isBroken) return { id: 0, isClosed: false };
      isBroken = false;
      throw new Error("broken once");
    },
  });
  await using _ = nothingLeft({ pool });
  const lease = await pool.acquire();
  const refused = assertRejects(() => pool.acquire(), Error, "broken once");
  isBroken = true;
  await lease.destroy();
  await refused;
  assertEquals([pool.stats.idle, pool.stats.failed], [1, 1]);
  await pool.close();
});

Deno.test("ResourcePool tells the waiter whose own resource went to an earlier one when the next cannot be made", async () => {
  const calls: PromiseWithResolvers<Thing>[] = [];
  const { pool, told } = makePool({
    maxResources: 2,
    factory: () => {
      const call = Promise.withResolvers<Thing>();
      calls.push(call);
      return call.promise;
    },
  });
  await using _ = nothingLeft({ pool });
  const first = pool.acquire();
  const second = pool.acquire().catch((error) => error);
  calls[1]?.resolve({ id: 2, isClosed: false });
  assertEquals((await first).resource.id, 2);
  calls[0]?.reject("of nobody");
  await microtasks();
  calls[2]?.reject("of the second");
  assertEquals(await second, "of the second");
  assertEquals(told, [["factory", "of nobody"]]);
  (await first).release();
  await pool.close();
});

Deno.test("ResourcePool makes another for the waiter while what validate refused is cleaned up", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { pool } = makePool({
    maxResources: 2,
    validate: () => Promise.resolve(false),
    cleanup: () => promise,
  });
  await using _ = nothingLeft({ pool });
  (await pool.acquire()).release();
  const lease = await pool.acquire();
  assertEquals([lease.resource.id, pool.stats.cleaning], [2, 1]);
  lease.release();
  resolve();
  await pool.close();
});

Deno.test("ResourcePool makes minResources before the first acquire and replaces those that end", async () => {
  using clock = new FakeClock();
  const { pool, things } = makePool({
    maxResources: 4,
    minResources: 2,
    factory: async () => {
      await null;
      const thing = { id: things.length + 1, isClosed: false };
      things.push(thing);
      return thing;
    },
  });
  await using _ = nothingLeft({ pool });
  await clock.tick();
  assertEquals(pool.stats.idle, 2);
  const lease = await pool.acquire();
  await lease.destroy();
  await clock.tick();
  assertEquals(pool.stats.idle, 2);
  assertEquals(things.length, 3);
  await pool.close();
  assert(things.every(({ isClosed }) => isClosed));
});

Deno.test("ResourcePool lets the factory refer to the variable that holds the pool", async () => {
  const pool: ResourcePool<number> = new ResourcePool<number>({
    maxResources: 2,
    minResources: 1,
    factory: () => pool.stats.total,
  });
  assertEquals(await pool.use((n) => n), 1);
  await pool.close();
});

Deno.test("ResourcePool pools the late resource of an acquirer that gave up, and its place comes back", async () => {
  using clock = new FakeClock();
  const made = Promise.withResolvers<Thing>();
  const { pool } = makePool({ factory: () => made.promise });
  await using _ = nothingLeft({ pool });
  const failed = assertRejects(
    () => pool.acquire({ timeout: 50 }),
    AcquireTimeoutError,
    "within 50 ms (0 of 1 resources leased, 1 being made, 1 caller waiting)",
  );
  await clock.tick(50);
  assertEquals((await failed).timeout, 50);
  assertEquals(pool.stats.total, 1);
  made.resolve({ id: 7, isClosed: false });
  await clock.tick();
  assertEquals(pool.stats.idle, 1);
  assertEquals(await pool.use((thing) => thing.id), 7);
  await pool.close();
});

Deno.test("ResourcePool gives a late factory error to nobody but onError, and the next caller a fresh attempt", async () => {
  const first = Promise.withResolvers<Thing>();
  let calls = 0;
  const { pool, told } = makePool({
    factory: () =>
      ++calls === 1 ? first.promise : { id: calls, isClosed: false },
  });
  const controller = new AbortController();
  await using _ = nothingLeft({ pool, signals: [controller.signal] });
  const gaveUp = pool.acquire({ signal: controller.signal });
  controller.abort("gave up");
  assertEquals(await gaveUp.catch((reason) => reason), "gave up");
  const next = pool.use((thing) => thing.id);
  const error = new Error("late");
  first.reject(error);
  assertEquals(await next, 2);
  assertEquals(told, [["factory", error]]);
  await pool.close();
});

Deno.test("ResourcePool cleans up a late resource when it was closed meanwhile", async () => {
  const made = Promise.withResolvers<Thing>();
  let seen: AbortSignal | undefined;
  const { pool } = makePool({
    factory: (signal) => {
      seen = signal;
      return made.promise;
    },
  });
  await using _ = nothingLeft({ pool });
  const acquired = assertRejects(() => pool.acquire(), DisposedError);
  const closing = pool.close();
  await acquired;
  assert(seen?.aborted);
  const late = { id: 1, isClosed: false };
  made.resolve(late);
  await closing;
  assert(late.isClosed);
});

Deno.test("ResourcePool.close() is not failed by a factory that gives up when told to", async () => {
  const { pool, told } = makePool({
    factory: (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  });
  await using _ = nothingLeft({ pool });
  const acquired = assertRejects(() => pool.acquire(), DisposedError);
  await pool.close();
  await acquired;
  assertEquals(told, []);
});

Deno.test("ResourcePool.acquire() aborted in the tick of a release loses nothing, before or after it", async () => {
  await using pool = makePool().pool;
  await using _ = nothingLeft({ pool });
  for (const isBefore of [true, false]) {
    const holder = await pool.acquire();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const aborted = pool.acquire({ signal: controller.signal });
    const next = pool.acquire();
    if (isBefore) controller.abort("stop");
    holder.release();
    if (!isBefore) controller.abort("stop");
    if (isBefore) {
      assertEquals(await aborted.catch((reason) => reason), "stop");
    } else (await aborted).release();
    (await next).release();
    assertEquals(pool.stats.idle, 1);
  }
});

Deno.test("ResourcePool.acquire() whose signal has aborted already rejects at once and touches nothing", async () => {
  const { pool, things } = makePool();
  await using _ = nothingLeft({ pool });
  const reason = { why: "early" };
  assertStrictEquals(
    await pool.acquire({ signal: AbortSignal.abort(reason) }).catch((e) => e),
    reason,
  );
  assertEquals(things.length, 0);
  await pool.close();
});

Deno.test("ResourcePool releases onto the next when the first has just timed out", async () => {
  using clock = new FakeClock();
  const { pool } = makePool();
  await using _ = nothingLeft({ pool });
  const holder = await pool.acquire();
  const failed = assertRejects(
    () => pool.acquire({ timeout: 10 }),
    AcquireTimeoutError,
  );
  const second = pool.acquire();
  await clock.tick(10);
  holder.release();
  await failed;
  (await second).release();
  assertEquals(pool.stats.timedOut, 1);
  await pool.close();
});

Deno.test("ResourcePool.acquire() with timeout 0 succeeds only at once", async () => {
  await using pool = makePool({ acquireTimeout: 0 }).pool;
  await using _ = nothingLeft({ pool });
  const holder = await pool.acquire();
  await assertRejects(() => pool.acquire(), AcquireTimeoutError);
  holder.release();
  (await pool.acquire()).release();
});

Deno.test("ResourcePool.acquire() that is served or refused at once leaves no listener and no timer", async () => {
  // With trackLeaks every acquire waits for a moment.
  await using pool = makePool({ trackLeaks: true }).pool;
  const { signal } = new AbortController();
  await using _ = nothingLeft({ pool, signals: [signal] });
  let listeners = 0;
  signal.addEventListener = () => listeners++;
  const lease = pool.acquire({ signal, timeout: 1000 });
  const refused = assertRejects(
    () => pool.acquire({ signal, timeout: 0 }),
    AcquireTimeoutError,
  );
  assertEquals([listeners, timers.size], [0, 0]);
  await refused;
  (await lease).release();
});

Deno.test("ResourcePool.acquire() that has waited leaves no listener and no timer, served or not", async () => {
  await using pool = makePool().pool;
  const { signal } = new AbortController();
  await using _ = nothingLeft({ pool, signals: [signal] });
  const holder = await pool.acquire();
  const served = pool.acquire({ signal, timeout: 60_000 });
  const refused = pool.acquire({ signal, timeout: 60_000 });
  assertEquals([abortListeners(signal), timers.size], [1, 2]);
  const timeless = assertRejects(() => pool.acquire({ signal }), DisposedError);
  assertEquals(timers.size, 2);
  holder.release();
  const lease = await served;
  assertEquals([abortListeners(signal), timers.size], [1, 1]);
  const closed = pool.close();
  await assertRejects(() => refused, DisposedError);
  await timeless;
  assertEquals([abortListeners(signal), timers.size], [0, 0]);
  lease.release();
  await closed;
});

Deno.test("ResourcePool.acquire() aborted by the factory that it calls rejects with that reason", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const { pool, told } = makePool({
    factory: () => {
      controller.abort("stop");
      return new Promise(() => {});
    },
  });
  await using _ = nothingLeft({ signals: [signal] });
  const lease = pool.acquire({ signal, timeout: 0 });
  assertEquals(await lease.catch((reason) => reason), "stop");
  assertEquals([pool.stats.waiting, pool.stats.timedOut, told.length], [
    0,
    0,
    0,
  ]);
});

Deno.test("ResourcePool.acquire() waits past 2^31 ms when told to", async () => {
  using clock = new FakeClock();
  const { pool } = makePool();
  const holder = await pool.acquire();
  const acquired = pool.acquire({ timeout: 2 ** 32 });
  await clock.tick(1000);
  holder.release();
  (await acquired).release();
  await pool.close();
});

Deno.test("ResourcePool refuses more waiters than maxWaiting, and not those it can serve", async () => {
  await using pool = makePool({ maxResources: 2, maxWaiting: 1 }).pool;
  await using _ = nothingLeft({ pool });
  const holders = [await pool.acquire(), await pool.acquire()];
  const waiting = pool.acquire();
  const error = await assertRejects(
    () => pool.acquire(),
    PoolFullError,
    "no more than 1 callers wait (2 of 2 resources leased, 1 caller waiting)",
  );
  assertEquals(error.maxWaiting, 1);
  for (const holder of holders) holder.release();
  (await waiting).release();
});

Deno.test("ResourcePool with maxWaiting 0 still waits for what is made for the caller", async () => {
  await using pool = makePool({
    maxWaiting: 0,
    factory: async () => {
      await null;
      return { id: 1, isClosed: false };
    },
  }).pool;
  await using _ = nothingLeft({ pool });
  const acquired = pool.acquire();
  await assertRejects(() => pool.acquire(), PoolFullError);
  (await acquired).release();
});

Deno.test("ResourcePool ends what validate refuses and makes it anew", async () => {
  const { pool, things } = makePool({
    maxResources: 2,
    validate: async (thing) => {
      await null;
      return thing.id !== 1;
    },
  });
  await using _ = nothingLeft({ pool });
  (await pool.acquire()).release();
  assertEquals(await pool.use((thing) => thing.id), 2);
  assertEquals(await pool.use((thing) => thing.id), 2);
  assert(things[0]?.isClosed);
  await pool.close();
});

Deno.test("ResourcePool validates a released resource before the waiter gets it", async () => {
  const { pool } = makePool({ validate: (thing) => thing.id !== 1 });
  const holder = await pool.acquire();
  const waiter = pool.use((thing) => thing.id);
  await null;
  holder.release();
  assertEquals(await waiter, 2);
  await pool.close();
});

Deno.test("ResourcePool takes a validate that throws for a refusal and reports it", async () => {
  for (const isAsync of [false, true]) {
    const error = new Error("validate");
    const { pool, told } = makePool({
      validate: isAsync ? () => Promise.reject(error) : () => {
        throw error;
      },
    });
    await using _ = nothingLeft({ pool });
    (await pool.acquire()).release();
    assertEquals(await pool.use((thing) => thing.id), 2);
    assertEquals(told, [["validate", error]]);
    await pool.close();
  }
});

Deno.test("ResourcePool with a validate that is always false does not spin and honours acquireTimeout", async () => {
  using clock = new FakeClock();
  let asked = 0;
  let isSlow = false;
  const { pool } = makePool({
    maxResources: 3,
    acquireTimeout: 100,
    validate: () => {
      asked++;
      return false;
    },
    factory: () => isSlow ? new Promise(() => {}) : { id: 1, isClosed: false },
  });
  await using _ = nothingLeft();
  for (let turn = 0; turn < 5; turn++) (await pool.acquire()).release();
  assertEquals(asked, 4);
  isSlow = true;
  const failed = assertRejects(() => pool.acquire(), AcquireTimeoutError);
  await clock.tick(100);
  await failed;
  assertEquals(asked, 5);
});

Deno.test("ResourcePool keeps the resource of an acquirer that gave up while it was validated", async () => {
  using clock = new FakeClock();
  const answer = Promise.withResolvers<boolean>();
  const { pool, things } = makePool({ validate: () => answer.promise });
  await using _ = nothingLeft({ pool });
  (await pool.acquire()).release();
  const failed = assertRejects(
    () => pool.acquire({ timeout: 20 }),
    AcquireTimeoutError,
    "1 being validated",
  );
  await clock.tick(20);
  await failed;
  answer.resolve(true);
  await clock.tick();
  assertEquals(pool.stats.idle, 1);
  assertEquals(await pool.use((thing) => thing.id), 1);
  assertEquals(things.length, 1);
  await pool.close();
});

Deno.test("ResourcePool reports a cleanup that throws and uses its place again", async () => {
  const error = new Error("cleanup");
  for (const isAsync of [false, true]) {
    const { pool, told } = makePool({
      cleanup: isAsync ? () => Promise.reject(error) : () => {
        throw error;
      },
    });
    await using _ = nothingLeft({ pool });
    const lease = await pool.acquire();
    const waiter = pool.use((thing) => thing.id);
    await lease.destroy();
    assertEquals(await waiter, 2);
    assertEquals(told, [["cleanup", error]]);
    const closed = await assertRejects(() => pool.close(), AggregateError);
    assertEquals(closed.errors, [error]);
  }
});

Deno.test("ResourcePool counts a resource until its cleanup has ended, or run out of time", async () => {
  using clock = new FakeClock();
  const { pool, told } = makePool({
    cleanup: () => new Promise(() => {}),
    cleanupTimeout: 500,
  });
  await using _ = nothingLeft({ pool });
  void (await pool.acquire()).destroy();
  const waiter = pool.acquire();
  await clock.tick(499);
  assertEquals(pool.stats.cleaning, 1);
  assertEquals(pool.stats.waiting, 1);
  const { message } = await assertRejects(
    () => pool.acquire({ timeout: 0 }),
    AcquireTimeoutError,
  );
  assertStringIncludes(message, "1 being cleaned up");
  await clock.tick(1);
  const lease = await waiter;
  assertEquals(lease.resource.id, 2);
  assertEquals(told[0]?.[0], "cleanup");
  assertInstanceOf(told[0]?.[1], PoolTimeoutError);
  lease.release();
  const closed = assertRejects(() => pool.close(), AggregateError);
  await clock.tick(500);
  await closed;
});

for (const cleanupTimeout of [Infinity, 2 ** 40]) {
  Deno.test(`ResourcePool with a cleanupTimeout of ${cleanupTimeout} waits for a clean-up, and its timer is gone`, async () => {
    using clock = new FakeClock();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { pool, told } = makePool({ cleanup: () => promise, cleanupTimeout });
    await using _ = nothingLeft({ pool });
    const destroyed = (await pool.acquire()).destroy();
    await clock.tick(2 ** 32);
    assertEquals(pool.stats.cleaning, 1);
    resolve();
    await destroyed;
    assertEquals([pool.stats.total, told.length, timers.size], [0, 0, 0]);
    await pool.close();
  });
}

Deno.test("ResourcePool does not interrupt a lease whose resource is past maxLifetime, and ends it at the release", async () => {
  using clock = new FakeClock();
  const { pool, things } = makePool({ maxLifetime: 1000 });
  await using _ = nothingLeft({ pool });
  const lease = await pool.acquire();
  await clock.tick(5000);
  assertEquals(lease.resource.id, 1);
  assert(!things[0]?.isClosed);
  lease.release();
  assert(things[0]?.isClosed);
  assertEquals(await pool.use((thing) => thing.id), 2);
  await clock.tick(1000);
  assert(things[1]?.isClosed, "an idle one ends without being asked for");
  assertEquals(pool.stats.total, 0);
  await pool.close();
});

Deno.test("ResourcePool hands no resource past maxLifetime to a waiter", async () => {
  using clock = new FakeClock();
  const { pool } = makePool({ maxLifetime: 1000 });
  const lease = await pool.acquire();
  const waiter = pool.use((thing) => thing.id);
  await clock.tick(1000);
  lease.release();
  assertEquals(await waiter, 2);
  await pool.close();
});

Deno.test("ResourcePool ends idle resources after idleTimeout, down to minResources, the longest idle first", async () => {
  using clock = new FakeClock();
  const { pool, things } = makePool({
    maxResources: 4,
    minResources: 1,
    idleTimeout: 1000,
  });
  await using _ = nothingLeft({ pool });
  await clock.tick();
  const leases = await Promise.all([1, 2, 3, 4].map(() => pool.acquire()));
  for (const lease of leases) {
    lease.release();
    await clock.tick(100);
  }
  await clock.tick(600);
  assertEquals(pool.stats.idle, 3);
  await clock.tick(100);
  assertEquals(pool.stats.idle, 2);
  await clock.tick(100_000);
  assertEquals(pool.stats.idle, 1);
  assertEquals(
    things.filter(({ isClosed }) => !isClosed).map(({ id }) => id),
    [4],
  );
  await pool.close();
});

Deno.test("ResourcePool ends an idle resource at the earlier of idleTimeout and maxLifetime, whichever was released first", async () => {
  using clock = new FakeClock();
  const { pool, things } = makePool({
    maxResources: 2,
    idleTimeout: 1000,
    maxLifetime: 2000,
  });
  await using _ = nothingLeft({ pool });
  const old = await pool.acquire();
  await clock.tick(1500);
  const young = await pool.acquire();
  young.release();
  old.release();
  await clock.tick(499);
  assertEquals(things.map(({ isClosed }) => isClosed), [false, false]);
  await clock.tick(1);
  assertEquals(things.map(({ isClosed }) => isClosed), [true, false]);
  await clock.tick(500);
  assertEquals(things.map(({ isClosed }) => isClosed), [true, true]);
  await pool.close();
});

Deno.test("ResourcePool has one timer for all idle resources, and none after close()", async () => {
  using clock = new FakeClock();
  const { pool } = makePool({
    maxResources: 2,
    idleTimeout: 1000,
    maxLifetime: 1500,
  });
  await using _ = nothingLeft({ pool });
  const old = await pool.acquire();
  await clock.tick(1000);
  (await pool.acquire()).release();
  // It ends for its age before the other does for its idleness.
  old.release();
  assertEquals([pool.stats.idle, idleTimers.size], [2, 1]);
  await pool.close();
  assertEquals(idleTimers.size, 0);
});

Deno.test("ResourcePool prefers what was used last, so that the rest can age", async () => {
  using clock = new FakeClock();
  const { pool } = makePool({ maxResources: 2, idleTimeout: 1000 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  first.release();
  second.release();
  for (let turn = 0; turn < 20; turn++) {
    assertEquals(await pool.use((thing) => thing.id), 2);
    await clock.tick(100);
  }
  assertEquals(pool.stats.total, 1);
  await pool.close();
});

Deno.test("Lease.release() twice is an error, disposing after it is not", async () => {
  await using pool = makePool().pool;
  await using _ = nothingLeft({ pool });
  const lease = await pool.acquire();
  assertEquals(lease.isReleased, false);
  lease.release();
  assertEquals(lease.isReleased, true);
  assertThrows(
    () => lease.release(),
    LeaseReleasedError,
    "Lease.release() was used after the lease had been given back",
  );
  assertThrows(() => lease.destroy(), LeaseReleasedError);
  assertThrows(() => lease.resource, LeaseReleasedError);
  lease[Symbol.dispose]();
  await lease[Symbol.asyncDispose]();
  assertEquals(pool.stats.idle, 1);
});

Deno.test("Lease.destroy() resolves when the resource is cleaned up", async () => {
  const order: string[] = [];
  const { pool } = makePool({
    cleanup: async () => {
      await null;
      order.push("cleaned up");
    },
  });
  await using _ = nothingLeft({ pool });
  await (await pool.acquire()).destroy();
  order.push("destroyed");
  assertEquals(order, ["cleaned up", "destroyed"]);
  assertEquals(pool.stats.total, 0);
  await pool.close();
});

Deno.test("ResourcePool.drain() refuses newcomers, serves who waits and resolves when all leases are back", async () => {
  const { pool, things } = makePool();
  await using _ = nothingLeft({ pool });
  const holder = await pool.acquire();
  const waiting = pool.acquire();
  let isDrained = false;
  const draining = pool.drain().then(() => isDrained = true);
  await assertRejects(() => pool.acquire(), DisposedError);
  holder.release();
  const lease = await waiting;
  assert(!isDrained);
  lease.release();
  await draining;
  assertEquals(pool.stats.idle, 1);
  assert(!things[0]?.isClosed);
  await pool.close();
  await pool.drain();
});

Deno.test("ResourcePool.drain() waits for leases also when there were none before, and undoes no close()", async () => {
  const { pool, things } = makePool();
  await using _ = nothingLeft({ pool });
  await (await pool.acquire()).destroy();
  const lease = await pool.acquire();
  let isDrained = false;
  const drained = pool.drain().then(() => {
    isDrained = true;
  });
  await microtasks();
  assert(!isDrained);
  const closed = pool.close();
  void pool.drain();
  lease.release();
  await Promise.all([drained, closed]);
  assert(things[1]?.isClosed);
});

Deno.test("ResourcePool.close() leaves no timer when the factory has failed for minResources, or does so now", async () => {
  await using _ = nothingLeft();
  const calls: PromiseWithResolvers<Thing>[] = [];
  const factory = () => {
    const call = Promise.withResolvers<Thing>();
    calls.push(call);
    return call.promise;
  };
  const fail = async (call: number) => {
    calls[call]?.reject(new Error("not now"));
    await microtasks();
  };
  const pausing = makePool({ minResources: 1, factory }).pool;
  await microtasks();
  await fail(0);
  assertEquals(idleTimers.size, 1);
  await pausing.close();
  assertEquals(idleTimers.size, 0);
  const creating = makePool({ minResources: 1, factory }).pool;
  await microtasks();
  const closed = creating.close();
  await fail(1);
  await closed;
  assertEquals(idleTimers.size, 0);
});

Deno.test("ResourcePool.drain() resolves when the last waiter gives up", async () => {
  const { pool } = makePool({ factory: () => new Promise(() => {}) });
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const acquired = pool.acquire({ signal: controller.signal });
  const draining = pool.drain();
  controller.abort("stop");
  await acquired.catch(() => {});
  await draining;
});

Deno.test("ResourcePool.close() waits for leases, rejects who waits, and is the same when called twice", async () => {
  const { pool, things } = makePool();
  await using _ = nothingLeft({ pool });
  const lease = await pool.acquire();
  const waiting = assertRejects(() => pool.acquire(), DisposedError);
  let isClosed = false;
  const closing = pool.close().then(() => isClosed = true);
  await waiting;
  await assertRejects(() => pool.acquire(), DisposedError);
  assert(!isClosed);
  assertEquals(lease.resource.id, 1);
  lease.release();
  await closing;
  assert(things[0]?.isClosed);
  await pool.close();
  await pool[Symbol.asyncDispose]();
});

Deno.test("ResourcePool counts idle resources as being cleaned up, and none as leased, when several end at once", async () => {
  using clock = new FakeClock();
  for (const how of ["idleTimeout", "close"]) {
    const seen: number[][] = [];
    const { pool } = makePool({
      maxResources: 3,
      idleTimeout: 100,
      cleanup: () => {
        const { total, idle, leased, cleaning } = pool.stats;
        seen.push([total, idle, leased, cleaning]);
      },
    });
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
    for (const lease of leases) lease.release();
    if (how === "idleTimeout") await clock.tick(100);
    await pool.close();
    assertEquals(seen, [[3, 0, 0, 3], [2, 0, 0, 2], [1, 0, 0, 1]]);
  }
});

Deno.test("ResourcePool.close() waits for validations and clean-ups that are under way", async () => {
  const answer = Promise.withResolvers<boolean>();
  const cleaned = Promise.withResolvers<void>();
  const { pool } = makePool({
    validate: () => answer.promise,
    cleanup: () => cleaned.promise,
  });
  await using _ = nothingLeft({ pool });
  (await pool.acquire()).release();
  const acquired = assertRejects(() => pool.acquire(), DisposedError);
  let isClosed = false;
  const closing = pool.close().then(() => isClosed = true);
  await acquired;
  answer.resolve(true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(pool.stats.cleaning, 1);
  assert(!isClosed);
  cleaned.resolve();
  await closing;
});

Deno.test("ResourcePool.close() collects all clean-up errors", async () => {
  const { pool } = makePool({
    maxResources: 3,
    cleanup: (thing) => {
      if (thing.id !== 2) throw new Error(`cleanup ${thing.id}`);
    },
  });
  await using _ = nothingLeft({ pool });
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  for (const lease of leases) lease.release();
  const error = await assertRejects(() => pool.close(), AggregateError);
  assertEquals(
    error.errors.map(({ message }: Error) => message).sort(),
    ["cleanup 1", "cleanup 3"],
  );
  assertEquals(pool.stats.total, 0);
});

Deno.test("ResourcePool.close() with a timeout says what is out, and still cleans up later", async () => {
  using clock = new FakeClock();
  const { pool, things } = makePool({ trackLeaks: true });
  await using _ = nothingLeft({ pool });
  const lease = await pool.acquire();
  const failed = assertRejects(
    () => pool.close({ timeout: 100 }),
    PoolTimeoutError,
  );
  await clock.tick(100);
  const { message } = await failed;
  assertStringIncludes(message, "within 100 ms (1 of 1 resources leased");
  assertStringIncludes(message, "resource_pool_test.ts");
  lease.release();
  await pool.close();
  assert(things[0]?.isClosed);
});

Deno.test("ResourcePool with trackLeaks lists who holds leases and where they were acquired", async () => {
  using clock = new FakeClock();
  const { pool } = makePool({ maxResources: 2, trackLeaks: true });
  async function thePlaceOfTheAcquire() {
    return await pool.acquire();
  }
  const lease = await thePlaceOfTheAcquire();
  await clock.tick(40);
  const other = await pool.acquire();
  const leases = pool.leases();
  assertEquals(leases.map(({ heldFor }) => heldFor), [40, 0]);
  assertMatch(
    leases[0]?.acquiredAt ?? "",
    /^\s*at .*thePlaceOfTheAcquire.*resource_pool_test\.ts/,
  );
  lease.release();
  other.release();
  assertEquals(pool.leases(), []);
  await pool.close();
});

testWith(
  ["run", "read"],
  "ResourcePool with trackLeaks reports a lease that was garbage collected",
  async () => {
    const module = new URL("../../../runner/mod.ts", import.meta.url).href;
    const program = `
      import { ResourcePool } from ${JSON.stringify(module)};
      const pool = new ResourcePool({
        maxResources: 1,
        factory: () => 1,
        trackLeaks: true,
        onError: (error, during) => {
          console.log(during, error.name, /theLeak/.test(error.acquiredAt));
          Deno.exit(0);
        },
      });
      async function theLeak() { await pool.acquire(); }
      await theLeak();
      for (let turn = 0; turn < 200; turn++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      console.log("no report");`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--v8-flags=--expose-gc",
        "--config",
        fromFileUrl(new URL("../../../deno.json", import.meta.url)),
        `data:application/typescript,${encodeURIComponent(program)}`,
      ],
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout).trim() +
        new TextDecoder().decode(stderr),
      "leak LeaseLeakError true",
    );
  },
);

Deno.test("ResourcePool is not shaken by foreign thenables that settle twice or throw", async () => {
  let calls = 0;
  const { pool } = makePool({
    factory: () => {
      calls++;
      if (calls === 1) {
        return {
          get then(): never {
            throw new Error("getter");
          },
        } as unknown as PromiseLike<Thing>;
      }
      return {
        then(resolve: (thing: Thing) => void, reject: (e: unknown) => void) {
          resolve({ id: calls, isClosed: false });
          reject(new Error("second"));
          resolve({ id: -1, isClosed: false });
          throw new Error("third");
        },
      } as unknown as PromiseLike<Thing>;
    },
  });
  await using _ = nothingLeft({ pool });
  await assertRejects(() => pool.acquire(), Error, "getter");
  assertEquals(await pool.use((thing) => thing.id), 2);
  assertEquals(pool.stats.total, 1);
  await pool.close();
});

Deno.test("ResourcePool may be called by its own factory, validate and cleanup", async () => {
  await using _ = nothingLeft();
  const inner: Promise<unknown>[] = [];
  const pool: ResourcePool<number> = new ResourcePool<number>({
    maxResources: 2,
    factory: () => {
      if (inner.length < 3) inner.push(pool.use((n) => n));
      return 1;
    },
    validate: () => {
      if (inner.length < 5) inner.push(pool.use((n) => n));
      return true;
    },
    cleanup: () => {
      inner.push(pool.acquire().catch((error) => error.name));
    },
  });
  for (let turn = 0; turn < 5; turn++) await pool.use((n) => n);
  await Promise.all(inner);
  assertEquals(pool.stats.leased, 0);
  assertEquals(pool.stats.waiting, 0);
  await pool.close();
  assertEquals(await inner.at(-1), "DisposedError");
});

Deno.test("ResourcePool prints failures without an onError, and an onError that throws", async () => {
  await using _ = nothingLeft();
  const printed: unknown[][] = [];
  const { error } = console;
  console.error = (...args) => printed.push(args);
  try {
    const cleanup = () => {
      throw "cleanup";
    };
    const silent = makePool({ cleanup, onError: undefined });
    await (await silent.pool.acquire()).destroy();
    const failing = makePool({
      cleanup,
      onError: () => {
        throw "onError";
      },
    });
    await (await failing.pool.acquire()).destroy();
    await silent.pool.close();
    await failing.pool.close();
  } finally {
    console.error = error;
  }
  assertEquals(printed, [
    ["ResourcePool: cleanup failed:", "cleanup"],
    ["ResourcePool: cleanup failed:", "cleanup"],
    ["ResourcePool: onError failed:", "onError"],
  ]);
});

Deno.test("ResourcePool names the option and the value that is wrong", async () => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ maxResources: 0 }, "maxResources must be a positive integer, got 0"],
    [{ maxResources: undefined }, "maxResources must be a positive integer"],
    [{ minResources: -1 }, "minResources must be a non-negative integer"],
    [
      { minResources: 2 },
      "minResources must be at most maxResources (1), got 2",
    ],
    [{ factory: 1 }, "factory must be a function, got 1"],
    [{ cleanup: "x" }, 'cleanup must be a function, got "x"'],
    [{ validate: true }, "validate must be a function, got true"],
    [{ acquireTimeout: NaN }, "acquireTimeout must be a non-negative number"],
    [{ idleTimeout: -1 }, "idleTimeout must be a non-negative number"],
    [{ maxLifetime: 0 }, "maxLifetime must be a positive number"],
    [{ maxWaiting: 1.5 }, "maxWaiting must be a non-negative integer"],
    [{ cleanupTimeout: "1" }, "cleanupTimeout must be a non-negative number"],
    [{ onError: 1 }, "onError must be a function, got 1"],
  ];
  for (const [option, message] of wrong) {
    const error = assertThrows(() =>
      makePool(option as Partial<ResourcePoolOptions<Thing>>)
    );
    assert(error instanceof RangeError || error instanceof TypeError);
    assertStringIncludes(error.message, message);
  }
  assertThrows(
    () => new ResourcePool(undefined as unknown as ResourcePoolOptions<Thing>),
    TypeError,
    "options must be an object, got undefined",
  );
  const { pool } = makePool();
  assertThrows(() => pool.acquire({ timeout: -1 }), RangeError, "timeout");
  await assertRejects(() => pool.close({ timeout: NaN }), RangeError);
  await pool.close();
});

Deno.test("ResourcePool keeps its counts through random acquires, aborts, failures and releases", async () => {
  // A seeded walk: hundreds of steps in all states, the counters checked after each.
  let seed = 20_240_607;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  using clock = new FakeClock();
  const maxResources = 4;
  const pause = (ms: number) =>
    new Promise<void>((resolve) => setTimeout(resolve, ms));
  const alive = new Set<Thing>();
  let id = 0;
  const { pool } = makePool({
    maxResources,
    minResources: 1,
    acquireTimeout: 30,
    idleTimeout: 20,
    maxLifetime: 60,
    factory: async () => {
      if (random(2) === 0) await pause(random(8));
      if (random(5) === 0) throw new Error("factory");
      const thing = { id: ++id, isClosed: false };
      alive.add(thing);
      return thing;
    },
    validate: async () => {
      if (random(2) === 0) await pause(random(4));
      if (random(8) === 0) throw new Error("validate");
      return random(5) > 0;
    },
    cleanup: async (thing) => {
      if (random(2) === 0) await pause(random(4));
      assert(alive.delete(thing), "cleaned up twice");
      if (random(8) === 0) throw new Error("cleanup");
    },
  });
  await using _ = nothingLeft({ pool });
  const held = new Set<Thing>();
  let settled = 0;
  let begun = 0;
  const hold = async () => {
    begun++;
    const controller = new AbortController();
    if (random(4) === 0) {
      setTimeout(() => controller.abort("abort"), random(20));
    }
    try {
      const lease = await pool.acquire({ signal: controller.signal });
      const { resource } = lease;
      assert(!held.has(resource), "leased twice");
      assert(alive.has(resource), "leased after its end");
      held.add(resource);
      await pause(random(12));
      held.delete(resource);
      if (random(6) === 0) await lease.destroy();
      else lease.release();
    } catch (error) {
      if (error instanceof Error && error.name === "AssertionError") {
        throw error;
      }
    } finally {
      settled++;
    }
  };
  const all: Promise<void>[] = [];
  for (let step = 0; step < 300; step++) {
    if (random(3) > 0) all.push(hold());
    await clock.tick(random(3));
    assertConsistent(pool, maxResources);
    assert(held.size <= maxResources);
  }
  for (let step = 0; step < 20; step++) await clock.tick(10);
  await Promise.all(all);
  assertEquals(settled, begun);
  assertEquals(pool.stats.leased, 0);
  assertEquals(pool.stats.waiting, 0);
  const closing = pool.close().catch(() => {});
  for (let step = 0; step < 10; step++) await clock.tick(10);
  await closing;
  assertEquals(pool.stats.total, 0);
  assertEquals(alive.size, 0);
});
