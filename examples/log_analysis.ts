/**
 * Analyses access logs of any size in constant memory: walk to the files, read their lines, add
 * up by minute, slide a window over the minutes to find where errors pile up, write JSON.
 *
 *     deno run --allow-read --allow-write log_analysis.ts <directory of *.log> <report.json>
 *
 * Without arguments it generates 1,000,000 lines first and analyses those.
 *
 * @module
 */
import {
  AsyncFileReader,
  asyncRun,
  AsyncRunner,
  AsyncStream,
  asyncWriteFile,
  walkAsync,
} from "../mod.ts";
import { generateLogs } from "./log_analysis/generate.ts";
import { type Minute, Totals } from "./log_analysis/totals.ts";

/** What is written. */
export interface Report {
  readonly files: number;
  readonly lines: number;
  readonly malformed: number;
  readonly paths: Record<string, number>;
  /** When more than a tenth of the requests of five minutes failed. */
  readonly incident: { from: string; to: string; errors: number } | null;
}

/** Analyses every `*.log` below `directory`, four at a time, and writes the report. */
export async function analyzeLogs(
  directory: string,
  reportPath: string,
  signal: AbortSignal,
): Promise<Report> {
  await using runner = new AsyncRunner({ maxWorkers: 4, signal });
  let files = 0;
  const totals = new Totals();
  const analyzed = walkAsync(directory, { pattern: "*.log", runner, signal })
    .map(({ path }) => analyzeFile(path, signal), { runner, ordered: false });
  for await (const file of analyzed) {
    files++;
    totals.addAll(file);
  }
  const { lines, malformed } = totals;
  const paths = [...totals.paths].sort(([a], [b]) => a < b ? -1 : 1);
  const report: Report = {
    files,
    lines,
    malformed,
    paths: Object.fromEntries(paths),
    incident: await findIncident(totals.minutes()),
  };
  const json = JSON.stringify(report, null, 2);
  await asyncWriteFile(reportPath, json, { atomic: true, signal });
  return report;
}

async function analyzeFile(path: string, signal: AbortSignal): Promise<Totals> {
  await using reader = new AsyncFileReader(path, { signal });
  const totals = new Totals();
  await reader.streamLines({ maxLineLength: 10_000 })
    .forEach((line) => totals.add(line));
  return totals;
}

/** Looks at five minutes at a time, moving on by one. */
async function findIncident(minutes: Minute[]): Promise<Report["incident"]> {
  const bad = await AsyncStream.from(minutes)
    .window(5)
    .filter((window) => sum(window, "errors") > sum(window, "requests") / 10)
    .flatten()
    .filter(({ errors }) => errors > 0)
    .toSet(); // windows overlap
  const [first] = bad;
  const last = [...bad].at(-1);
  if (first === undefined || last === undefined) return null;
  return { from: first.time, to: last.time, errors: sum([...bad], "errors") };
}

function sum(minutes: Minute[], of: "requests" | "errors"): number {
  return minutes.reduce((sum, minute) => sum + minute[of], 0);
}

async function main(signal: AbortSignal): Promise<void> {
  const [directory, reportPath = "report.json"] = Deno.args;
  if (directory !== undefined) {
    console.log(await analyzeLogs(directory, reportPath, signal));
    return;
  }
  const root = await Deno.makeTempDir();
  try {
    await generateLogs(root, 4, 250_000, signal);
    const began = performance.now();
    console.log(await analyzeLogs(root, `${root}/report.json`, signal));
    console.log(`in ${(performance.now() - began).toFixed(0)} ms`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

if (import.meta.main) {
  if (Deno.args.length > 2 || Deno.args[0]?.startsWith("-")) {
    console.error("Usage: log_analysis.ts [directory of *.log [report.json]]");
    Deno.exit(2);
  }
  await asyncRun(({ signal }) => main(signal)).catch((error) => {
    console.error(String(error));
    Deno.exitCode = 1;
  });
}
