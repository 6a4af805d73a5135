/**
 * Runs the benchmarks several times and writes what they say: docs/BENCHMARKS.md with a table for
 * each group (the median of the runs' averages, and the ratio to the first row), and a chart of
 * each group in docs/charts/, and the table of numbers in README.md.
 *
 * Usage: `deno task bench:report [options]`
 *
 *     --only=streams,file   these bench files; the others keep what they said last
 *     --runs=3              how often each file is run
 *     --full                the sizes that the promises speak of (BENCH_FULL=1)
 *     --limit=900           seconds after which a run of one file is given up
 *     --list                says what there is, and how long each took last time
 *     --draw                measures nothing: writes the report anew from what was measured last
 *
 * What was measured is kept after each file, so an interrupted report is not lost. A file or row
 * that fails keeps its last numbers, is named at the end, and makes the exit code 1.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Failure, measure } from "./bench_report/measure.ts";
import {
  type BenchFile,
  readResults,
  writeResults,
} from "./bench_report/results.ts";
import { writeReport } from "./bench_report/write_report.ts";

const root = new URL("../", import.meta.url);

const values = options();
const runs = positive("runs", values.runs);
const limit = positive("limit", values.limit) * 1000;
const known = await benchNames();
const chosen = values.only?.split(",") ?? known;
for (const name of chosen) {
  if (known.includes(name)) continue;
  console.error(
    `--only: there is no bench ${name}; there are ${known.join(", ")}`,
  );
  Deno.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        only: { type: "string" },
        runs: { type: "string", default: "3" },
        limit: { type: "string", default: "900" },
        full: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        draw: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exit(2);
  }
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  console.error(`--${name} must be a positive integer, got ${value}`);
  Deno.exit(2);
}

async function benchNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("bench/", root))) {
    if (name.endsWith("_bench.ts")) {
      names.push(name.slice(0, -"_bench.ts".length));
    }
  }
  return names.sort();
}

function duration(seconds: number): string {
  return seconds < 90
    ? `${seconds.toFixed(0)} s`
    : `${(seconds / 60).toFixed(1)} min`;
}

const results = await readResults();
if (values.list) {
  let total = 0;
  for (const name of known) {
    const file = results.get(name);
    total += (file?.seconds ?? 0) * runs;
    console.log(
      name.padEnd(12),
      file === undefined
        ? "not measured yet"
        : `${file.groups.length} groups, ${duration(file.seconds)} a run`,
    );
  }
  console.log(`Together about ${duration(total)} for ${runs} runs`);
  Deno.exit();
}

const failures: Failure[] = [];
if (!values.draw) {
  const expected = chosen.reduce(
    (sum, name) => sum + (results.get(name)?.seconds ?? 0) * runs,
    0,
  );
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  console.log(
    `${chosen.length} bench files, ${runs} runs each` +
      (expected > 0 ? `, about ${duration(expected)} by the last report` : ""),
  );
  for (const [index, name] of chosen.entries()) {
    const began = passed();
    const before: BenchFile | undefined = results.get(name);
    const { file, failed } = await measure(name, before, {
      root,
      runs,
      limit,
      isFull: values.full,
    });
    failures.push(...failed);
    if (file !== undefined) {
      results.set(name, file);
      await writeResults(results);
    }
    console.log(
      `${index + 1} of ${chosen.length}  ${name.padEnd(12)} ${
        duration(passed() - began)
      }, ${duration(passed())} together`,
    );
  }
}
await writeReport(root, known, results);
for (const { where, what } of failures) {
  console.error(`FAILED  ${where}: ${what}`);
}
if (failures.length > 0) Deno.exit(1);
