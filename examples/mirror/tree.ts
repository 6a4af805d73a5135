/**
 * What the program's own origin serves: the sources of this project and some of what Deno has
 * cached from npm, with the SHA-256 of each file.
 *
 * @module
 */
import { join, relative } from "@std/path";
import { asyncHashFile, AsyncStream, walkAsync } from "../../mod.ts";
import type { ServedFile } from "./origin.ts";

/** How many files are taken: some hundred show as much as ten thousand. */
const projectFiles = 160;
const npmFiles = 100;
/** So many of each are the largest ones, up to this size. */
const largeFiles = 5;
const largest = 8_000_000;

/** What stands in the project's folder without being part of it. */
const notOurs = [".git", "node_modules", "coverage", "mirror"];

interface Found {
  readonly path: string;
  readonly source: string;
  readonly size: number;
}

/** Lists and hashes the files. */
export async function collectTree(signal: AbortSignal): Promise<ServedFile[]> {
  const project = join(import.meta.dirname ?? ".", "..", "..");
  const ours: Found[] = [];
  for await (const { name, isDirectory } of Deno.readDir(project)) {
    if (!isDirectory || notOurs.includes(name)) continue;
    ours.push(...await list(join(project, name), `project/${name}`, signal));
  }
  const cache = await npmCache();
  const others = cache === undefined ? [] : await list(cache, "npm", signal);
  return await AsyncStream
    .from([...pick(ours, projectFiles), ...pick(others, npmFiles)])
    .map(async (file): Promise<ServedFile> => ({
      ...file,
      sha256: await asyncHashFile(file.source, { signal }),
    }), { concurrency: 8 })
    .collect();
}

/** Every file below `root`, its path beginning with `name`. */
async function list(
  root: string,
  name: string,
  signal: AbortSignal,
): Promise<Found[]> {
  return await walkAsync(root, { signal })
    .filter((entry) => entry.isFile)
    .map(async ({ path }): Promise<Found> => ({
      path: [name, ...relative(root, path).split(/[\\/]/)].join("/"),
      source: path,
      size: (await Deno.stat(path)).size,
    }), { concurrency: 16 })
    .filter(({ size }) => size <= largest)
    .collect();
}

/** The largest files and, spread evenly over the rest, some others. */
function pick(found: Found[], count: number): Found[] {
  const large = new Set(
    found.toSorted((a, b) => b.size - a.size).slice(0, largeFiles),
  );
  const rest = found.filter((file) => !large.has(file)).toSorted(byPath);
  const step = Math.max(1, rest.length / (count - large.size));
  return [...large, ...rest.filter((_, n) => n % step < 1)].toSorted(byPath);
}

function byPath(a: Found, b: Found): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

/** Where Deno keeps what it has from npm; undefined when there is nothing yet. */
async function npmCache(): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  if (!success) return undefined;
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as {
    npmCache?: string;
  };
  if (npmCache === undefined) return undefined;
  const isThere = await Deno.stat(npmCache).then(
    (info) => info.isDirectory,
    () => false,
  );
  return isThere ? npmCache : undefined;
}
