/**
 * A submitter as a process of its own: `submitter.ts PLACE ORPHANS ID MS ORPHAN_AFTER` submits a task that takes
 * long, says `submitted` and waits for it.
 *
 * @module
 */
import { ClusterRunner } from "@specify/async-distributed";
import { INTERVALS } from "../../../distributed/intervals.ts";
import { slow } from "./tasks.ts";

const [
  place = "{}",
  orphans = "run",
  id = "",
  ms = "60000",
  orphanAfter = "60000",
] = Deno.args;
INTERVALS.orphanAfter = Number(orphanAfter);
await using cluster = new ClusterRunner({
  ...JSON.parse(place),
  orphans: orphans as "run" | "cancel",
});
const handle = cluster.submit(slow({ ms: Number(ms), value: "done" }), { id });
while (handle.state === "queued") {
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log("submitted");
await handle;
