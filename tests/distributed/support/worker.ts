/**
 * A worker as a process of its own: `worker.ts PLACE OPTIONS`, where PLACE is the JSON of where
 * its Redis is and OPTIONS that of what `work` takes, and of `maxWorkers`. Says `ready` when it takes tasks and `stopped` at its end.
 *
 * @module
 */
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import { tasks } from "./tasks.ts";

const [place = "{}", json = "{}"] = Deno.args;
const { maxWorkers = 10, ...options } = JSON.parse(json);
await using cluster = new ClusterRunner({
  ...JSON.parse(place),
  onError: () => {},
});
await using runner = new AsyncRunner({ maxWorkers });
const worker = cluster.work(tasks, { ...options, runner });
await worker.ready;
console.log("ready");
await worker.finished;
console.log("stopped", JSON.stringify(worker.stats()));
