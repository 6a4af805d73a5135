/**
 * The cluster beside bare BullMQ, on one Redis on loopback that this bench starts and stops. Both
 * sides use the same client and the same settings; the ratios are what `deno bench` prints.
 *
 * Without Redis there is nothing to measure, and the bench says so.
 *
 * @module
 */
import { AsyncRunner, type TaskHandle } from "@specify/async-core";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { hasRedis, RedisServer } from "../tests/distributed/support/redis.ts";

const SUBMITS = 10_000;
const JOBS = 5_000;
const CONCURRENCY = 50;
const TRIPS = 100;
const FEW = { n: 3, warmup: 1 };

if (!hasRedis) {
  console.log("No Redis: apt-get install redis-server, then run this again");
} else {
  const redis = await RedisServer.start();
  // A bench has no end of its own.
  addEventListener("unload", () => redis.signal("SIGKILL"));
  const { port } = redis;
  const connect = () =>
    new Redis({ port, host: "127.0.0.1", maxRetriesPerRequest: null });
  const work = defineTask("work", (n: number) => n + 1);

  /** A cluster with its queue empty, and a worker if it is to run something. */
  const cluster = async (serve: boolean) => {
    await redis.command("FLUSHALL");
    const runner = new ClusterRunner({ connection: redis.url });
    const local = new AsyncRunner({ maxWorkers: CONCURRENCY });
    if (serve) {
      await runner.work([work], { runner: local, handleSignals: false }).ready;
      await runner.submit(work(0));
    } else await runner.stats();
    return runner;
  };

  /** The same of bare BullMQ. */
  const bare = async (serve: boolean) => {
    await redis.command("FLUSHALL");
    const [a, b, c] = [connect(), connect(), connect()];
    const queue = new Queue("bare", { connection: a });
    const events = new QueueEvents("bare", { connection: b });
    await events.waitUntilReady();
    const worker = serve
      ? new Worker("bare", (job) => Promise.resolve(job.data.n + 1), {
        connection: c,
        concurrency: CONCURRENCY,
      })
      : undefined;
    await worker?.waitUntilReady();
    await queue.waitUntilReady();
    return {
      queue,
      events,
      async close() {
        await worker?.close();
        await events.close();
        await queue.close();
        for (const one of [a, b, c]) one.disconnect();
      },
    };
  };
  const options = {
    priority: 3,
    removeOnComplete: { age: 86_400 },
    removeOnFail: { age: 86_400 },
  };

  const submit = `cluster: ${SUBMITS} submits in a loop, until Redis has them`;
  Deno.bench("ClusterRunner.submit", {
    group: submit,
    baseline: true,
    ...FEW,
  }, async (b) => {
    const runner = await cluster(false);
    b.start();
    for (let n = 0; n < SUBMITS; n++) runner.submit(work(n));
    while ((await runner.stats()).waiting < SUBMITS);
    b.end();
    await redis.command("FLUSHALL");
    await runner.shutdown({ wait: false, grace: 0 });
  });
  Deno.bench("bare add, one by one", { group: submit, ...FEW }, async (b) => {
    const { queue, close } = await bare(false);
    b.start();
    for (let n = 0; n < SUBMITS; n++) await queue.add("work", { n }, options);
    b.end();
    await close();
  });
  Deno.bench("bare addBulk of all", { group: submit, ...FEW }, async (b) => {
    const { queue, close } = await bare(false);
    b.start();
    await queue.addBulk(
      Array.from({ length: SUBMITS }, (_, n) => ({
        name: "work",
        data: { n },
        opts: options,
      })),
    );
    b.end();
    await close();
  });

  const throughput =
    `cluster: ${JOBS} tasks at concurrency ${CONCURRENCY}, submit to last result`;
  Deno.bench("ClusterRunner, every result read", {
    group: throughput,
    baseline: true,
    ...FEW,
  }, async (b) => {
    const runner = await cluster(true);
    b.start();
    const handles: TaskHandle<number>[] = [];
    for (let n = 0; n < JOBS; n++) handles.push(runner.submit(work(n)));
    await Promise.all(handles);
    b.end();
    await runner.shutdown();
  });
  Deno.bench("bare addBulk, results by QueueEvents", {
    group: throughput,
    ...FEW,
  }, async (b) => {
    const { queue, events, close } = await bare(true);
    let count = 0;
    const all = new Promise<void>((resolve) =>
      events.on("completed", () => {
        if (++count === JOBS) resolve();
      })
    );
    b.start();
    await queue.addBulk(
      Array.from({ length: JOBS }, (_, n) => ({
        name: "work",
        data: { n },
        opts: options,
      })),
    );
    await all;
    b.end();
    await close();
  });

  const trip = `cluster: ${TRIPS} round trips, one after the other`;
  Deno.bench("ClusterRunner, await submit", {
    group: trip,
    baseline: true,
    n: 5,
    warmup: 2,
  }, async (b) => {
    const runner = await cluster(true);
    b.start();
    for (let n = 0; n < TRIPS; n++) await runner.submit(work(n));
    b.end();
    await runner.shutdown();
  });
  Deno.bench("bare add and waitUntilFinished", {
    group: trip,
    n: 5,
    warmup: 2,
  }, async (b) => {
    const { queue, events, close } = await bare(true);
    const first = await queue.add("work", { n: 0 }, options);
    await first.waitUntilFinished(events);
    b.start();
    for (let n = 0; n < TRIPS; n++) {
      const job = await queue.add("work", { n }, options);
      await job.waitUntilFinished(events);
    }
    b.end();
    await close();
  });
}
