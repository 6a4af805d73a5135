/**
 * The errors of files. What the system itself reports (NotFound, PermissionDenied, AlreadyExists …)
 * stays the class that Deno uses, with the path in its message; here are the ones that Deno has
 * no class for.
 *
 * @module
 */

import { report } from "../_internal/errors.ts";

/**
 * Text that is not valid in its encoding, read with `fatal: true`.
 *
 * @example
 * ```ts
 * import { asyncReadFile, InvalidEncodingError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeFile(path, new Uint8Array([104, 105, 255]));
 * const error = await asyncReadFile(path, { fatal: true }).catch((error) => error);
 * console.log(error instanceof InvalidEncodingError, error.byteOffset); // true 2
 * await Deno.remove(path);
 * ```
 */
export class InvalidEncodingError extends Error {
  /** Always `"InvalidEncodingError"`. */
  override readonly name = "InvalidEncodingError";

  /** `path` holds bytes at `byteOffset` that mean nothing in `encoding`. */
  constructor(
    /** The file. */
    readonly path: string,
    /** The encoding that it was read with. */
    readonly encoding: string,
    /** Where the first invalid sequence begins, in bytes from the start of the file. */
    readonly byteOffset: number,
    options?: ErrorOptions,
  ) {
    super(
      `${path} is not valid ${encoding} at byte ${byteOffset}. Read it with its true encoding, or without fatal to get U+FFFD in place of such bytes.`,
      options,
    );
  }
}

/**
 * A line is longer than `maxLineLength`.
 *
 * @example
 * ```ts
 * import { AsyncFileReader, LineTooLongError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "short\nmuch too long\n");
 * await using reader = new AsyncFileReader(path);
 * try {
 *   for await (const line of reader.streamLines({ maxLineLength: 8 })) console.log(line); // short
 * } catch (error) {
 *   console.log(error instanceof LineTooLongError && error.line); // 2
 * }
 * await Deno.remove(path);
 * ```
 */
export class LineTooLongError extends Error {
  /** Always `"LineTooLongError"`. */
  override readonly name = "LineTooLongError";

  /** Line `line` of `path` has more than `maxLineLength` characters. */
  constructor(
    /** The file. */
    readonly path: string,
    /** The number of the line, from 1. */
    readonly line: number,
    /** The limit, in UTF-16 code units. */
    readonly maxLineLength: number,
  ) {
    super(
      `Line ${line} of ${path} is longer than ${maxLineLength} characters (maxLineLength). Raise the limit, or read the file with stream().`,
    );
  }
}

/**
 * A line of JSON Lines that is not JSON.
 *
 * @example
 * ```ts
 * import { AsyncFileReader, JsonLineError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"ok":1}\n{"bad":}\n');
 * await using reader = new AsyncFileReader(path);
 * try {
 *   for await (const value of reader.streamJson()) console.log(value); // { ok: 1 }
 * } catch (error) {
 *   if (error instanceof JsonLineError) console.log(error.line, error.column); // 2 8
 * }
 * await Deno.remove(path);
 * ```
 */
export class JsonLineError extends Error {
  /** Always `"JsonLineError"`. */
  override readonly name = "JsonLineError";

  /** Line `line` of `path` stops being JSON at `column`. */
  constructor(
    /** The file. */
    readonly path: string,
    /** The number of the line, from 1. */
    readonly line: number,
    /** The first character that does not fit, from 1, in UTF-16 code units. */
    readonly column: number,
    options?: ErrorOptions,
  ) {
    const why = causeOf(options);
    super(
      `${path}:${line}:${column} is not JSON: ${why}. Correct the line, or read with onError: "skip".`,
      options,
    );
  }
}

/**
 * A file became shorter while it was read: what came so far is not what the file holds.
 *
 * @example
 * ```ts
 * import { AsyncFileReader, FileTruncatedError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "x".repeat(100_000));
 * await using reader = new AsyncFileReader(path, { chunkSize: 1_000 });
 * try {
 *   for await (const _chunk of reader.streamBytes()) await Deno.truncate(path, 10);
 * } catch (error) {
 *   console.log(error instanceof FileTruncatedError); // true
 * }
 * await Deno.remove(path);
 * ```
 */
export class FileTruncatedError extends Error {
  /** Always `"FileTruncatedError"`. */
  override readonly name = "FileTruncatedError";

  /** `path` had `expected` bytes when it was opened and ended at `position`. */
  constructor(
    /** The file. */
    readonly path: string,
    /** Its size when it was opened. */
    readonly expected: number,
    /** Where it ended. */
    readonly position: number,
  ) {
    super(
      `${path} had ${expected} bytes when it was opened and ended after ${position}: somebody truncated it meanwhile. Read it again, or follow it with tail({ follow: true }).`,
    );
  }
}

/**
 * A file was replaced, but the directory could not be synchronised: readers see the new content,
 * a power failure may still bring the old one back.
 *
 * @example
 * ```ts
 * import { asyncWriteFile, DurabilityError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * try {
 *   await asyncWriteFile(path, "new", { atomic: true });
 * } catch (error) {
 *   if (!(error instanceof DurabilityError)) throw error;
 *   console.warn(`${error.path} is written, though perhaps not durably`);
 * }
 * await Deno.remove(path);
 * ```
 */
export class DurabilityError extends Error {
  /** Always `"DurabilityError"`. */
  override readonly name = "DurabilityError";

