/**
 * Copying, for callers: one file is copied in copy_one.ts, a tree in copy_tree.ts.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  functionNamed,
  integerFrom,
  priorityOption,
  runnerOption,
} from "../../_internal/validate.ts";
import { copyTree } from "./copy_tree.ts";
import type { CopyFileOptions, CopyProgress, CopyResult } from "./options.ts";
import { copyOne } from "./copy_one.ts";
import { CopyError, ifThere } from "../errors.ts";
import { traceFile } from "../file_telemetry.ts";
import { toPath } from "../paths.ts";

const CHECKS: Checks<CopyFileOptions> = {
  overwrite: boolean,
  preserveTimestamps: boolean,
  onProgress: functionNamed,
  concurrency: integerFrom(1),
  runner: runnerOption,
  priority: priorityOption,
  signal: checkSignal,
};

/**
 * Copies a file, or a directory with everything in it, with the permission bits. Without `onProgress`, `signal` and holes it is
 * `Deno.copyFile`; with them the copy is written beside the destination and renamed over it when
 * it is whole, so that a cancelled copy leaves what was there before.
 *
 * A symbolic link as the source is followed; one at the destination stays, and what it points at
 * is replaced. Within a directory, links are copied as links, and nothing is written behind links
 * that the destination holds: in the place of a file they are replaced, in that of a directory they
 * are an error. A directory is merged into one that is there already. When the copy of a directory fails or is cancelled, the files that were
 * finished stay.
 *
 * @throws {CopyError} When it makes no sense: onto itself, over a directory, of a FIFO.
 * @throws {Deno.errors.AlreadyExists} With `overwrite: false`.
 *
 * @example
 * ```ts
 * import { asyncCopyFile } from "@specify/async-core";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${root}/a`, "content");
 * const { bytes } = await asyncCopyFile(`${root}/a`, `${root}/b`);
 * console.log(bytes); // 7
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function asyncCopyFile(
  source: string | URL,
  destination: string | URL,
  options: CopyFileOptions = {},
): Promise<CopyResult> {
  const from = toPath("source", source);
  const to = toPath("destination", destination);
  checkOptions("asyncCopyFile()", options, CHECKS);
  return await traceFile(
    "copy",
    { "file.path": from, "async_core.file.destination": to },
    options.signal,
    () => copy(from, to, options),
    ({ bytes }) => bytes,
  );
}

async function copy(
  from: string,
  to: string,
  options: CopyFileOptions,
): Promise<CopyResult> {
  const { signal } = options;
  signal?.throwIfAborted();
  const [info, old] = await Promise.all([
    Deno.stat(from),
    ifThere(Deno.stat(to)),
  ]);
  signal?.throwIfAborted();
  if (info.isDirectory) {
    return await copyTree(from, to, info, options);
  }
  if (!info.isFile) throw new CopyError(from, to, "special-file");
  const { onProgress, overwrite = true, preserveTimestamps = false } = options;
  const progress: CopyProgress = {
    path: from,
    bytes: 0,
    totalBytes: info.size,
    files: 0,
    totalFiles: 1,
  };
  const bytes = await copyOne({
    from,
    info,
    to,
    old,
    overwrite,
    preserveTimestamps,
    signal,
    onBytes: onProgress && ((count) => {
      progress.bytes += count;
      // It grows, or is one of those of /proc, which say 0.
      progress.totalBytes = Math.max(progress.totalBytes, progress.bytes);
      return onProgress({ ...progress });
    }),
  });
  await onProgress?.({ ...progress, totalBytes: bytes, files: 1 });
  return { bytes, files: 1 };
}
