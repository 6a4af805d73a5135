import { assert, assertEquals, assertThrows } from "@std/assert";
import { testWith } from "../support/permissions.ts";
import type { BenchFile } from "../../tools/bench_report/results.ts";

// The chart library reads the environment as it loads, which a run without permissions must not.
const needed: Deno.PermissionName[] = ["env"];
const drawing = () => import("../../tools/bench_report/draw_chart.ts");
const writing = () => import("../../tools/bench_report/write_report.ts");

const group = {
  name: "pool: 10 resources, of <some>",
  rows: [
    { name: "ResourcePool", time: 10, isBaseline: true },
    { name: "generic-pool", time: 25, isBaseline: false },
    { name: "tarn", time: 1250, isBaseline: false },
  ],
};

testWith(
  needed,
  "withNumbers() writes what was measured between its marks, and leaves out what was not",
  async () => {
    const { withNumbers } = await writing();
    const file: BenchFile = {
      measuredOn: "here",
      runs: 1,
      seconds: 1,
      groups: [group],
      notes: [],
    };
    const text = withNumbers(
      "before\n<!-- bench:report writes this table -->\nold\n<!-- until here -->\nafter\n",
      new Map([["pool", file]]),
    );
    const rows = text.split("\n").filter((line) =>
      line.startsWith("| 100,000")
    );
    assertEquals(rows, [
      "| 100,000 leases of a pool, 50 callers | **2.5** generic-pool, **125** tarn |",
    ]);
    assert(text.startsWith("before\n") && text.endsWith("\nafter\n"));
    assert(!text.includes("old") && !text.includes("| HTTP"));
    assertThrows(() => withNumbers("no marks", new Map()), Error, "README.md");
  },
);

testWith(
  needed,
  "drawChart() draws a bar for each row, readable on a light and on a dark page",
  async () => {
    const { drawChart } = await drawing();
    const svg = drawChart(group);
    for (const text of ["ResourcePool", "10.0 ms", "25.0 ms", "1.25 s"]) {
      assert(svg.includes(text), text);
    }
    assert(svg.includes("&lt;some&gt;"));
    assert(svg.includes("prefers-color-scheme: dark"));
    assert(!svg.includes("NaN"));
  },
);

testWith(
  needed,
  "showTime() takes the unit that fits, and chartName() one name for each group",
  async () => {
    const { showTime } = await drawing();
    const { chartName } = await writing();
    assertEquals(
      [0, 0.0000123, 0.0123, 1.234, 123.4, 12_345].map(showTime),
      ["0", "12.3 ns", "12.3 µs", "1.23 ms", "123 ms", "12.35 s"],
    );
    assertEquals(chartName("pool", group.name), "pool-10-resources-of-some");
    assertEquals(chartName("http", "small body, 1"), "http-small-body-1");
  },
);
