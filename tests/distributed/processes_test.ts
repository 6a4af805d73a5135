/**
 * What goes wrong between processes: workers killed, hung and restarted, submitters that die, and
 * a Redis that is restarted or paused under them.
 *
 * The first test runs 600 tasks by default; ASYNC_CLUSTER_TASKS=10000 runs the full size.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { AsyncRunner } from "@specify/async-core";
import {
  ClusterRunner,
  ClusterUnreachableError,
  defineTask,
  TaskLostError,
} from "@specify/async-distributed";
import { TemporaryDirectory } from "../support/temporary_directory.ts";
import { withIntervals } from "./support/intervals.ts";
import { Program, startWorker } from "./support/processes.ts";
import {
  RedisServer,
  testWithOwnRedis,
  testWithRedis,
  useRedis,
} from "./support/redis.ts";
import {
  blocking,
  deadly,
  noted,
  pause,
  slow,
  square,
  until,
} from "./support/tasks.ts";

async function linesOf(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(file).catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

testWithRedis(
  "three workers, one killed with SIGKILL again and again: every handle settles and every task ran",
  async () => {
    const count = Number(Deno.env.get("ASYNC_CLUSTER_TASKS") ?? 600);
    await using redis = await useRedis();
    await using directory = await TemporaryDirectory.create();
    const file = directory.path("runs");
    await using cluster = new ClusterRunner({ ...redis.at });
    const options = { maxWorkers: 10, lostAfter: 1500, maxLost: 100 };
    const workers = await Promise.all(
      [1, 2, 3].map(() => startWorker(redis.at, options)),
    );
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(async () => {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    });
    let isDone = false;
    let kills = 0;
    const killing = (async () => {
      while (!isDone) {
        await pause(200 + Math.random() * 500);
        if (isDone) break;
        const place = kills++ % 3;
        workers[place]?.kill();
        await workers[place]?.ended();
        workers[place] = await startWorker(redis.at, options);
      }
    })();
    const handles = Array.from(
      { length: count },
      (_, id) => cluster.submit(noted({ file, id, ms: 50 })),
    );
    const results = await Promise.allSettled(handles);
    isDone = true;
    await killing;
    assertEquals(results.filter(({ status }) => status === "rejected"), []);
    const runs = (await linesOf(file)).map((line) =>
      Number(line.split(" ")[0])
    );
    assertEquals(new Set(runs).size, count);
    const second = runs.length - count;
    const { lost } = (await cluster.stats()).own;
    console.log(
      `    ${count} tasks, ${kills} kills, ${lost} lost, ${second} second runs`,
    );
    assertGreater(kills, 0);
    // Nothing runs again that was not lost, be it that its worker was too busy to be heard of.
    assert(second <= lost, `${second} second runs, ${lost} lost`);
    assertLess(second, count / 2);
  },
);

testWithOwnRedis(
  "Redis restarted in the middle: submitters and workers come back by themselves and nothing is lost",
  async () => {
    await using redis = await RedisServer.start([
      "--appendonly",
      "yes",
      "--appendfsync",
      "always",
    ]);
    const errors: Error[] = [];
    await using cluster = new ClusterRunner({
      ...redis.at,
      onError: (error) => errors.push(error),
    });
    await using _worker = await startWorker(redis.at, { lostAfter: 2000 });
    const handles = Array.from(
      { length: 100 },
      (_, n) => cluster.submit(slow({ ms: 20, value: n })),
    );
    await Promise.race(handles);
    await redis.stop("SIGKILL");
    // Submitted while there is no Redis: it waits.
    const meanwhile = cluster.submit(square(7));
    await pause(300);
    assertEquals(meanwhile.state, "queued");
    await redis.startAgain();
    assertEquals(
      await Promise.all(handles),
      Array.from({ length: 100 }, (_, n) => n),
    );
    assertEquals(await meanwhile, 49);
    assertGreater(errors.length, 0);
  },
);

testWithOwnRedis(
  "Redis paused (SIGSTOP, DEBUG SLEEP): a submit fails after sendTimeout, everything else goes on afterwards",
  async () => {
    await using redis = await RedisServer.start();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using hasty = new ClusterRunner({
      ...redis.at,
      // Longer than a busy machine may take for the first one.
      sendTimeout: 2_500,
    });
    await using _worker = await startWorker(redis.at, { lostAfter: 10_000 });
    assertEquals(await hasty.submit(square(2)), 4);
    const before = Array.from(
      { length: 30 },
      (_, n) => cluster.submit(slow({ ms: 30, value: n })),
    );
    await Promise.race(before);
    redis.signal("SIGSTOP");
    const during = cluster.submit(square(3));
    await assertRejects(() => hasty.submit(square(4)), ClusterUnreachableError);
    await pause(300);
    redis.signal("SIGCONT");
    assertEquals((await Promise.all(before)).length, 30);
    assertEquals(await during, 9);
    const sleeping = redis.command("DEBUG", "SLEEP", "0.5");
    assertEquals(await cluster.submit(square(5)), 25);
    await sleeping;
    await hasty.onIdle();
    // The one that was given up is not in the queue.
    assertEquals((await cluster.stats()).waiting, 0);
  },
);

testWithRedis(
  "a submitter that dies leaves its tasks running, and another process attaches to one by its id",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    const worker = cluster.work([slow]);
    await worker.ready;
    await using submitter = new Program("./submitter.ts", [
      JSON.stringify(redis.at),
      "run",
      "job-1",
      "1500",
    ]);
    await submitter.said("submitted");
    submitter.kill();
    await submitter.ended();
    const handle = cluster.attach<string>("job-1");
    // On a machine that stood still it may have ended by now.
    await until(() => handle.state !== "queued");
    assertEquals(await handle, "done");
    assertEquals(await cluster.attach("job-1"), "done");
  },
);

testWithRedis(
  "a submitter that dies has its tasks cancelled, if it asked for that",
  async () => {
    await using redis = await useRedis();
    const orphanAfter = 2_500;
    using _intervals = withIntervals({ orphanAfter });
    await using cluster = new ClusterRunner(redis.at);
    const worker = cluster.work([slow]);
    await worker.ready;
    await using submitter = new Program("./submitter.ts", [
      JSON.stringify(redis.at),
      "cancel",
      "job-2",
      "60000",
      `${orphanAfter}`,
    ]);
    await submitter.said("submitted");
    // It lives for longer than orphanAfter, and its task with it.
    await pause(orphanAfter + 500);
    assertEquals(worker.stats().running, 1);
    const handle = cluster.attach("job-2");
    submitter.kill();
    await submitter.ended();
    const error = await assertRejects(() => handle, DOMException);
    assertEquals([error.name, handle.state], ["AbortError", "cancelled"]);
    assert(error.message.includes("submitter"), error.message);
    assertEquals(worker.stats().running, 0);
  },
);

testWithRedis(
  "a task that kills its worker fails with TaskLostError after maxLost and takes nobody with it",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    const options = { maxWorkers: 5, lostAfter: 2_000, maxLost: 2 };
    let isDone = false;
    // As a supervisor would: a worker that ends is started again.
    const supervising = [1, 2].map(async () => {
      while (!isDone) {
        await using worker = await startWorker(redis.at, options).catch(() =>
          undefined
        );
        await Promise.race([
          worker?.ended(),
          until(() => isDone, "the end", 60_000),
        ]);
      }
    });
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(async () => {
      isDone = true;
      await Promise.all(supervising);
    });
    const poison = cluster.submit(deadly(null));
    const others = Array.from(
      { length: 30 },
      (_, n) => cluster.submit(slow({ ms: 100, value: n })),
    );
    const error = await assertRejects(() => poison, TaskLostError);
    assertEquals(error.taskId, poison.id);
    assertEquals(
      await Promise.all(others),
      Array.from({ length: 30 }, (_, n) => n),
    );
  },
);

testWithRedis(
  "a task that blocks its event loop for longer than lostAfter is run by another worker too, and settles once",
  async () => {
    await using redis = await useRedis();
    await using directory = await TemporaryDirectory.create();
    const file = directory.path("runs");
    await using cluster = new ClusterRunner({ ...redis.at });
    const options = { maxWorkers: 1, lostAfter: 2_000, maxLost: 10 };
    await using one = await startWorker(redis.at, options);
    // Until it is killed, at the end.
    const handle = cluster.submit(blocking({ file, ms: 60_000 }));
    await until(async () => (await linesOf(file)).length === 1);
    // This one keeps its event loop free: another task, on another thread or process, would too.
    await using runner = new AsyncRunner();
    let ran = 0;
    const calm = defineTask(
      "blocking",
      async (_: { file: string; ms: number }) => {
        ran++;
        await pause(10);
        return 0;
      },
    );
    cluster.work([calm], { lostAfter: 2_000, maxLost: 10, runner });
    assertEquals(await handle, 0);
    assertEquals(ran, 1);
    assertEquals((await cluster.stats()).own.lost, 1);
    one.kill();
  },
);

testWithRedis(
  "offload keeps the lock alive while a thread is busy for longer than lostAfter",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner({ ...redis.at });
    await using runner = new AsyncRunner();
    const module =
      "data:text/javascript,export const block = (ms) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); return ms; };";
    const heavy = defineTask(
      "heavy",
      (ms: number, { signal }) =>
        runner.offload<number>(module, "block", [ms], { signal }),
    );
    cluster.work([heavy], { lostAfter: 4_000 });
    assertEquals(await cluster.submit(heavy(6_000)), 6_000);
    assertEquals((await cluster.stats()).own.lost, 0);
  },
);

testWithRedis(
  "a rolling restart of all workers under load by SIGTERM fails nothing and runs nothing twice",
  async () => {
    await using redis = await useRedis();
    await using directory = await TemporaryDirectory.create();
    const file = directory.path("runs");
    await using cluster = new ClusterRunner({ ...redis.at });
    const options = { maxWorkers: 5, grace: 5000 };
    await using cleanup = new AsyncDisposableStack();
    const workers = await Promise.all(
      [1, 2].map(() => startWorker(redis.at, options)),
    );
    for (const worker of workers) cleanup.use(worker);
    let isDone = false;
    let next = 0;
    const results: Promise<number>[] = [];
    const load = (async () => {
      while (!isDone) {
        results.push(cluster.submit(noted({ file, id: next++, ms: 40 })));
        await pause(5);
      }
    })();
    for (const old of workers) {
      cleanup.use(await startWorker(redis.at, options));
      old.kill("SIGTERM");
      const { code } = await old.ended();
      assertEquals(code, 0);
      assert(
        old.lines.some((line) => line.startsWith("stopped")),
        old.lines.join("; "),
      );
    }
    isDone = true;
    await load;
    await Promise.all(results);
    assertEquals((await linesOf(file)).length, next);
    assertGreater(next, 50);
  },
);

testWithRedis(
  "a worker told to stop hands back what does not finish within its grace, and another runs it",
  async () => {
    await using redis = await useRedis();
    await using directory = await TemporaryDirectory.create();
    const file = directory.path("runs");
    await using cluster = new ClusterRunner({ ...redis.at });
    await using old = await startWorker(redis.at, { grace: 100 });
    const handle = cluster.submit(noted({ file, id: 1, ms: 60_000 }));
    await until(async () => (await linesOf(file)).length === 1);
    const start = performance.now();
    old.kill("SIGTERM");
    await old.said("stopped");
    assertLess(performance.now() - start, 30_000);
    assert(old.lines.at(-1)?.includes('"handedBack":1'), old.lines.join("; "));
    cluster.work([defineTask("noted", (_: unknown) => Deno.pid)]);
    assertEquals(await handle, Deno.pid);
    // No failure, no loss.
    assertEquals((await cluster.stats()).own.lost, 0);
  },
);

testWithRedis(
  "a worker whose clock is an hour off keeps deadlines and ages by Redis' clock",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    for (const skew of [3_600_000, -3_600_000]) {
      await using worker = new Program("./skewed_worker.ts", [
        String(skew),
        JSON.stringify(redis.at),
        JSON.stringify({ maxWorkers: 1, aging: 2_000 }),
      ]);
      await worker.said("ready");
      assertEquals(
        await cluster.submit(square(3), {
          deadline: performance.now() + 20_000,
        }),
        9,
      );
      const hold = cluster.submit(slow({ ms: 60_000 }));
      await until(() => hold.state === "running");
      const waitingSince = performance.now();
      const low = cluster.submit(square(1), { priority: 3 });
      // It is raised when it has waited for as long as that, whatever the worker's clock says.
      await until(async () => {
        const { byPriority } = await cluster.stats();
        return (byPriority[2] ?? 0) + (byPriority[1] ?? 0) > 0;
      });
      // The store's time is known to some milliseconds.
      assertGreater(performance.now() - waitingSince, 1_900);
      hold.cancel();
      assertEquals(await low, 1);
      worker.kill("SIGTERM");
      assertEquals((await worker.ended()).code, 0);
    }
  },
);

testWithRedis(
  "a worker that is stopped (SIGSTOP) loses its tasks to another, and does no harm when it goes on",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const options = { lostAfter: 1000, maxLost: 10 };
    await using one = await startWorker(redis.at, options);
    const handle = cluster.submit(slow({ ms: 300, value: 1 }));
    await until(() => handle.state === "running");
    one.kill("SIGSTOP");
    await using _two = await startWorker(redis.at, options);
    assertEquals(await handle, 1);
    one.kill("SIGCONT");
    await cluster.onIdle();
    // It takes tasks again.
    assertEquals(
      await cluster.gather(Array.from({ length: 30 }, (_, n) => square(n))),
      Array.from({ length: 30 }, (_, n) => n * n),
    );
    one.kill("SIGTERM");
    assertEquals((await one.ended()).code, 0);
  },
);
