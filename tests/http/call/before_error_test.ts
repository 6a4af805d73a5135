/**
 * The last hook: whatever it does, the caller has an answer.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AsyncHTTPClient, HTTPTimeoutError } from "../../../http/mod.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";

const never = () => new Promise(() => {});

Deno.test("hooks.beforeError that never settles holds neither an attempt's timeout, nor a total one, nor an abort", async () => {
  await using client = new AsyncHTTPClient({
    hooks: { beforeError: never },
    fetch: () => new Promise<never>(() => {}),
  });
  const attempt = await assertRejects(
    () => client.get("http://h/", { timeout: 10 }),
    HTTPTimeoutError,
  );
  assertEquals(attempt.kind, "attempt");
  const total = await assertRejects(
    () =>
      client.get("http://h/", { timeout: { attempt: Infinity, total: 10 } }),
    HTTPTimeoutError,
  );
  assertEquals(total.kind, "total");
  const caller = new AbortController();
  const reason = new Error("enough");
  const aborted = client.get("http://h/", {
    signal: caller.signal,
    timeout: Infinity,
  });
  caller.abort(reason);
  assertEquals(await assertRejects(() => aborted), reason);
  await assertNothingLeft(client);
});

Deno.test("an abort and the total timeout end a call that waits for hooks.beforeError", async () => {
  const asked = Promise.withResolvers<void>();
  await using client = new AsyncHTTPClient({
    hooks: {
      beforeError: () => {
        asked.resolve();
        return never();
      },
    },
    fetch: () => Promise.reject(new TypeError("fetch failed")),
  });
  const total = await assertRejects(
    () => client.get("http://h/", { timeout: { total: 10 } }),
    HTTPTimeoutError,
  );
  assertEquals(total.kind, "total");
  const caller = new AbortController();
  const call = client.get("http://h/", { signal: caller.signal });
  await asked.promise;
  const reason = new Error("enough");
  caller.abort(reason);
  assertEquals(await assertRejects(() => call), reason);
  await assertNothingLeft(client);
});

Deno.test("hooks.beforeError replaces the error, at once or after a wait, of a timeout too", async () => {
  const own = new Error("own");
  for (const wait of [false, true]) {
    await using client = new AsyncHTTPClient({
      hooks: { beforeError: () => wait ? Promise.resolve(own) : own },
      fetch: () => new Promise<never>(() => {}),
    });
    for (const timeout of [5, { total: 5 }]) {
      assertEquals(
        await assertRejects(() => client.get("http://h/", { timeout })),
        own,
      );
      await assertNothingLeft(client);
    }
  }
});

Deno.test("hooks.beforeError that fails after the caller was answered is no unhandled rejection", async () => {
  const late = Promise.withResolvers<void>();
  await using client = new AsyncHTTPClient({
    timeout: 5,
    hooks: { beforeError: () => late.promise },
    fetch: () => Promise.reject(new TypeError("fetch failed")),
  });
  const error = await assertRejects(() => client.get("http://h/"), Error);
  assert(error.message.includes("failed"));
  await assertNothingLeft(client);
  late.reject(new Error("too late"));
  await new Promise((resolve) => setTimeout(resolve, 0));
});
