/**
 * Waiting.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { sleep } from "../../_internal/sleep.ts";
import { timers } from "../../_internal/timer_queue.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { abortListeners, nothingLeft } from "../support/nothing_left.ts";

Deno.test("sleep() resolves after its time and not before", async () => {
  using clock = new FakeClock();
  let isOver = false;
  sleep(100).then(() => isOver = true);
  await clock.tick(99);
  assert(!isOver);
  await clock.tick(1);
  assert(isOver);
});

Deno.test("sleep() rejects with the signal's reason at once, and leaves no timer behind", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const reason = { why: "abort" };
  const slept = sleep(1e6, controller.signal).catch((error) => error);
  assertEquals(timers.size, 1);
  controller.abort(reason);
  assertEquals(timers.size, 0);
  assertStrictEquals(await slept, reason);
  assertStrictEquals(
    await sleep(1, controller.signal).catch((error) => error),
    reason,
  );
  assertEquals(timers.size, 0);
});

Deno.test("sleep() is not disturbed by an abort after its end", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  using clock = new FakeClock();
  const slept = sleep(5, controller.signal);
  assertEquals(abortListeners(controller.signal), 1);
  await clock.tick(5);
  assertEquals(abortListeners(controller.signal), 0);
  controller.abort();
  await slept;
});

Deno.test("sleep(Infinity) waits until the abort", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const slept = sleep(Infinity, controller.signal).catch((error) => error);
  assertEquals(timers.size, 0);
  controller.abort("now");
  assertEquals(await slept, "now");
});

Deno.test("sleep() of the same length ends in the order of the calls", async () => {
  using clock = new FakeClock();
  const order: number[] = [];
  for (let index = 0; index < 50; index++) {
    sleep(10).then(() => order.push(index));
  }
  await clock.tick(10);
  assertEquals(order, Array.from({ length: 50 }, (_, index) => index));
});
