/**
 * Runs the benchmarks several times and writes what they say: docs/BENCHMARKS.md with a table for
 * each group (the median of the runs' averages, and the ratio to the first row), and a chart of
 * each group in docs/charts/.
 *
 * Usage: `deno task bench:report [--runs=3] [bench/scheduler_bench.ts …]`
 * With files named, only their groups are measured anew; the others keep what they say.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import * as echarts from "echarts";
import { parseArgs } from "node:util";

interface BenchResult {
  origin: string;
  group: string | null;
  name: string;
  baseline: boolean;
  results: { ok?: { avg: number }; failed?: { message?: string } }[];
}

interface BenchOutput {
  runtime: string;
  cpu: string;
  benches: BenchResult[];
}

/** One line of a group. */
interface Row {
  name: string;
  /** Milliseconds for each iteration: the median over the runs. */
  time: number;
  isBaseline: boolean;
}

/** One group, as it is kept in docs/charts/results.json between reports. */
interface Group {
  file: string;
  name: string;
  measuredOn: string;
  rows: Row[];
}

const root = new URL("../", import.meta.url);
const charts = new URL("docs/charts/", root);
const resultsFile = new URL("results.json", charts);

const { values, positionals } = parseArgs({
  options: { runs: { type: "string", default: "3" } },
  allowPositionals: true,
});
const runs = Number(values.runs);
if (!Number.isSafeInteger(runs) || runs < 1) {
  console.error(`--runs must be a positive integer, got ${values.runs}`);
  Deno.exit(2);
}

const files = positionals.length > 0 ? positionals : await benchFiles();
const groups = await readGroups();
for (const file of files) {
  console.log(`${file}, ${runs} runs`);
  for (const group of await measure(file)) {
    groups.set(`${group.file} ${group.name}`, group);
  }
  await Deno.mkdir(charts, { recursive: true });
  await Deno.writeTextFile(
    resultsFile,
    JSON.stringify([...groups.values()], undefined, 2) + "\n",
  );
}
await writeReport([...groups.values()]);

async function benchFiles(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("bench/", root))) {
    if (name.endsWith("_bench.ts")) names.push(`bench/${name}`);
  }
  return names.sort();
}

async function readGroups(): Promise<Map<string, Group>> {
  try {
    const kept: Group[] = JSON.parse(await Deno.readTextFile(resultsFile));
    return new Map(kept.map((group) => [`${group.file} ${group.name}`, group]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

async function measure(file: string): Promise<Group[]> {
  const times = new Map<string, Map<string, number[]>>();
  const baselines = new Set<string>();
  let machine = "";
  for (let run = 0; run < runs; run++) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["bench", "--allow-all", "--no-check", "--quiet", "--json", file],
      cwd: root,
      stderr: "inherit",
    }).output();
    if (code !== 0) throw new Error(`${file} ended with ${code}`);
    const text = new TextDecoder().decode(stdout);
    // A bench may print lines of its own before.
    const output: BenchOutput = JSON.parse(text.slice(text.indexOf("{\n")));
    const cores = navigator.hardwareConcurrency;
    machine = `${output.runtime}, ${output.cpu}, ${cores} cores`;
    for (const { group, name, baseline, results } of output.benches) {
      const average = results[0]?.ok?.avg;
      if (average === undefined) throw new Error(`${file}: ${name} failed`);
      const ofGroup = times.get(group ?? "") ?? new Map<string, number[]>();
      times.set(group ?? "", ofGroup);
      ofGroup.set(name, [...ofGroup.get(name) ?? [], average / 1e6]);
      if (baseline) baselines.add(`${group} ${name}`);
    }
  }
  return [...times].map(([name, ofGroup]) => ({
    file,
    name,
    measuredOn: machine,
    rows: [...ofGroup].map(([row, all]) => ({
      name: row,
      time: median(all),
      isBaseline: baselines.has(`${name} ${row}`),
    })),
  }));
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  // Not empty: every row was measured.
  return sorted[sorted.length >> 1]!;
}

function show(milliseconds: number): string {
  if (milliseconds === 0) return "0";
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  if (milliseconds >= 1) return `${milliseconds.toPrecision(3)} ms`;
  if (milliseconds >= 1e-3) return `${(milliseconds * 1e3).toPrecision(3)} µs`;
  return `${(milliseconds * 1e6).toPrecision(3)} ns`;
}

async function writeReport(all: Group[]): Promise<void> {
  const lines = [
    "# Benchmarks",
    "",
    "Written by `deno task bench:report`. Times are for one iteration of each benchmark: the",
    "median of the averages of several runs. On another machine the times differ; the ratios,",
    "taken in one run, are what to look at: above 1 the first row is faster.",
    "",
  ];
  for (const group of all.toSorted((a, b) => a.file.localeCompare(b.file))) {
    const base = group.rows.find((row) => row.isBaseline) ?? group.rows[0];
    if (base === undefined) continue;
    const chart = `${slug(group.name)}.svg`;
    await Deno.writeTextFile(new URL(chart, charts), draw(group));
    lines.push(
      `## ${group.name}`,
      "",
      `[${group.file}](../${group.file}), ${group.measuredOn}`,
      "",
      `![${group.name}](charts/${chart})`,
      "",
      "| | time | ratio |",
      "| --- | --- | --- |",
    );
    for (const row of group.rows) {
      const ratio = row === base ? "1" : (row.time / base.time).toFixed(2);
      lines.push(
        `| ${row === base ? `**${row.name}**` : row.name} | ${
          show(row.time)
        } | ${ratio} |`,
      );
    }
    lines.push("");
  }
  const file = new URL("docs/BENCHMARKS.md", root);
  await Deno.writeTextFile(file, lines.join("\n"));
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", fromFileUrl(file), fromFileUrl(resultsFile)],
  }).output();
}

function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** A bar for each row, the shortest on top; ours in another colour. */
function draw(group: Group): string {
  const rows = group.rows.toSorted((a, b) => b.time - a.time);
  const base = group.rows.find((row) => row.isBaseline) ?? group.rows[0];
  const spread = (rows[0]?.time ?? 1) / (rows.at(-1)?.time ?? 1);
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: 760,
    height: 70 + 30 * rows.length,
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: group.name, left: 8, textStyle: { fontSize: 14 } },
    grid: { left: 290, right: 90, top: 36, bottom: 24 },
    // A peer that is a hundred times slower would leave the others no length.
    xAxis: {
      type: spread > 40 ? "log" : "value",
      min: spread > 40 ? (rows.at(-1)?.time ?? 1) / 2 : 0,
      axisLabel: {
        formatter: (value: number) => show(value),
        hideOverlap: true,
      },
      splitLine: { lineStyle: { color: "#eeeeee" } },
    },
    yAxis: {
      type: "category",
      data: rows.map(({ name }) => name),
      axisLabel: { width: 270, overflow: "truncate" },
      axisTick: { show: false },
    },
    series: [{
      type: "bar",
      barWidth: 16,
      label: {
        show: true,
        position: "right",
        formatter: ({ dataIndex }: { dataIndex: number }) =>
          show(rows[dataIndex]?.time ?? 0),
      },
      data: rows.map((row) => ({
        value: row.time,
        itemStyle: { color: row === base ? "#2563eb" : "#cbd5e1" },
      })),
    }],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg + "\n";
}
