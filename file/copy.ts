/**
 * Copying: one file here, trees in copy_tree.ts.
 *
 * @module
 */
import { copyOne, statIfThere } from "./copy_one.ts";
import { CopyError } from "./errors.ts";
import { toPath } from "./paths.ts";

/** How far a copy is. */
export interface CopyProgress {
  /** The file that is being copied, at its source. */
  path: string;
  /** Bytes copied so far, of all files. */
  bytes: number;
  /** Bytes to be copied, of the files found so far. */
  totalBytes: number;
  /** Files finished. */
  files: number;
  /** Files found so far. */
  totalFiles: number;
}

/** Options for {@linkcode asyncCopyFile}. */
export interface CopyFileOptions {
  /** Replace files that exist. `false`: they are an AlreadyExists error. @default {true} */
  overwrite?: boolean | undefined;
  /** Give the copies the times of access and modification of their originals, to the millisecond. @default {false} */
  preserveTimestamps?: boolean | undefined;
  /** Told after each piece of up to 4 MiB. */
  onProgress?: ((progress: CopyProgress) => void) | undefined;
  /**
   * What to do about FIFOs, sockets and devices: refuse with a CopyError, or leave them out and
   * name them in the result.
   *
   * @default {"error"}
   */
  special?: "error" | "skip" | undefined;
  /** Gives up with the signal's own reason; the file that was being copied is as it was before. */
  signal?: AbortSignal | undefined;
}

/** What was copied. */
export interface CopyResult {
  /** Bytes of the files' content. */
  bytes: number;
  /** Regular files. */
  files: number;
  /** FIFOs, sockets and devices that were left out. */
  skipped: string[];
}

/**
 * Copies a file with its permission bits. Without `onProgress`, `signal` and holes it is
 * `Deno.copyFile`; with them the copy is written beside the destination and renamed over it when
 * it is whole, so that a cancelled copy leaves what was there before.
 *
 * A symbolic link as the source is followed; one at the destination stays, and what it points at
 * is replaced.
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
  const { special = "error", signal } = options;
  signal?.throwIfAborted();
  const [info, old] = await Promise.all([Deno.stat(from), statIfThere(to)]);
  signal?.throwIfAborted();
  if (!info.isFile) {
    if (special === "skip") return { bytes: 0, files: 0, skipped: [from] };
    throw new CopyError(from, to, "special-file");
  }
  const { onProgress, overwrite = true, preserveTimestamps = false } = options;
  const progress: CopyProgress = {
    path: from,
    bytes: 0,
    totalBytes: info.size,
    files: 0,
    totalFiles: 1,
  };
  await copyOne({
    from,
    info,
    to,
    old,
    overwrite,
    preserveTimestamps,
    signal,
    onBytes: onProgress && ((count) => {
      progress.bytes += count;
      if (progress.bytes >= progress.totalBytes) progress.files = 1;
      onProgress({ ...progress });
    }),
  });
  return { bytes: info.size, files: 1, skipped: [] };
}
