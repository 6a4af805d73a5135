/**
 * What a copy is asked for, what it tells on its way, and what came of it.
 *
 * @module
 */
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";

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
  /** Told after each piece of up to 4 MiB, and when a file is finished. */
  onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** For a directory: files copied at once. @default {8} */
  concurrency?: number | undefined;
  /** For a directory: copy each file as a task of this runner, within its limit too. */
  runner?: TaskRunner | undefined;
  /** Priority of those tasks. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Gives up with the signal's own reason; the files that were being copied are as they were before. */
  signal?: AbortSignal | undefined;
}

/** What was copied. */
export interface CopyResult {
  /** Bytes of the files' content. */
  bytes: number;
  /** Regular files. */
  files: number;
}
