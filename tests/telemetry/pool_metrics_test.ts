import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/pool.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "ResourcePool tells where its resources are, who waits, and what was acquired, ran out of time and failed",
  async () => {
    const measured = async (...args: string[]) => {
      await using receiver = new OtlpReceiver();
      await receiver.run(program, ...args);
      return (name: string, state?: string) => {
        const metric = receiver.metrics.findLast((metric) =>
          metric.name === `async_core.pool.${name}`
        );
        assert(metric, `no metric ${name}`);
        const index = metric.points.findIndex((point) =>
          point["async_core.pool.state"] === state
        );
        return metric.values[index];
      };
    };
    const held = await measured("--held");
    assertEquals(
      [held("resources", "leased"), held("waiting")],
      [2, 1],
    );
    const closed = await measured();
    for (const state of ["creating", "idle", "leased", "cleaning"]) {
      assertEquals(closed("resources", state) ?? 0, 0, state);
    }
    assertEquals(closed("waiting"), 0);
    assertEquals(closed("acquires"), 3);
    assertEquals(closed("timeouts"), 1);
    assertEquals(closed("failures"), 1);
  },
);
