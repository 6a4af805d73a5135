/**
 * What is joined, asked or answered after the end changes nothing and leaves nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import { Server } from "../../distributed/worker/serve.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeEngine } from "./support/fake_engine.ts";

/** Whether no timer is left. */
function isQuiet({ time }: FakeClock): boolean {
  return !time.next();
}

Deno.test(
  "ClusterRunner.shutdown() leaves no timer when it is called again after the end, whatever it is given",
  async () => {
    using clock = new FakeClock();
    const cluster = new ClusterRunner();
    const report = await cluster.shutdown({ timeout: 60_000, grace: 60_000 });
    assert(isQuiet(clock));
    for (
      const options of [
        {},
        { timeout: 60_000 },
        { wait: false, grace: 60_000 },
        { timeout: 10, grace: 10 },
      ]
    ) {
      assertEquals(await cluster.shutdown(options), report);
      assert(isQuiet(clock), JSON.stringify(options));
    }
    await cluster[Symbol.asyncDispose]();
    assert(isQuiet(clock));
  },
);

Deno.test(
  "ClusterWorker.stop() leaves no timer when it is called again after the end",
  async () => {
    using clock = new FakeClock();
    await using runner = new AsyncRunner();
    const server = new Server(new FakeEngine(), {
      definitions: new Map(),
      runner,
      concurrency: 1,
      lostAfter: 30_000,
      maxLost: 3,
      unknownAfter: 30_000,
      aging: undefined,
      grace: 10_000,
      progressInterval: 100,
      orphanAfter: 30_000,
      report: () => {},
    });
    await server.ready;
    const stopped = server.stop();
    await Promise.all([stopped, server.stop(5_000)]);
    assert(isQuiet(clock));
    await Promise.all([server.stop(), server.stop(0)]);
    assert(isQuiet(clock));
  },
);
