/**
 * Carrying the async context.
 *
 * @module
 */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { contextAccess } from "../../_internal/async_context.ts";

const storage = new AsyncLocalStorage<string>();
const read = () => storage.getStore();
const reader = { run: read };

Deno.test("contextAccess() captures the store and runs a function in it later", () => {
  const access = contextAccess();
  const context = storage.run("a", () => access.capture());
  assertEquals(read(), undefined);
  assertEquals(access.run(context, reader, undefined), "a");
  assertEquals(
    storage.run("b", () => [access.run(context, reader, undefined), read()]),
    ["a", "b"],
  );
  assertEquals(read(), undefined);
});

Deno.test("contextAccess() restores the context when the function throws", () => {
  const access = contextAccess();
  const context = storage.run("a", () => access.capture());
  storage.run("b", () => {
    assertThrows(
      () =>
        access.run(context, {
          run() {
            throw new Error(read());
          },
        }, undefined),
      Error,
      "a",
    );
    assertEquals(read(), "b");
  });
});

Deno.test("contextAccess() hands the argument on and keeps the context across awaits", async () => {
  const access = contextAccess();
  const context = storage.run("a", () => access.capture());
  const object = {};
  assertStrictEquals(access.run(context, { run: (o) => o }, object), object);
  const later = access.run(context, {
    async run() {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return read();
    },
  }, undefined);
  assertEquals(read(), undefined);
  assertEquals(await later, "a");
});

Deno.test("contextAccess() captures the absence of a context as well", () => {
  const access = contextAccess();
  const none = access.capture();
  assertEquals(
    storage.run("b", () => access.run(none, reader, undefined)),
    undefined,
  );
});