  /** `path` was renamed into place; the fsync of its directory failed with `cause`. */
  constructor(
    /** The file, which holds the new content. */
    readonly path: string,
    options?: ErrorOptions,
  ) {
    const why = causeOf(options);
    super(
      `${path} was replaced, but its directory could not be synchronised (${why}). The new content is in place; after a power failure the old one may come back. Write again, or pass fsync: false if that does not matter.`,
      options,
    );
  }
}

/**
 * A copy that was refused before anything was written: onto itself, into itself, or of something
 * that is neither a file nor a directory nor a symbolic link.
 *
 * @example
 * ```ts
 * import { asyncCopyFile, CopyError } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * const error = await asyncCopyFile(path, path).catch((error) => error);
 * console.log(error instanceof CopyError, error.reason); // true same-file
 * await Deno.remove(path);
 * ```
 */
export class CopyError extends Error {
  /** Always `"CopyError"`. */
  override readonly name = "CopyError";

  /** `source` is not copied to `destination`, for `reason`. */
  constructor(
    /** What was to be copied. */
    readonly source: string,
    /** Where to. */
    readonly destination: string,
    /** Why not. */
    readonly reason: CopyRefusal,
    options?: ErrorOptions,
  ) {
    super(
      `Cannot copy ${source} to ${destination}: ${refusals[reason]}`,
      options,
    );
  }
}

/**
 * The directory that is watched is not there, or was removed.
 *
 * @example
 * ```ts
 * import { AsyncDirectoryWatcher, WatchRootError } from "@specify/async-core";
 *
 * await using watcher = new AsyncDirectoryWatcher("no/such/directory");
 * const error = await watcher.ready.catch((error) => error);
 * console.log(error instanceof WatchRootError, error.reason); // true missing
 * ```
 */
export class WatchRootError extends Error {
  /** Always `"WatchRootError"`. */
  override readonly name = "WatchRootError";

  /** `path` cannot be watched (any more), for `reason`. */
  constructor(
    /** The directory. */
    readonly path: string,
    /** It was not there at the start, or was removed later. */
    readonly reason: "missing" | "removed",
  ) {
    super(
      reason === "missing"
        ? `Cannot watch ${path}: there is nothing. Create it first, or wait for it with rootRemoved: "wait".`
        : `${path} was removed while it was watched. Watch it again when it is there, or wait for it with rootRemoved: "wait".`,
    );
  }
}

/** What the cause of an error says. */
function causeOf(options: ErrorOptions | undefined): string {
  const cause = options?.cause;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Why a copy was refused. */
export type CopyRefusal =
  | "same-file"
  | "into-itself"
  | "special-file"
  | "special-destination"
  | "unreadable-name"
  | "file-over-directory"
  | "directory-over-file"
  | "directory-over-link";

const refusals: Record<CopyRefusal, string> = {
  "same-file": "both are the same file. Give another destination.",
  "into-itself":
    "the destination lies inside the source. Give a destination outside of it.",
  "special-file":
    "it is a FIFO, a socket or a device, which has no content to copy. Remove it, or copy what is beside it by itself.",
  "special-destination":
    "the destination is a FIFO, a socket or a device. Write to it with AsyncFileWriter.",
  "unreadable-name":
    "its name is not valid UTF-8, and cannot be opened from here. Rename it, or copy what is beside it by itself.",
  "file-over-directory":
    "the destination is a directory. Give the path of the file to be written.",
  "directory-over-file":
    "the source is a directory and the destination is not. Remove the destination, or give another one.",
  "directory-over-link":
    "the destination is a symbolic link, and the copy of a tree writes nothing behind links. Remove the link, or copy this directory by itself.",
};

/**
 * Waits for the clean-up that follows a failure to write `path`. That failure is what the caller is
 * told; one of the clean-up goes to the console.
 */
export async function afterFailure(
  cleaning: Promise<void>,
  path: string,
): Promise<void> {
  await cleaning.catch((error) =>
    report(`Cleaning up failed after ${path} could not be written`, error)
  );
}

/** What `work` results in; `undefined` when it fails because nothing is there. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether `error` means that nothing is there: not the last name of a path, or not the way to it. */
export function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/**
 * Whether the system reported it, and not the runner, an abort, or a mistake of ours: its errors have a
 * class of Deno, or are an Error with a code.
 */
export function isOfSystem(error: unknown): error is Error & { code?: string } {
  return error instanceof Error &&
    (error.name in Deno.errors ||
      error.constructor === Error &&
        typeof (error as { code?: unknown }).code === "string");
}

/**
 * What `work` results in; its failure has the path in its message. Some calls of Deno (read, write, sync)
 * fail without saying on what, others with a path that the caller does not know.
 */
export async function namingPath<T>(
  work: Promise<T>,
  action: string,
  path: string,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw withPath(error, action, path);
  }
}

/**
 * `error` with the path in its message. The class stays, so that `instanceof Deno.errors.…` still
 * holds; what is not the system's is left as it is.
 */
export function withPath(
  error: unknown,
  action: string,
  path: string,
): unknown {
  if (!isOfSystem(error) || error.message.includes(path)) return error;
  const Class = error.constructor as new (
    message: string,
    options: ErrorOptions,
  ) => Error;
  const text = `${error.message}: ${action} '${path}'`;
  const { code } = error;
  return Object.assign(new Class(text, { cause: error }), code && { code });
}
