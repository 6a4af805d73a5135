/**
 * One scheduler for everything: a tree walk, a stream's concurrent map, an HTTP batch, downloads
 * and CPU work on other threads share one runner, and with it one limit, one order of priorities,
 * one end and one trace.
 *
 *     deno run --allow-read --allow-write --allow-net examples/one_scheduler.ts
 *
 * With `--timeline=<file>` it writes what ran when, for https://ui.perfetto.dev; with
 * `OTEL_DENO=true` it exports its spans, all under one root.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import {
  asyncBatchRequests,
  asyncDownload,
  AsyncHTTPClient,
  asyncRun,
  AsyncRunner,
  AsyncStream,
  asyncWriteFile,
  span,
  TaskPriority,
  walkAsync,
} from "../mod.ts";
import { Gauge } from "./one_scheduler/gauge.ts";
import { serveOrigin } from "./one_scheduler/origin.ts";

/** Where the work is, and who does it. */
export interface Work {
  readonly runner: AsyncRunner;
  readonly client: AsyncHTTPClient;
  /** A directory to walk. */
  readonly tree: string;
  /** Answers `/item/<n>` with JSON and `/file/<n>` with a file. */
  readonly origin: string;
  /** A directory for the downloads. */
  readonly target: string;
  /** How much of each kind. */
  readonly count: number;
  readonly priority?: TaskPriority;
  readonly signal?: AbortSignal;
}

/** What came of it. */
export interface Results {
  readonly files: number;
  readonly squares: number[];
  readonly items: unknown[];
  readonly bytes: number;
  readonly primes: number[];
}

const primes = import.meta.resolve("./one_scheduler/primes.ts");

/** All five kinds of work at once. Whatever ends it ends all of it. */
export async function doEverything(work: Work): Promise<Results> {
  const { runner, client, priority, count, origin, target } = work;
  const numbers = Array.from({ length: count }, (_, n) => n);
  let parts: PromiseLike<unknown>[] = [];
  try {
    return await runner.scope(async (scope) => {
      // A scope is a runner: what is given it uses its limit and ends with it.
      const shared = { runner: scope, priority };
      const files = walkAsync(work.tree, shared).count();
      const squares = AsyncStream.from(numbers)
        .map(async function square(n) {
          await Promise.resolve();
          return n * n;
        }, shared).collect();
      const items = asyncBatchRequests(
        numbers.map((n) => `${origin}/item/${n}`),
        { ...shared, client, map: (response) => response.json() },
      );
      const downloads = numbers.map((n) =>
        asyncDownload(`${origin}/file/${n}`, `${target}/${n}.bin`, {
          ...shared,
          client,
          segments: n % 2 + 1, // every other one in two segments
        })
      );
      const counts = numbers.map((n) =>
        runner.offload<number>(primes, "countPrimes", [10_000 + n], {
          priority,
          signal: scope.signal,
        })
      );
      parts = [files, squares, items, ...downloads, ...counts];
      await Promise.all(parts);
      return {
        files: await files,
        squares: await squares,
        items: await items,
        bytes: (await Promise.all(downloads)).reduce((a, b) => a + b.bytes, 0),
        primes: await Promise.all(counts),
      };
    }, { signal: work.signal });
  } finally {
    // The tasks have ended with the scope; what they were part of closes its files after that.
    await Promise.allSettled(parts);
  }
}

/** A large load in the background, and a small one that cannot wait. */
async function main(signal: AbortSignal, timeline?: string): Promise<void> {
  const gauge = new Gauge();
  const target = await Deno.makeTempDir();
  try {
    await using origin = serveOrigin();
    await using client = new AsyncHTTPClient();
    await using runner = new AsyncRunner({
      maxWorkers: 4,
      observer: gauge,
      timeline: timeline === undefined ? undefined : 1_000,
    });
    const tree = fromFileUrl(new URL("../runner", import.meta.url));
    const work = { runner, client, tree, origin: origin.url, signal };
    const began = performance.now();
    const timed = (name: string, count: number, priority: TaskPriority) =>
      span(name, { count, priority }, async () => {
        await Deno.mkdir(`${target}/${priority}`);
        const into = { count, priority, target: `${target}/${priority}` };
        await doEverything({ ...work, ...into });
        return `${(performance.now() - began).toFixed(0)} ms`;
      });
    const [large, urgent] = await span("one_scheduler", {}, () =>
      Promise.all([
        timed("large load", 40, TaskPriority.BACKGROUND),
        timed("urgent load", 3, TaskPriority.CRITICAL),
      ]));
    if (timeline !== undefined) {
      await asyncWriteFile(timeline, JSON.stringify(runner.timeline()));
    }
    console.log(
      `CRITICAL work done after ${urgent}, BACKGROUND after ${large}`,
    );
    console.log(`Slots in use at most: ${gauge.peak} of 4`);
    console.log(`Started before a CRITICAL task: ${gauge.wrongStarts}`);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

if (import.meta.main) {
  const option = "--timeline=";
  const [file, ...more] = Deno.args;
  if (more.length > 0 || (file && !file.startsWith(option))) {
    console.error("Usage: one_scheduler.ts [--timeline=<file>]");
    Deno.exit(2);
  }
  await asyncRun(({ signal }) => main(signal, file?.slice(option.length)));
}
