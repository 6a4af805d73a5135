/**
 * What was measured, as it is kept in docs/charts/results.json from one report to the next.
 *
 * @module
 */

/** One line of a group. */
export interface Row {
  readonly name: string;
  /** Milliseconds for each iteration: the median over the runs. */
  readonly time: number;
  readonly isBaseline: boolean;
}

/** One group of a file. */
export interface Group {
  readonly name: string;
  readonly rows: readonly Row[];
}

/** What one bench file said last. */
export interface BenchFile {
  readonly measuredOn: string;
  readonly runs: number;
  /** How long one run took. */
  readonly seconds: number;
  readonly groups: readonly Group[];
  /** Lines of its own that it printed, such as memory. */
  readonly notes: readonly string[];
}

const location = new URL("../../docs/charts/results.json", import.meta.url);

/** By the file's name, without `_bench.ts`. */
export async function readResults(): Promise<Map<string, BenchFile>> {
  try {
    const kept: Record<string, BenchFile> = JSON.parse(
      await Deno.readTextFile(location),
    );
    return new Map(Object.entries(kept));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

/** Keeps them. */
export async function writeResults(
  results: ReadonlyMap<string, BenchFile>,
): Promise<void> {
  await Deno.mkdir(new URL("./", location), { recursive: true });
  const sorted = [...results].sort(([a], [b]) => a < b ? -1 : 1);
  await Deno.writeTextFile(
    location,
    JSON.stringify(Object.fromEntries(sorted), undefined, 2) + "\n",
  );
}
