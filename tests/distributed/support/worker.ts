/**
 * A worker as a process of its own: `worker.ts URL OPTIONS`, where OPTIONS is the JSON of what
 * `work` takes, and of `maxWorkers`. Says `ready` when it takes tasks and `stopped` at its end.
 *
 * @module
 */
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import { tasks } from "./tasks.ts";

const [url = "", json = "{}"] = Deno.args;
const { maxWorkers = 10, orphanAfter, ...options } = JSON.parse(json);
await using cluster = new ClusterRunner({
  connection: url,
  orphanAfter,
  onError: () => {},
});
await using runner = new AsyncRunner({ maxWorkers });
const worker = cluster.work(tasks, { ...options, runner });
await worker.ready;
console.log("ready");
await worker.finished;
console.log("stopped", JSON.stringify(worker.stats()));
