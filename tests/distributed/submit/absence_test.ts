/**
 * Waiting for the ends of tasks while the store is away.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Absence } from "../../../distributed/submit/store_link.ts";
import {
  ClusterHandle,
  end,
  type HandleOwner,
  settle,
} from "../../../distributed/cluster_handle.ts";
import { FakeClock } from "../../support/fake_clock.ts";

Deno.test(
  "a batch is told that a settled task has ended when the store is away for long, and of no other",
  async () => {
    using clock = new FakeClock();
    let isMissing = false;
    const owner: HandleOwner = {
      cancel: () => {},
      setPriority: () => {},
      absence: new Absence(() => isMissing),
    };
    const handle = new ClusterHandle<void>("1", "task", 2, owner);
    let isOver = false;
    handle.batch = {
      settled: (_handle, _state, _value, hasEnded) => isOver = hasEnded,
      ended: () => isOver = true,
    };
    isMissing = true;
    await clock.tick(60_000);
    assertEquals(isOver, false, "it has no outcome yet");
    isMissing = false;
    await clock.tick(1_000);
    handle[settle]("cancelled", new Error("cancelled"));
    await clock.tick(60_000);
    assertEquals(isOver, false, "the store is there and will tell");
    isMissing = true;
    await clock.tick(1_000);
    isMissing = false;
    await clock.tick(1_000);
    isMissing = true;
    await clock.tick(1_400);
    assertEquals(isOver, false, "it was away for short times only");
    await clock.tick(2_000);
    assertEquals(isOver, true);
    isOver = false;
    assertEquals(handle[end](), undefined);
    assertEquals(isOver, false, "it is told once");
  },
);
