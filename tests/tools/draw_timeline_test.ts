import { assert, assertEquals } from "@std/assert";
import { AsyncRunner, TaskPriority } from "../../runner/mod.ts";
import { testWith } from "../support/permissions.ts";
import { drawTimeline } from "../../tools/draw_timeline.ts";

Deno.test("drawTimeline() draws a bar for each task that ran, a row for each slot, and who waited", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2, timeline: 10 });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
  await Promise.all([
    runner.submit(pause, { name: "read <a&b>" }),
    runner.submit(pause, { name: "read c" }),
    runner.submit(pause, { name: "write", priority: TaskPriority.CRITICAL }),
  ]);
  const timeline = JSON.parse(JSON.stringify(runner.timeline()));
  const svg = drawTimeline(timeline, "A title");
  assert(svg.startsWith("<svg "));
  assertEquals([...svg.matchAll(/<rect [^>]*><title>/g)].length, 3);
  assertEquals([...svg.matchAll(/>slot \d</g)].length, 2);
  assert(svg.includes("read &lt;a&amp;b&gt;"));
  assert(svg.includes(">read</text>") && svg.includes(">write</text>"));
  assert(svg.includes(">CRITICAL</text>"));
  assert(svg.includes("prefers-color-scheme: dark"));
  assert(!/NaN|Infinity|undefined/.test(svg));
});

Deno.test("drawTimeline() draws a timeline with nothing in it", () => {
  const svg = drawTimeline({ traceEvents: [], displayTimeUnit: "ms" }, "");
  assert(svg.includes("</svg>"));
  assert(!/NaN|Infinity|undefined/.test(svg));
});

testWith(
  ["read"],
  "docs/timeline.svg is a picture that drawTimeline() draws",
  async () => {
    const file = new URL("../../docs/timeline.svg", import.meta.url);
    const svg = await Deno.readTextFile(file);
    for (const text of ["slot 4", "waiting", "CRITICAL", "countPrimes"]) {
      assert(svg.includes(text), text);
    }
    // Paths from the top of this copy, wherever it lay.
    assert(svg.includes(">read runner</text>"));
    assert(svg.includes(">segment</text>") && !svg.includes(">task</text>"));
  },
);
