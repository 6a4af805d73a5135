/**
 * Creating directories.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
} from "../_internal/validate.ts";
import { toPath } from "./paths.ts";
import { permissionBits } from "./options.ts";

/** Options for {@linkcode asyncMkdir}. */
export interface MkdirOptions {
  /**
   * Create the missing parents too, and take a directory that exists already as success.
   *
   * @default {false}
   */
  parents?: boolean | undefined;
  /** Permission bits of what is created, before the umask. Ignored on Windows. @default {0o777} */
  permissions?: number | undefined;
  /** Rejects with the signal's own reason when it has aborted before. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<MkdirOptions> = {
  parents: boolean,
  permissions: permissionBits,
  signal: checkSignal,
};

/**
 * Creates a directory.
 *
 * @param path A path or a file: URL.
 * @throws {Deno.errors.AlreadyExists} When something is there already; with `parents`, when it is
 * no directory.
 * @throws {Deno.errors.NotADirectory} When a parent is a file.
 * @throws {Deno.errors.NotFound} When a parent is missing and `parents` is not set.
 *
 * @example
 * ```ts
 * import { asyncFileExists, asyncMkdir } from "@specify/async-core";
 *
 * const root = await Deno.makeTempDir();
 * await asyncMkdir(`${root}/a/b/c`, { parents: true });
 * console.log(await asyncFileExists(`${root}/a/b/c`, { type: "directory" })); // true
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function asyncMkdir(
  path: string | URL,
  options: MkdirOptions = {},
): Promise<void> {
  const checked = toPath("path", path);
  checkOptions("asyncMkdir()", options, CHECKS);
  const { parents = false, permissions } = options;
  options.signal?.throwIfAborted();
  await Deno.mkdir(checked, {
    recursive: parents,
    ...(permissions === undefined ? undefined : { mode: permissions }),
  });
}
