/**
 * Builds a folder, and again whatever changes in it, until Ctrl-C: each `.md` becomes `.html`.
 * Saves of the same moment are built together, a save during a build is built after it, a file
 * that goes takes its output along, and a build that is interrupted leaves no half file.
 *
 *     deno run --allow-read --allow-write watch_and_build.ts <source> <output>
 *
 * @module
 */
import {
  AsyncDirectoryWatcher,
  asyncMkdir,
  asyncReadFile,
  asyncRun,
  AsyncRunner,
  asyncWriteFile,
  type WatchEvent,
} from "../mod.ts";
import { dirname, join, relative } from "@std/path";

/** What to build, and whom to tell. */
export interface BuildOptions {
  readonly source: string;
  readonly output: string;
  readonly signal: AbortSignal;
  /** Told what was built (or removed) together, and which of it failed. */
  readonly onBuilt: (paths: string[], failures: Error[]) => void;
}

/** Builds until `signal` aborts, which is not an error. */
export async function watchAndBuild(options: BuildOptions): Promise<void> {
  const { source, output, signal, onBuilt } = options;
  await asyncMkdir(output, { parents: true });
  await using runner = new AsyncRunner({ maxWorkers: 8, signal });
  await using watcher = new AsyncDirectoryWatcher(source, {
    patterns: "*.md",
    initial: true, // the first build is that everything has just been created
    debounce: 20,
    signal,
  });
  const build = (event: WatchEvent) => applyEvent(source, output, event);
  try {
    const batches = watcher.watch().batch(1000, { timeout: 20 });
    for await (const events of batches) {
      const outcomes = await runner.gather(
        events.map((event) => () => build(event)),
        { settled: true },
      );
      signal.throwIfAborted();
      const failures = outcomes.flatMap((outcome) =>
        outcome.status === "rejected" ? [outcome.reason as Error] : []
      );
      onBuilt(events.map(({ path }) => relative(source, path)), failures);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Brings the output to what the event says. */
async function applyEvent(
  source: string,
  output: string,
  { kind, path, from }: WatchEvent,
): Promise<void> {
  const target = (path: string) =>
    join(output, relative(source, path).replace(/\.md$/, ".html"));
  if (from !== undefined) await removeIfThere(target(from));
  if (kind === "remove") return await removeIfThere(target(path));
  await asyncMkdir(dirname(target(path)), { parents: true });
  const html = toHtml(await asyncReadFile(path));
  await asyncWriteFile(target(path), html, { atomic: true, fsync: false });
}

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Headings and paragraphs: enough to see that something was built. */
export function toHtml(markdown: string): string {
  const escaped = markdown.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return escaped.split(/\n{2,}/).map((block) => {
    const [, marks, heading] = /^(#{1,6}) (.*)/.exec(block) ?? [];
    return marks === undefined
      ? `<p>${block.trim()}</p>\n`
      : `<h${marks.length}>${heading}</h${marks.length}>\n`;
  }).join("");
}

if (import.meta.main) {
  const [source, output] = Deno.args;
  if (source === undefined || output === undefined) {
    console.error("Usage: watch_and_build.ts <source> <output>");
    Deno.exit(2);
  }
  await asyncRun(({ signal }) =>
    watchAndBuild({
      ...{ source, output, signal },
      onBuilt(paths, failures) {
        console.log(`built ${paths.length}: ${paths.join(", ")}`);
        for (const failure of failures) console.error(String(failure));
      },
    })
  ).catch((error) => {
    console.error(String(error));
    Deno.exitCode = 1;
  });
}
