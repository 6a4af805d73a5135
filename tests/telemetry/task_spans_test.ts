import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { span } from "../../telemetry/mod.ts";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/tasks.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "a task has a span under its scope, its parent task or its submitter",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    const task = (name: string) => {
      const found = receiver.named("task").find((span) =>
        span.attributes["task.name"] === name
      );
      assert(found, `no span of task ${name}`);
      return found;
    };
    const [scope] = receiver.named("scope");
    assert(scope);
    assertEquals(receiver.parentOf(scope)?.name, "order");
    assertEquals(receiver.parentOf(task("parent")), scope);
    assertEquals(receiver.parentOf(task("child")), task("parent"));
    assertEquals(receiver.parentOf(task("second")), scope);
    assertEquals(task("parent").attributes["task.priority"], 1);
    assertEquals(task("second").attributes["task.state"], "succeeded");
    assertGreaterOrEqual(Number(task("second").attributes["task.wait_ms"]), 0);
    // A child is over before its parent, and all before the scope.
    assert(task("child").end <= task("parent").end);
    assert(task("second").end <= scope.end);

    const failing = task("failing");
    assertEquals(
      [failing.isError, failing.attributes["error.type"], failing.events],
      [true, "TypeError", ["exception"]],
    );
    assertEquals(task("cancelled").attributes["task.state"], "cancelled");
    assert(!task("cancelled").isError);
    assertEquals(
      receiver.named("task").filter((span) =>
        span.attributes["task.name"] === "never started"
      ),
      [],
    );
    const names = new Set(receiver.metrics.map(({ name }) => name));
    for (
      const name of [
        "async_core.queue.depth",
        "async_core.task.wait",
        "async_core.task.run",
      ]
    ) assert(names.has(name), `no metric ${name}`);
    const runs = receiver.metrics.findLast(({ name }) =>
      name === "async_core.task.run"
    );
    assertEquals(
      new Set(runs?.points.map((point) => point["task.state"])),
      new Set(["succeeded", "failed", "cancelled"]),
    );
  },
);

Deno.test("span() without a provider calls the function and gives what it gives", async () => {
  assertEquals(span("op", { a: 1 }, () => 1), 1);
  assertEquals(await span("op", {}, async () => await Promise.resolve(2)), 2);
  const error = new Error("thrown");
  try {
    span("op", {}, () => {
      throw error;
    });
  } catch (caught) {
    assertEquals(caught, error);
  }
  span("op", {}, (current) => {
    current.setAttribute("ignored", true);
    current.setAttributes({ ignored: [1, 2] });
    current.addEvent("ignored");
    assertEquals(current.spanContext().traceFlags, 0);
  });
});
