/**
 * Does a path exist? Only "there is nothing" is false: being unable to look is an error.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  word,
} from "../_internal/validate.ts";
import { isGone } from "./errors.ts";
import { toPath } from "./paths.ts";

/** Options for {@linkcode asyncFileExists}. */
export interface FileExistsOptions {
  /** Count only what is a regular file (`"file"`) or a directory (`"directory"`). @default {undefined} */
  type?: "file" | "directory" | undefined;
  /**
   * Follow symbolic links, so that a dangling one does not exist. `false`: the link itself
   * counts, wherever it points.
   *
   * @default {true}
   */
  followSymlinks?: boolean | undefined;
  /** Rejects with the signal's own reason when it has aborted by the time the system answers. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<FileExistsOptions> = {
  type: word("file", "directory"),
  followSymlinks: boolean,
  signal: checkSignal,
};

/**
 * Resolves to true when `path` exists. What it says may be outdated when you act on it: to create
 * a file only where there is none, write it with `mode: "x"` instead.
 *
 * @param path A path or a file: URL.
 * @throws {Deno.errors.PermissionDenied} When the system does not let us look.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` for the path.
 *
 * @example
 * ```ts
 * import { asyncFileExists } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * console.log(await asyncFileExists(path)); // true
 * console.log(await asyncFileExists(path, { type: "directory" })); // false
 * await Deno.remove(path);
 * console.log(await asyncFileExists(path)); // false
 * ```
 */
export async function asyncFileExists(
  path: string | URL,
  options: FileExistsOptions = {},
): Promise<boolean> {
  const checked = toPath("path", path);
  checkOptions("asyncFileExists()", options, CHECKS);
  const { type, followSymlinks = true, signal } = options;
  signal?.throwIfAborted();
  let info: Deno.FileInfo;
  try {
    info = await (followSymlinks ? Deno.stat(checked) : Deno.lstat(checked));
  } catch (error) {
    // A file where a directory of the path should be: then there is nothing there either.
    if (isGone(error)) return false;
    throw error;
  } finally {
    signal?.throwIfAborted();
  }
  return type === undefined ||
    (type === "file" ? info.isFile : info.isDirectory);
}
