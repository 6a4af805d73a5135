/**
 * nothingLeft(): each kind of thing that is left is caught, and what goes in time is not.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { idleTimers, timers } from "../../_internal/timer_queue.ts";
import { now } from "../../_internal/clock.ts";
import { AsyncRunner, ResourcePool, TaskScheduler } from "../../runner/mod.ts";
import { coreOf } from "../../runner/scheduler/scheduler.ts";
import { HeldTask, microtasks, watched } from "./held_task.ts";
import { type LeftoverOptions, nothingLeft } from "./nothing_left.ts";
import { testWith } from "./permissions.ts";
import { pause } from "./real_time.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

/** What is named when `body` has run, and `undo` only afterwards. */
async function leftBy(
  options: LeftoverOptions,
  body: () => unknown,
  undo: () => unknown,
): Promise<string> {
  const { error } = console;
  const told: unknown[] = [];
  console.error = (message) => void told.push(message);
  try {
    const { message } = await assertRejects(async () => {
      await using _ = nothingLeft({ within: 30, ...options });
      await body();
    }, Error);
    assertEquals(told, [message]);
    return message;
  } finally {
    console.error = error;
    await undo();
  }
}

Deno.test("nothingLeft() names timers of both shared queues, and only those that are new", async () => {
  const target = { timeUp() {} };
  const old = timers.add(now() + 60_000, target);
  const entries = [old];
  assertEquals(
    await leftBy({}, () => {
      entries.push(timers.add(now() + 60_000, target));
    }, () => entries.forEach((entry) => timers.remove(entry))),
    "Left behind: 1 timers",
  );
  const idle = [60_000, 70_000].map((delay) =>
    idleTimers.add(now() + delay, target)
  );
  for (const entry of idle) idleTimers.remove(entry);
  assertEquals(
    await leftBy({}, () => {
      idle.push(idleTimers.add(now() + 60_000, target));
    }, () => idle.forEach((entry) => idleTimers.remove(entry))),
    "Left behind: 1 idle timers",
  );
});

Deno.test("nothingLeft() names what runs and what waits, of a runner, a scheduler and whatever counts", async () => {
  const held = new HeldTask();
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  assertEquals(
    await leftBy({ runner }, async () => {
      runner.submit(held.run, { name: "held" });
      runner.submit(() => {});
      await microtasks();
    }, () => held.end()),
    "Left behind: 1 queued tasks; the running task held",
  );
  await runner.onIdle();
  const scheduler = new TaskScheduler({ paused: true });
  assertEquals(
    await leftBy({ runner: [runner, scheduler] }, () => {
      scheduler.submit(() => {});
      watched(scheduler.onIdle());
    }, () => scheduler.resume()),
    "Left behind: 1 queued tasks; somebody waits for the scheduler",
  );
  await scheduler.onIdle();
  const stats = () => ({ queued: 1, running: 2 });
  assertEquals(
    await leftBy({ runner: { stats } }, () => {}, () => {}),
    "Left behind: 1 queued tasks; 2 running tasks",
  );
});

Deno.test("nothingLeft() names open scopes, and batches that are under way", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const open = Promise.withResolvers<void>();
  let scope: Promise<void>;
  assertEquals(
    await leftBy({ runner }, async () => {
      scope = runner.scope(() => open.promise);
      await microtasks();
    }, async () => {
      open.resolve();
      await scope;
    }),
    "Left behind: open scopes or batches",
  );
  const held = new HeldTask();
  let batch: Promise<unknown>;
  assertEquals(
    await leftBy({ runner }, async () => {
      batch = runner.gather([held.run]);
      await microtasks();
    }, async () => {
      held.end();
      await batch;
    }),
    "Left behind: the running task run; open scopes or batches",
  );
});

Deno.test("nothingLeft() names slots that did not come back", async () => {
  const scheduler = new TaskScheduler({ maxConcurrent: 4 });
  const held = new HeldTask();
  assertEquals(
    await leftBy({ runner: scheduler }, async () => {
      scheduler.submit(held.run, { weight: 3 });
      await microtasks();
      // As if two of them had been forgotten.
      const extras = coreOf(scheduler).runningJobs()[0]?.extras;
      if (extras !== undefined) extras.slots = 1;
      held.end();
    }, () => {}),
    "Left behind: 2 of 4 slots are free",
  );
});

