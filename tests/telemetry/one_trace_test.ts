/**
 * One trace for everything: what a walk, a stream's map, an HTTP batch, downloads and CPU work on
 * one runner report, as an OTLP receiver gets it.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { TaskPriority } from "../../mod.ts";
import { OtlpReceiver, type ReceivedSpan } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("../../examples/one_scheduler.ts", import.meta.url);

/** From a span up to its load's scope: what belongs to what. */
const EXPECTED = [
  "file.walk",
  "task read < file.walk",
  "task square",
  "task GET",
  "http.request < task GET",
  "GET < http.request < task GET",
  "file.download",
  "task download < file.download",
  "http.request < task download < file.download",
  "GET < http.request < task download < file.download",
  "task segment < task download < file.download",
  "http.request < task segment < task download < file.download",
  "GET < http.request < task segment < task download < file.download",
  "task countPrimes",
];

testWith(
  ["net", "run", "read"],
  "one trace shows walk, map, batch, downloads and offload on one runner, under one root",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    const [root, ...others] = receiver.named("one_scheduler");
    assert(root);
    assertEquals(others, []);

    /** The names from a span up to the root. */
    const lineage = (span: ReceivedSpan): string[] => {
      const names: string[] = [];
      for (
        let up: ReceivedSpan | undefined = span;
        up !== undefined;
        up = receiver.parentOf(up)
      ) names.push(nameOf(up));
      return names;
    };
    const counts = new Map<string, Map<string, number>>([
      ["large load", new Map()],
      ["urgent load", new Map()],
    ]);
    for (const span of receiver.spans) {
      if (isDenosOwn(span)) continue;
      assertEquals(span.traceId, root.traceId, span.name);
      if (span === root) continue;
      const names = lineage(span);
      assertEquals(names.at(-1), "one_scheduler", names.join(" < "));
      const load = names.at(-2) ?? "";
      const ofLoad = counts.get(load);
      assert(ofLoad, `${names.join(" < ")} is part of no load`);
      if (span.name === load) continue;
      assertEquals(names.at(-3), "scope");
      const place = names.slice(0, -3).join(" < ");
      ofLoad.set(place, (ofLoad.get(place) ?? 0) + 1);
      if (span.name !== "task") continue;
      assertEquals(
        span.attributes["task.priority"],
        load === "large load" ? TaskPriority.BACKGROUND : TaskPriority.CRITICAL,
      );
      assertEquals(span.attributes["task.state"], "succeeded");
    }
    for (const [load, count] of [["large load", 40], ["urgent load", 3]]) {
      const ofLoad = counts.get(String(load));
      for (const place of EXPECTED) {
        assertGreater(ofLoad?.get(place) ?? 0, 0, `${load}: ${place}`);
      }
      // A span for each task of the kinds that are counted in advance, no more and no less.
      for (const kind of ["square", "GET", "countPrimes"]) {
        assertEquals(ofLoad?.get(`task ${kind}`), count, `${load}: ${kind}`);
      }
    }
    // CRITICAL work overtook: all of it was over while the large load still began tasks.
    const end = (load: string) => receiver.named(load)[0]?.end ?? 0;
    const lastStart = Math.max(
      ...receiver.named("task").map(({ start }) => start),
    );
    assertGreater(lastStart, end("urgent load"));
    assertGreater(end("large load"), end("urgent load"));
  },
);

/** What a span stands for; addresses, paths and numbers left out. */
function nameOf({ name, attributes }: ReceivedSpan): string {
  if (name !== "task") return name;
  const [kind = ""] = String(attributes["task.name"]).split(" ");
  return /^task-\d+$/.test(kind) ? "task segment" : `task ${kind}`;
}

/** Deno makes spans of its own for `fetch` and `Deno.serve`. */
function isDenosOwn({ attributes }: ReceivedSpan): boolean {
  return attributes["url.query"] !== undefined;
}
