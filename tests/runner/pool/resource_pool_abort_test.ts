/**
 * ResourcePool under the worst timing: the same small program, aborted or closed at its first step,
 * then at its second, and so on to its end. After each run nothing may be missing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ResourcePool } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

/** One turn of all promise reactions that are due now. */
const step = () => Promise.resolve();

interface Thing {
  isClosed: boolean;
}

/** Six users on two resources; the second creation and the third validation fail. */
function program() {
  const alive = new Set<Thing>();
  const held = new Set<Thing>();
  let creations = 0;
  let validations = 0;
  let isCalm = false;
  const pool = new ResourcePool<Thing>({
    maxResources: 2,
    factory: async () => {
      const number = ++creations;
      await step();
      await step();
      if (number === 2 && !isCalm) throw new Error("factory");
      const thing = { isClosed: false };
      alive.add(thing);
      return thing;
    },
    validate: async (thing) => {
      const number = ++validations;
      assert(!thing.isClosed, "validated after its end");
      await step();
      return number !== 3 || isCalm;
    },
    cleanup: async (thing) => {
      assert(!thing.isClosed, "cleaned up twice");
      thing.isClosed = true;
      await step();
      alive.delete(thing);
    },
    onError: () => {},
  });
  const controller = new AbortController();
  const use = async (isDestroyed: boolean) => {
    await pool.use(async (thing, lease) => {
      assert(!held.has(thing), "leased twice");
      assert(!thing.isClosed, "leased after its end");
      held.add(thing);
      await step();
      await step();
      held.delete(thing);
      if (isDestroyed) await lease.destroy();
    }, { signal: controller.signal });
  };
  return {
    pool,
    controller,
    alive,
    start: () =>
      Promise.allSettled([1, 2, 3, 4, 5, 6].map((user) => use(user === 4))),
    calm: () => isCalm = true,
  };
}

/** How many steps the program takes when nothing disturbs it. */
async function length(): Promise<number> {
  const { pool, start } = program();
  let isOver = false;
  const over = start().then(() => isOver = true);
  let steps = 0;
  while (!isOver) {
    await step();
    steps++;
  }
  await over;
  await pool.close();
  return steps;
}

function assertNoAssertionFailed(results: PromiseSettledResult<unknown>[]) {
  for (const result of results) {
    if (
      result.status === "rejected" && result.reason?.name === "AssertionError"
    ) throw result.reason;
  }
}

Deno.test("ResourcePool is missing nothing after an abort at any step", async () => {
  const steps = await length();
  assert(steps > 20, `${steps} steps are too few to mean anything`);
  for (let at = 0; at <= steps; at++) {
    const { pool, controller, alive, start, calm } = program();
    await using _ = nothingLeft({ pool, signals: [controller.signal] });
    const running = start();
    for (let count = 0; count < at; count++) await step();
    controller.abort(`at step ${at}`);
    assertNoAssertionFailed(await running);
    // Creations and clean-ups under way come to their end.
    for (let count = 0; count < 20; count++) await step();
    const { leased, waiting, creating, validating, cleaning, idle, total } =
      pool.stats;
    assertEquals(
      [leased, waiting, creating, validating, cleaning],
      [0, 0, 0, 0, 0],
      `aborted at step ${at}`,
    );
    assertEquals([idle, alive.size], [total, total]);
    // The full capacity is there.
    calm();
    const [first, second] = await Promise.all([
      pool.acquire(),
      pool.acquire(),
    ]);
    first.release();
    second.release();
    await pool.close();
    assertEquals(alive.size, 0);
  }
});

Deno.test("ResourcePool has cleaned up everything after a close at any step", async () => {
  const steps = await length();
  for (let at = 0; at <= steps; at++) {
    const { pool, alive, start } = program();
    await using _ = nothingLeft({ pool });
    const running = start();
    for (let count = 0; count < at; count++) await step();
    const closing = pool.close();
    assertNoAssertionFailed(await running);
    await closing;
    assertEquals(pool.stats.total, 0, `closed at step ${at}`);
    assertEquals(alive.size, 0);
  }
});

Deno.test("ResourcePool has served all who waited after a drain at any step", async () => {
  const steps = await length();
  for (let at = 1; at <= steps; at++) {
    const { pool, start } = program();
    await using _ = nothingLeft({ pool });
    const running = start();
    for (let count = 0; count < at; count++) await step();
    const draining = pool.drain();
    const results = await running;
    assertNoAssertionFailed(results);
    assertEquals(
      results.filter(({ status }) => status === "rejected").length,
      1,
      `only the factory's failure, drained at step ${at}`,
    );
    await draining;
    assertEquals([pool.stats.leased, pool.stats.waiting], [0, 0]);
    await pool.close();
  }
});
