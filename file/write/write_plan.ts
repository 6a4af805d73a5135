/**
 * How a file is to be written piece by piece, checked, and the opening of it.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  integerFrom,
  word,
} from "../../_internal/validate.ts";
import { type WritableEncoding, writableEncoding } from "./encode.ts";
import { type FileLock, fileLock, lockFile } from "../lock.ts";
import { permissionBits } from "../options.ts";

/** Options for {@linkcode AsyncFileWriter}. */
export interface FileWriterOptions {
  /**
   * `"w"` replaces what is there, `"a"` appends, `"x"` fails when something is there.
   *
   * @default {"w"}
   */
  mode?: "w" | "a" | "x" | undefined;
  /**
   * Write a temporary file beside the target; `close()` renames it over. Anything else (an
   * abort, a failure, disposal without `close()`) leaves the old file as it was.
   *
   * @default {false}
   */
  atomic?: boolean | undefined;
  /** How text becomes bytes. @default {"utf-8"} */
  encoding?: WritableEncoding | undefined;
  /** Bytes gathered before they go to the system; twice as many are held at most before a `write` waits. @default {262144} */
  bufferSize?: number | undefined;
  /**
   * `close()` resolves only when the content would survive a power failure.
   *
   * @default {the value of `atomic`}
   */
  fsync?: boolean | undefined;
  /** Permission bits of the file; with `atomic` whatever the umask. Ignored on Windows. @default {0o666 less the umask, or the old file's} */
  permissions?: number | undefined;
  /**
   * Hold an advisory lock on the file while it is written. Mode "w" empties the file only when
   * it has the lock. Not together with `atomic`, which replaces the file that a lock is on.
   *
   * @default {undefined}
   */
  lock?: FileLock | undefined;
  /** Aborts the writer with the signal's own reason, waiting for a lock included. */
  signal?: AbortSignal | undefined;
}

/** The options of a writer, checked. */
export interface WritePlan {
  readonly mode: "w" | "a" | "x";
  readonly isAtomic: boolean;
  readonly encoding: WritableEncoding;
  readonly bufferSize: number;
  readonly fsync: boolean;
  readonly permissions: number | undefined;
  readonly lock: FileLock | undefined;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_BUFFER_SIZE = 256 * 1024;

/** What a writer and `asyncWriteFile` both take. */
export const WRITE_CHECKS = {
  mode: word("w", "a", "x"),
  atomic: boolean,
  encoding: writableEncoding,
  fsync: boolean,
  permissions: permissionBits,
  signal: checkSignal,
} as const;

const CHECKS: Checks<FileWriterOptions> = {
  ...WRITE_CHECKS,
  bufferSize: integerFrom(16),
  lock: fileLock,
};

/** Checks the options. */
export function writePlan(options: FileWriterOptions): WritePlan {
  checkOptions("AsyncFileWriter", options, CHECKS);
  const { atomic: isAtomic = false, fsync = isAtomic, lock } = options;
  if (lock !== undefined && isAtomic) {
    throw new TypeError(
      "lock cannot be combined with atomic: an atomic write replaces the file that the lock is on. Lock another file, or write without atomic.",
    );
  }
  return {
    mode: writeMode(options.mode, isAtomic),
    isAtomic,
    encoding: writableEncoding("encoding", options.encoding ?? "utf-8"),
    bufferSize: options.bufferSize ?? DEFAULT_BUFFER_SIZE,
    fsync,
    permissions: options.permissions,
    lock,
    signal: options.signal,
  };
}

/**
 * Opens the file itself, for a writer that is not atomic, and waits for the lock.
 *
 * @param lockWait Gives up the waiting.
 */
export async function openForWriting(
  path: string,
  { mode, permissions, lock }: WritePlan,
  lockWait: AbortSignal | undefined,
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, {
    ...openOptions(mode, lock !== undefined),
    ...(permissions === undefined ? undefined : { mode: permissions }),
  });
  if (lock === undefined) return file;
  try {
    await lockFile(file, lock, lockWait);
    if (mode === "w") await file.truncate(0);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function openOptions(
  mode: "w" | "a" | "x",
  isLocked: boolean,
): Deno.OpenOptions {
  switch (mode) {
    case "w":
      // With a lock, it is emptied when we have the lock.
      return { write: true, create: true, truncate: !isLocked };
    case "a":
      return { append: true, create: true };
    case "x":
      return { write: true, createNew: true };
  }
}

/** How a file is opened; appending to it and replacing it as a whole exclude each other. */
export function writeMode(
  mode: FileWriterOptions["mode"],
  isAtomic: boolean,
): "w" | "a" | "x" {
  if (mode === "a" && isAtomic) {
    throw new TypeError(
      'mode "a" cannot be combined with atomic: an atomic write replaces the file as a whole. Use mode "w" or "x", or append without atomic.',
    );
  }
  return mode ?? "w";
}
