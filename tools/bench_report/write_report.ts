/**
 * Writes docs/BENCHMARKS.md and the charts.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { CLAIMS } from "./claims.ts";
import { baseOf, drawChart, showTime } from "./draw_chart.ts";
import { HEADLINES } from "./headlines.ts";
import type { BenchFile, Group } from "./results.ts";

/** In this order; what is not named comes last. */
const TITLES: Readonly<Record<string, string>> = {
  scheduler: "Tasks",
  streams: "Streams",
  queue: "Queues",
  http: "HTTP",
  breaker: "Breakers and retries",
  download: "Downloads",
  file: "Files",
  walk: "Walking trees",
  pool: "Pools",
  cluster: "Many machines",
};

/** Writes the page and a chart of each group; removes the charts of groups that are gone. */
export async function writeReport(
  root: URL,
  known: readonly string[],
  results: ReadonlyMap<string, BenchFile>,
): Promise<void> {
  const charts = new URL("docs/charts/", root);
  const lines = [
    "# Benchmarks",
    "",
    "Written by `deno task bench:report` (`--list` says what there is). Times are for one",
    "iteration of each benchmark: the median of the averages of several runs. On another machine",
    "the times differ; the ratios, taken in one run, are what to look at: above 1 the **bold**",
    "row is faster. Peers do what they can of the same; what they lack is in [the pages of the",
    "parts](README.md).",
    "",
    ...claims(results.get("claims")),
  ];
  const written = new Set<string>();
  const order = [...Object.keys(TITLES), ...known];
  const names = known.filter((name) => name !== "claims" && results.has(name))
    .sort((a, b) => order.indexOf(a) - order.indexOf(b));
  for (const name of names) {
    const file = results.get(name)!; // filtered above
    lines.push(
      `## ${TITLES[name] ?? name}`,
      "",
      `[bench/${name}_bench.ts](../bench/${name}_bench.ts), ${file.measuredOn}, ${file.runs} ${
        file.runs === 1 ? "run" : "runs"
      }`,
      "",
    );
    for (const group of file.groups) {
      const chart = `${chartName(name, group.name)}.svg`;
      written.add(chart);
      await Deno.writeTextFile(new URL(chart, charts), drawChart(group));
      lines.push(
        `### ${group.name}`,
        "",
        `![${group.name}](charts/${chart})`,
        "",
      );
      lines.push(...table(group), "");
    }
    if (file.notes.length > 0) {
      lines.push(
        "Noted on the way:",
        "",
        ...file.notes.map((note) => `- ${note}`),
        "",
      );
    }
  }
  for await (const { name } of Deno.readDir(charts)) {
    if (name.endsWith(".svg") && !written.has(name)) {
      await Deno.remove(new URL(name, charts));
    }
  }
  const page = new URL("docs/BENCHMARKS.md", root);
  await Deno.writeTextFile(page, lines.join("\n"));
  const readme = new URL("README.md", root);
  const text = await Deno.readTextFile(readme);
  await Deno.writeTextFile(readme, withNumbers(text, results));
  await new Deno.Command(Deno.execPath(), {
    args: [
      ...["fmt", "--quiet", fromFileUrl(page), fromFileUrl(readme)],
      fromFileUrl(new URL("results.json", charts)),
    ],
  }).output();
}

/** README.md's table stands between these. */
const BEGIN = "<!-- bench:report writes this table -->";
const END = "<!-- until here -->";

/** The text with the table of what was measured in its place. */
export function withNumbers(
  text: string,
  results: ReadonlyMap<string, BenchFile>,
): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) {
    throw new Error(`README.md has lost the lines ${BEGIN} and ${END}`);
  }
  const rows = HEADLINES.flatMap(
    ({ what, file, group: start, ours, beside }) => {
      const group = results.get(file)?.groups.find(({ name }) =>
        name.startsWith(start)
      );
      const rowOf = (name: string) =>
        group?.rows.find((row) => row.name.startsWith(name));
      const own = rowOf(ours);
      const ratios = beside.flatMap(([name, label]) => {
        const row = rowOf(name);
        if (own === undefined || row === undefined) return [];
        return [`**${showRatio(row.time / own.time)}** ${label}`];
      });
      return ratios.length === 0 ? [] : [`| ${what} | ${ratios.join(", ")} |`];
    },
  );
  return [
    text.slice(0, begin) + BEGIN,
    "",
    "| what | so many times as fast as |",
    "| --- | --- |",
    ...rows,
    "",
    text.slice(end),
  ].join("\n");
}

/** Two digits that mean something. */
function showRatio(ratio: number): string {
  return ratio >= 9.95 ? ratio.toFixed(0) : ratio.toPrecision(2);
}

function table(group: Group): string[] {
  const base = baseOf(group);
  return [
    "| | time | ratio |",
    "| --- | --- | --- |",
    ...group.rows.map((row) => {
      const ratio = base === undefined || row === base
        ? "1"
        : (row.time / base.time).toFixed(2);
      const name = row === base ? `**${row.name}**` : row.name;
      return `| ${name} | ${showTime(row.time)} | ${ratio} |`;
    }),
  ];
}

/** What async_core's documentation claims, beside what is measured here. */
function claims(file: BenchFile | undefined): string[] {
  if (file === undefined) return [];
  const rows = CLAIMS.flatMap(({ claim, group: start, limit }) => {
    const group = file.groups.find(({ name }) => name.startsWith(start));
    const base = group && baseOf(group);
    const other = group?.rows.find((row) => row !== base);
    if (group === undefined || base === undefined || other === undefined) {
      return [];
    }
    const what = group.name.replace(/^claim: /, "");
    return [
      `| ${claim} | ${what} | ${showTime(other.time)} | ${
        showTime(base.time)
      } | ${(other.time / base.time).toFixed(1)}x | ${limit} |`,
    ];
  });
  return [
    "## What the source document claims",
    "",
    "The Python `async_core` gives a table of what it is faster than doing one thing after the",
    `other. The same here ([bench/claims_bench.ts](../bench/claims_bench.ts), ${file.measuredOn}):`,
    "",
    "| async_core | measured here | one after the other | with this package | ratio | what limits it |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ];
}

/** A file name for the chart of a group, which no other file's group has. */
export function chartName(file: string, group: string): string {
  const full = group.startsWith(file) ? group : `${file} ${group}`;
  return full.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}
