/** A scope with tasks: one with a child, one that fails, one that is cancelled. */
import { AsyncRunner, TaskPriority } from "../../../runner/mod.ts";
import { span } from "../../../telemetry/mod.ts";

await using runner = new AsyncRunner({ maxWorkers: 1 });
await span("order", { "order.id": 7 }, () =>
  runner.scope(async (scope) => {
    await scope.submit(
      async ({ submit }) => await submit(() => 1, { name: "child" }),
      { name: "parent", priority: TaskPriority.HIGH },
    );
    await scope.submit(() => 2, { name: "second" });
  }));
await runner.submit(() => {
  throw new TypeError("no good");
}, { name: "failing" }).catch(() => {});
const begun = Promise.withResolvers<void>();
const running = runner.submit(({ signal }) => {
  begun.resolve();
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason))
  );
}, { name: "cancelled" });
const queued = runner.submit(() => 3, { name: "never started" });
await begun.promise;
queued.cancel();
running.cancel();
await runner.onIdle();