Deno.test("nothingLeft() names leases, those who wait, and what is on its way", async () => {
  let making = Promise.withResolvers<object>();
  await using pool = new ResourcePool<object>({
    maxResources: 1,
    factory: () => making.promise,
  });
  const first = pool.acquire();
  const second = pool.acquire();
  assertEquals(
    await leftBy({ pool }, () => {}, () => making.resolve({})),
    "Left behind: 2 acquires that wait; 1 resources being made",
  );
  const lease = await first;
  assertEquals(
    await leftBy({ pool }, () => {}, () => lease.release()),
    "Left behind: 1 leases; 1 acquires that wait",
  );
  await (await second).destroy();
  making = Promise.withResolvers();
  making.resolve({});
  await using _ = nothingLeft({ pool });
  (await pool.acquire()).release();
});

Deno.test("nothingLeft() names resources being validated and cleaned up", async () => {
  const checking = Promise.withResolvers<boolean>();
  const cleaning = Promise.withResolvers<void>();
  await using pool = new ResourcePool<object>({
    maxResources: 1,
    factory: () => ({}),
    validate: () => checking.promise,
    cleanup: () => cleaning.promise,
    cleanupTimeout: Infinity,
  });
  (await pool.acquire()).release();
  const next = pool.acquire();
  assertEquals(
    await leftBy({ pool }, () => {}, () => checking.resolve(true)),
    "Left behind: 1 acquires that wait; 1 resources being validated",
  );
  const gone = (await next).destroy();
  assertEquals(
    await leftBy({ pool }, () => {}, () => cleaning.resolve()),
    "Left behind: 1 resources being cleaned up",
  );
  await gone;
});

Deno.test("nothingLeft() names abort listeners, of signals that have aborted too", async () => {
  const signals = [new AbortController().signal, AbortSignal.abort()];
  const listener = () => {};
  assertEquals(
    await leftBy({ signals }, () => {
      for (const signal of signals) signal.addEventListener("abort", listener);
    }, () => {
      for (const signal of signals) {
        signal.removeEventListener("abort", listener);
      }
    }),
    "Left behind: 1 abort listeners of signal 0; 1 abort listeners of signal 1",
  );
});

testWith(
  ["read", "write"],
  "nothingLeft() names files that stay open, one that was removed too",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("a");
    using _before = await Deno.open(path);
    for (const isRemoved of [false, true]) {
      let file: Deno.FsFile | undefined;
      const message = await leftBy({}, async () => {
        file = await Deno.open(path);
        if (isRemoved) await Deno.remove(path);
      }, () => file?.close());
      assertEquals(
        message,
        `Left behind: a descriptor of ${path}${isRemoved ? " (deleted)" : ""}`,
      );
    }
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "net"],
  "nothingLeft() names sockets that stay open, on either side",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const sockets: Deno.Conn[] = [];
    const message = await leftBy({ ports: [port] }, async () => {
      sockets.push(
        ...await Promise.all([
          Deno.connect({ hostname: "127.0.0.1", port }),
          listener.accept(),
        ]),
      );
    }, () => sockets.forEach((socket) => socket.close()));
    assertEquals(
      message.replaceAll(/\d+/g, "n"),
      "Left behind: a descriptor of socket:[n]; a descriptor of socket:[n]",
    );
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "nothingLeft() waits for what is still ending",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const file = await Deno.create(directory.path("a"));
    const { signal } = new AbortController();
    const scheduler = new TaskScheduler();
    const later = pause(50).then(() => {
      timers.remove(entry);
      signal.removeEventListener("abort", listener);
      file.close();
      held.end();
    });
    const listener = () => {};
    const held = new HeldTask();
    const entry = timers.add(now() + 60_000, { timeUp() {} });
    {
      await using _ = nothingLeft({ runner: scheduler, signals: [signal] });
      signal.addEventListener("abort", listener);
      scheduler.submit(held.run);
    }
    await later;
  },
);

testWith(
  ["run"],
  "nothingLeft() does not take for left what the runtime opens once and keeps",
  async () => {
    await using _ = nothingLeft();
    await new Deno.Command("true").output();
    const worker = new Worker("data:text/javascript,postMessage(1)", {
      type: "module",
    });
    await new Promise((resolve) => worker.onmessage = resolve);
    worker.terminate();
  },
  { ignore: Deno.build.os === "windows" },
);
