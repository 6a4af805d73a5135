/**
 * A worker whose clock is wrong: `skewed_worker.ts MILLISECONDS PLACE OPTIONS`, the rest as
 * `worker.ts`.
 *
 * @module
 */
const [skew = "0", place = "{}", json = "{}"] = Deno.args;
const { now } = Date;
Date.now = () => now() + Number(skew);

const { AsyncRunner } = await import("@specify/async-core");
const { ClusterRunner } = await import("@specify/async-distributed");
const { tasks } = await import("./tasks.ts");
const { maxWorkers = 10, ...options } = JSON.parse(json);
await using cluster = new ClusterRunner(JSON.parse(place));
await using runner = new AsyncRunner({ maxWorkers });
const worker = cluster.work(tasks, { ...options, runner });
await worker.ready;
console.log("ready");
await worker.finished;
