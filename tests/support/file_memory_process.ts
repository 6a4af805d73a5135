/**
 * A process that does one thing with a large file or tree and tells, as JSON, what came of it and
 * the most memory that this held. Arguments: what (see `works`) and the path. Needs
 * `--v8-flags=--expose-gc`: what is garbage does not count.
 *
 * @module
 */
import { AsyncFileReader } from "../../file/read/reader.ts";
import { walkAsync } from "../../file/walk/walk.ts";
import type { WalkOptions } from "../../file/walk/options.ts";

/** What `tests/file/read/full_size_test.ts` reads. */
export interface MemoryReport {
  /** What came out. */
  result: unknown;
  /** Bytes held at most, on the heap and beside it. */
  most: number;
}

const { gc } = globalThis as unknown as { gc(): void };

function held(): number {
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function walk(root: string, options: WalkOptions): Promise<MemoryReport> {
  const before = held();
  let most = 0;
  let count = 0;
  for await (const _entry of walkAsync(root, options)) {
    if (++count % 5_000 === 0) most = Math.max(most, held() - before);
  }
  return { result: count, most };
}

async function readLine(path: string): Promise<MemoryReport> {
  const before = held();
  const lines = new AsyncFileReader(path)
    .streamLines({ maxLineLength: 1_000_000 })[Symbol.asyncIterator]();
  const result = await lines.next().catch((error) => error.name);
  return { result, most: held() - before };
}

const works: Record<string, (path: string) => Promise<MemoryReport>> = {
  "walk": (root) => walk(root, {}),
  "walk, sorted": (root) => walk(root, { sort: true }),
  // Which rules out the synchronous way.
  "walk, asynchronous": (root) => walk(root, { followSymlinks: true }),
  "line too long": readLine,
};

if (import.meta.main) {
  const [work = "", path = ""] = Deno.args;
  console.log(JSON.stringify(await works[work]?.(path)));
}
