/**
 * The same work by one worker, for comparison: the same files from the same origin, with the same
 * faults at the same requests.
 *
 * @module
 */
import { mirrorTree } from "./job.ts";
import type { Origin } from "./origin.ts";
import { startDisplay } from "./progress.ts";
import type { Sequential } from "./report.ts";

/** Fetches the files named by `paths` once more, one after the other, to a temporary folder. */
export async function measureSequential(
  origin: Origin,
  paths: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Sequential> {
  origin.rewind();
  const folder = await Deno.makeTempDir({ prefix: "mirror_sequential_" });
  try {
    const { summary } = await mirrorTree({
      origin: origin.url,
      folder,
      workers: 1,
      signal,
      only: paths,
      display: startDisplay,
    });
    return {
      elapsed: summary.elapsed,
      how: "measured: the same files and faults with one worker",
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
