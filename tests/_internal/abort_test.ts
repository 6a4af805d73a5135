/**
 * Listening to shared signals.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type AbortSubscription,
  isAbortReason,
  onAbort,
  subscribeAbort,
} from "../../_internal/abort.ts";
import { abortListeners } from "../support/nothing_left.ts";

Deno.test("onAbort() tells all, in the order of subscription, with the reason", () => {
  const controller = new AbortController();
  const told: unknown[] = [];
  for (const id of [1, 2, 3]) {
    onAbort(controller.signal, (reason) => told.push([id, reason]));
  }
  controller.abort("why");
  assertEquals(told, [[1, "why"], [2, "why"], [3, "why"]]);
});

Deno.test("onAbort() keeps one listener on a signal however many subscribe, and none after the last", () => {
  const { signal } = new AbortController();
  const subscriptions = Array.from(
    { length: 100_000 },
    () => onAbort(signal, () => {}),
  );
  assertEquals(abortListeners(signal), 1);
  for (const subscription of subscriptions) subscription.unsubscribe();
  assertEquals(abortListeners(signal), 0);
  onAbort(signal, () => {}).unsubscribe();
  assertEquals(abortListeners(signal), 0);
});

Deno.test("onAbort() has no listener left after the abort", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const subscription = onAbort(signal, () => {});
  controller.abort();
  assertEquals(abortListeners(signal), 0);
  subscription.unsubscribe();
  subscription.unsubscribe();
});

Deno.test("onAbort() does not tell whom another target takes out while it is told", () => {
  const controller = new AbortController();
  const told: string[] = [];
  const subscriptions: AbortSubscription[] = [];
  subscriptions.push(onAbort(controller.signal, () => {
    told.push("first");
    subscriptions[1]?.unsubscribe();
    subscriptions[0]?.unsubscribe();
    subscriptions[3]?.unsubscribe();
  }));
  for (const name of ["second", "third", "fourth"]) {
    subscriptions.push(onAbort(controller.signal, () => told.push(name)));
  }
  controller.abort();
  assertEquals(told, ["first", "third"]);
});

Deno.test("onAbort() takes a subscription out of the middle and both ends", () => {
  for (const taken of [0, 1, 2]) {
    const controller = new AbortController();
    const told: number[] = [];
    const subscriptions = [0, 1, 2].map((id) =>
      onAbort(controller.signal, () => told.push(id))
    );
    subscriptions[taken]?.unsubscribe();
    controller.abort();
    assertEquals(told, [0, 1, 2].filter((id) => id !== taken));
  }
});

Deno.test("subscribeAbort() tells an object by its method", () => {
  const controller = new AbortController();
  const target = {
    reason: undefined as unknown,
    aborted(reason: unknown) {
      this.reason = reason;
    },
  };
  subscribeAbort(controller.signal, target);
  controller.abort(7);
  assertEquals(target.reason, 7);
});

Deno.test("onAbort() tells 1,000,000 in one go without recursion", () => {
  const controller = new AbortController();
  let told = 0;
  for (let index = 0; index < 1_000_000; index++) {
    onAbort(controller.signal, () => told++);
  }
  controller.abort();
  assertEquals(told, 1_000_000);
});

Deno.test("isAbortReason() knows the reasons of signals that were listened to, and no other error", () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  onAbort(controller.signal, () => {});
  assertEquals(isAbortReason(reason), false);
  controller.abort(reason);
  assertEquals(isAbortReason(reason), true);
  assertEquals(isAbortReason(new Error("enough")), false);
  assertEquals(isAbortReason("enough"), false);
});
