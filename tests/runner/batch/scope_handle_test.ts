import { assertEquals, assertRejects } from "@std/assert";
import { AsyncRunner } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("scope.submit() returns a promise whose then() and catch() work", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const sum = await runner.scope(async (scope) => {
    const one = scope.submit(() => 1);
    return await one.then((value) => value + 1) +
      (await Promise.all([scope.submit(() => 3)]))[0];
  });
  assertEquals(sum, 5);
});

Deno.test("scope cancels a queued task whose catch() was called when its body throws", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const error = new Error("body");
  const reasons: unknown[] = [];
  await assertRejects(
    () =>
      runner.scope((scope) => {
        scope.submit(({ signal }) =>
          new Promise<void>((resolve) =>
            signal.addEventListener("abort", () => resolve(), { once: true })
          )
        );
        scope.submit(() => {}).catch((reason) => reasons.push(reason));
        throw error;
      }),
    Error,
    "body",
  );
  assertEquals(reasons.length, 1);
});
