/**
 * What `deno task mutate` mutates, and which tests must notice.
 *
 * @module
 */
import { walk } from "@std/fs/walk";
import { fromFileUrl } from "@std/path/from-file-url";
import { relative } from "@std/path/relative";

/** A folder of the package. */
export interface Area {
  /** The core files by name, wherever below the folder they are. */
  readonly files: readonly string[];
  /** Where the tests are: of those, only what reaches a mutant is run for it. */
  readonly tests: readonly string[];
}

/** The folders, by name. */
export const AREAS: Readonly<Record<string, Area>> = {
  _internal: {
    files: [
      ...["concurrent_map.ts", "upstream.ts", "waiting_line.ts"],
      ...["ring.ts", "timer_queue.ts", "abort.ts"],
    ],
    tests: ["tests/_internal", "tests/runner", "tests/streams"],
  },
  runner: {
    files: [
      ...["scheduler.ts", "scheduler/core.ts", "dispatcher.ts", "slots.ts"],
      ...["endings.ts", "waiting_queue.ts", "keyed_queue.ts"],
      ...["pool/core.ts", "shelf.ts"],
    ],
    tests: ["tests/runner"],
  },
  streams: {
    files: ["push_loop.ts", "drive.ts", "async_queue.ts", "queue_iterator.ts"],
    tests: ["tests/streams"],
  },
  file: {
    files: ["write_queue.ts", "atomic.ts"],
    tests: ["tests/file"],
  },
  http: {
    files: [
      ...["circuit_breaker.ts", "sliding_window.ts"],
      ...["retry_policy.ts", "retry_decision.ts", "retry_after.ts"],
      ...["retry_budget.ts", "with_retry.ts"],
      ...["redirects.ts", "connections.ts"],
      ...["byte_ranges.ts", "part_file.ts"],
    ],
    tests: ["tests/http"],
  },
};

/** The repository. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** The files below `folder`, as seen from the repository, sorted. */
export async function filesIn(folder: string, end: string): Promise<string[]> {
  const paths: string[] = [];
  const walked = walk(`${ROOT}${folder}`, { includeDirs: false });
  for await (const { path } of walked) {
    const file = relative(ROOT, path).replaceAll("\\", "/");
    if (file.endsWith(end)) paths.push(file);
  }
  return paths.sort();
}

/**
 * The paths of an area's core files.
 *
 * @throws {Error} If a name is nobody's any more.
 */
export async function coreFiles(area: string): Promise<string[]> {
  const present = await filesIn(area, ".ts");
  return (AREAS[area]?.files ?? []).flatMap((name) => {
    const found = present.filter((path) => path.endsWith(`/${name}`));
    if (found.length > 0) return found;
    throw new Error(
      `${area}/ has no ${name} any more: tools/mutate/areas.ts names it.`,
    );
  });
}
