/**
 * What is joined, asked or answered after the end changes nothing and leaves nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import type { Engine } from "../../distributed/engine.ts";
import { Forgetter } from "../../distributed/submit/task_endings.ts";
import { Submitter } from "../../distributed/submit/submitter.ts";
import { submitterSettings } from "../../distributed/submit/submitter_settings.ts";
import { Server } from "../../distributed/worker/serve.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { abortListeners } from "../support/nothing_left.ts";
import { FakeEngine } from "./support/fake_engine.ts";
import { square } from "./support/tasks.ts";

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
  "ClusterRunner.shutdown() leaves no listener on the runner's own signal",
  async () => {
    const { signal } = new AbortController();
    const listeners = () => abortListeners(signal);
    const cluster = new ClusterRunner({ signal });
    assertEquals(listeners(), 1);
    await cluster.shutdown();
    assertEquals(listeners(), 0);
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

Deno.test(
  "Forgetter.close() removes what was collected if somebody is there, and takes no more",
  async () => {
    using clock = new FakeClock();
    for (const isThere of [true, false]) {
      const engine = new FakeEngine();
      const forgetter = new Forgetter(engine, () => {});
      forgetter.add("before");
      await forgetter.close(isThere);
      forgetter.add("after");
      assert(isQuiet(clock));
      assertEquals(engine.forgotten, isThere ? [["before"]] : []);
    }
  },
);

Deno.test(
  "a runner that has ended removes no record of a task whose adding is answered afterwards",
  async () => {
    using clock = new FakeClock();
    const engine = new FakeEngine();
    const adding = engine.hold("add");
    const submitter = new Submitter(engine, submitterSettings({}, () => {}));
    const handle = submitter.submit(square(1));
    await clock.settle();
    assertEquals(engine.added.length, 1);
    await submitter.close();
    assertEquals(handle.state, "failed");
    await handle.catch(() => {});
    adding.resolve();
    await clock.tick(60_000);
    // It has not ended in the store: another process may attach to it.
    assertEquals(engine.forgotten, []);
    assert(isQuiet(clock));
  },
);

Deno.test(
  "a runner that has ended sends nothing of what waited, be it for the store or behind other sends",
  async () => {
    using clock = new FakeClock();
    for (const hasFailed of [true, false]) {
      const engine = new FakeEngine();
      const listening = engine.hold("listen");
      const submitter = new Submitter(engine, submitterSettings({}, () => {}));
      const outcomes = [];
      for (let n = 0; n < 10; n++) {
        outcomes.push(submitter.submit(square(n)).catch((error) => error.name));
        // Each in a tick of its own.
        await clock.settle();
      }
      await submitter.close();
      assertEquals(
        await Promise.all(outcomes),
        outcomes.map(() => "DisposedError"),
      );
      if (hasFailed) listening.reject(new Error("the connection was closed"));
      else listening.resolve();
      await clock.tick(60_000);
      assertEquals([engine.added, engine.countOf("listen")], [[], 1]);
      assert(isQuiet(clock));
    }
  },
);

Deno.test(
  "a runner that has ended asks its store for nothing more, whatever it waited for, and leaves no timer",
  async () => {
    using clock = new FakeClock();
    const calls: (keyof Engine)[] = [
      "listen",
      "now",
      "beat",
      "add",
      "find",
      "cancel",
      "forget",
      "reprioritise",
    ];
    for (const held of calls) {
      for (const end of ["resolve", "reject"] as const) {
        const engine = new FakeEngine();
        const settings = submitterSettings({ orphans: "cancel" }, () => {});
        const submitter = new Submitter(engine, settings);
        const answer = engine.hold(held);
        const handles = [
          submitter.submit(square(1)),
          submitter.submit(square(2)),
          submitter.submit(square(3), { id: "three" }),
          submitter.attach("four"),
          submitter.submit(square(5)),
        ];
        const outcomes = Promise.allSettled(handles);
        await clock.settle();
        const [ended, cancelled, shared, , moved] = handles;
        if (ended !== undefined) {
          engine.listener?.ended(ended.id, { succeeded: true, value: 1 });
        }
        cancelled?.cancel();
        shared?.cancel();
        moved?.setPriority(0);
        await clock.tick(200);
        engine.listener?.reconnected();
        await clock.settle();
        const closed = submitter.close();
        await clock.settle();
        // For the last records it waits as long as the store may take to answer.
        if (held === "forget") await clock.tick(2_000);
        assert(isQuiet(clock), `${held} held`);
        await closed;
        await outcomes;
        const before = calls.map((name) => engine.countOf(name));
        answer[end](new Error("closed") as never);
        await clock.settle();
        assert(isQuiet(clock), `${held} ${end}`);
        await clock.tick(100_000);
        assertEquals(
          calls.map((name) => engine.countOf(name)),
          before,
          `${held} ${end}`,
        );
        assertEquals(submitter.size, 0);
      }
    }
  },
);

Deno.test(
  "a check of many tasks goes on no further when all of them have ended",
  async () => {
    using clock = new FakeClock();
    const engine = new FakeEngine();
    const submitter = new Submitter(engine, submitterSettings({}, () => {}));
    const outcomes = Promise.allSettled(
      Array.from({ length: 1_200 }, (_, n) => submitter.submit(square(n))),
    );
    await clock.settle();
    const answer = engine.hold("find");
    engine.listener?.reconnected();
    await clock.settle();
    await submitter.close();
    await outcomes;
    answer.resolve();
    await clock.tick(60_000);
    assertEquals(engine.countOf("find"), 1);
    assert(isQuiet(clock));
  },
);
