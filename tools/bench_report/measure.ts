/**
 * Runs one bench file several times and takes the median of each row.
 *
 * @module
 */
import type { BenchFile, Group } from "./results.ts";

interface BenchOutput {
  runtime: string;
  cpu: string;
  benches: {
    group: string | null;
    name: string;
    baseline: boolean;
    results: { ok?: { avg: number }; failed?: unknown }[];
  }[];
}

/** How to measure. */
export interface MeasureOptions {
  readonly root: URL;
  readonly runs: number;
  /** Milliseconds after which a run is given up. */
  readonly limit: number;
  readonly isFull: boolean;
}

/** What could not be measured. */
export interface Failure {
  readonly where: string;
  readonly what: string;
}

/** What `deno bench` says of `bench/<name>_bench.ts`. Never rejects for what a bench does. */
export async function measure(
  name: string,
  before: BenchFile | undefined,
  options: MeasureOptions,
): Promise<{ file: BenchFile | undefined; failed: Failure[] }> {
  const failed = new Map<string, string>();
  const times = new Map<string, Map<string, number[]>>();
  const baselines = new Set<string>();
  let machine = "";
  let notes: string[] = [];
  const seconds: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const start = performance.now();
    const output = await runOnce(`bench/${name}_bench.ts`, options);
    if (typeof output === "string") {
      failed.set(`${name}, run ${run + 1}`, output);
      continue;
    }
    seconds.push((performance.now() - start) / 1000);
    notes = output.notes;
    const cores = navigator.hardwareConcurrency;
    machine = `${output.runtime}, ${output.cpu}, ${cores} cores`;
    for (const { group, name: row, baseline, results } of output.benches) {
      const average = results[0]?.ok?.avg;
      if (average === undefined) {
        const what = results[0]?.failed ?? "no result";
        failed.set(`${name}: ${row}`, JSON.stringify(what).slice(0, 300));
        continue;
      }
      const ofGroup = times.get(group ?? "") ?? new Map<string, number[]>();
      times.set(group ?? "", ofGroup);
      ofGroup.set(row, [...ofGroup.get(row) ?? [], average / 1e6]);
      if (baseline) baselines.add(`${group} ${row}`);
    }
  }
  const groups = [...times].map(([group, ofGroup]): Group => ({
    name: group,
    rows: [...ofGroup].map(([row, all]) => ({
      name: row,
      time: median(all),
      isBaseline: baselines.has(`${group} ${row}`),
    })),
  }));
  const failures = [...failed].map(([where, what]) => ({ where, what }));
  if (groups.length === 0) return { file: before, failed: failures };
  return {
    file: {
      measuredOn: machine,
      runs: seconds.length,
      seconds: Math.round(median(seconds)),
      groups,
      notes,
    },
    failed: failures,
  };
}

/** A string says what went wrong. */
async function runOnce(
  file: string,
  { root, limit, isFull }: MeasureOptions,
): Promise<BenchOutput & { notes: string[] } | string> {
  const signal = AbortSignal.timeout(limit);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["bench", "--allow-all", "--no-check", "--quiet", "--json", file],
    cwd: root,
    env: { NO_COLOR: "1", ...(isFull ? { BENCH_FULL: "1" } : undefined) },
    stdin: "null",
    stderr: "inherit",
    signal,
  }).output();
  if (signal.aborted) return `took longer than ${limit / 1000} s`;
  const text = new TextDecoder().decode(stdout);
  // A bench may print lines of its own before.
  const begin = text.search(/^\{$/m);
  if (begin === -1) {
    return code === 0
      ? `measured nothing: ${text.trim().slice(0, 200)}`
      : `ended with ${code}`;
  }
  const notes = text.slice(0, begin).split("\n")
    .filter((line) => line.startsWith("# ")).map((line) => line.slice(2));
  return { ...JSON.parse(text.slice(begin)) as BenchOutput, notes };
}

/** The middle one; of at least one. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!; // not empty: see above
}
