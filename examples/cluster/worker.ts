/**
 * A worker of the demo: serves the queue until SIGTERM.
 *
 * @module
 */
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import { countWords, hash } from "./tasks.ts";

const [connection = "", queue = ""] = Deno.args;
await using cluster = new ClusterRunner({
  connection,
  queue,
  onError: () => {},
});
await using runner = new AsyncRunner({ maxWorkers: 4 });
const worker = cluster.work([countWords, hash], {
  runner,
  // Short, so that the demo need not wait half a minute for a killed worker's tasks.
  lostAfter: 1000,
});
await worker.ready;
console.log("ready");
await worker.finished;
