/**
 * Conditions: who is asked, how often, and who is told.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Conditions } from "../../_internal/conditions.ts";
import { abortListeners } from "../support/nothing_left.ts";

Deno.test("Conditions.check() asks once for all who wait for one condition, and tells them in their order", async () => {
  const conditions = new Conditions();
  let asked = 0;
  let isTrue = false;
  const told: number[] = [];
  const waiting = Array.from({ length: 1000 }, (_, n) => {
    const holds = () => {
      asked++;
      return isTrue;
    };
    return conditions.wait(holds, undefined, "key").then(() => told.push(n));
  });
  asked = 0;
  for (let change = 0; change < 10; change++) conditions.check();
  assertEquals([asked, conditions.hasWaiters], [10, true]);
  isTrue = true;
  conditions.check();
  assertEquals([asked, conditions.hasWaiters], [11, false]);
  await Promise.all(waiting);
  assertEquals(told, Array.from(told, (_, n) => n));
});

Deno.test("Conditions keeps those apart who wait for different conditions, and forgets one when the last who waits for it gives up", async () => {
  const conditions = new Conditions();
  const { signal } = new AbortController();
  const controller = new AbortController();
  const asked: string[] = [];
  const isNever = (name: string) => () => {
    asked.push(name);
    return false;
  };
  let isTrue = false;
  const kept = conditions.wait(() => isTrue, signal);
  const gaveUp = Promise.allSettled([
    conditions.wait(isNever("a"), controller.signal, "a"),
    conditions.wait(isNever("a"), controller.signal, "a"),
    conditions.wait(isNever("b"), controller.signal),
  ]);
  asked.length = 0;
  conditions.check();
  assertEquals(asked, ["a", "b"]);
  controller.abort("gave up");
  conditions.check();
  assertEquals([asked.length, conditions.hasWaiters], [2, true]);
  assertEquals(
    (await gaveUp).map((result) => "reason" in result && result.reason),
    ["gave up", "gave up", "gave up"],
  );
  isTrue = true;
  conditions.check();
  await kept;
  assertEquals([abortListeners(signal), conditions.hasWaiters], [0, false]);
});
