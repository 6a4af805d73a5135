/**
 * How a file is to be written piece by piece, checked, and the opening of it.
 *
 * @module
 */
import {
  boolean,
  type Checks,
  checkSignal,
  integerFrom,
  takeOptions,
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

/** The options of a writer, checked and filled in. */
export interface WritePlan extends FileWriterOptions {
  readonly mode: "w" | "a" | "x";
  readonly atomic: boolean;
  readonly encoding: WritableEncoding;
  readonly bufferSize: number;
  readonly fsync: boolean;
}

const DEFAULTS = { atomic: false, bufferSize: 256 * 1024 };

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
  const given = takeOptions("AsyncFileWriter", options, CHECKS, DEFAULTS);
  const { atomic, fsync = atomic, mode, encoding = "utf-8", lock } = given;
  if (lock !== undefined && atomic) {
    throw new TypeError(
      "lock cannot be combined with atomic: an atomic write replaces the file that the lock is on. Lock another file, or write without atomic.",
    );
  }
  return {
    ...given,
    mode: writeMode(mode, atomic),
    encoding: writableEncoding("encoding", encoding),
    fsync,
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
    write: true,
    append: mode === "a",
    create: mode !== "x",
    createNew: mode === "x",
    // With a lock, it is emptied when we have the lock.
    truncate: mode === "w" && lock === undefined,
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
