/**
 * A program that has no permission at all: says what it is told, and that it has ended.
 *
 * @module
 */
import { ClusterRunner, defineTask } from "@specify/async-distributed";

const square = defineTask("square", (n: number) => n * n);
const cluster = new ClusterRunner({
  onError: (error) => console.log(`onError: ${error.message}`),
});
await cluster.submit(square(2)).catch((error) =>
  console.log(`submit: ${error}`)
);
const worker = cluster.work([square], { handleSignals: false });
await worker.ready.catch(() => {});
await cluster.shutdown({ wait: false, grace: 10 });
console.log("ended");
