/**
 * Paths: a string or a file: URL in, a path string out, and a clear error for what is neither; and
 * what is to be known of a path before it is opened.
 *
 * @module
 */
import { SEPARATOR } from "@std/path/constants";
import { fromFileUrl } from "@std/path/from-file-url";
import { UnsupportedRuntimeError } from "../_internal/errors.ts";
import { show, wrong } from "../_internal/validate.ts";

/**
 * `path` as a string; `name` is what the caller calls it in its errors. Everything that takes a
 * path begins here, so here it is told where there are no files.
 */
export function toPath(name: string, path: string | URL): string {
  if (typeof Deno === "undefined") {
    throw new UnsupportedRuntimeError(
      "What takes a path",
      "Use the runtime's own file system (node:fs/promises) with the runner and the streams.",
    );
  }
  if (path instanceof URL) {
    if (path.protocol === "file:") return fromFileUrl(path);
    throw wrong(name, "a path or a file: URL", path.href, false);
  }
  if (typeof path !== "string") {
    throw wrong(name, "a path or a file: URL", path, false);
  }
  if (path === "") {
    throw new TypeError(`${name} must not be empty, got ""`);
  }
  if (path.includes("\0")) {
    throw new TypeError(
      `${name} must not contain a NUL character, got ${show(path)}`,
    );
  }
  return path;
}

/** `directory` and `name` as one path, without resolving anything: what was given stays as it is. */
export function joinPath(directory: string, name: string): string {
  if (directory === "") return name;
  return directory.endsWith("/") || directory.endsWith(SEPARATOR)
    ? directory + name
    : `${directory}/${name}`;
}

/** Whether the real path `path` is that of something below `directory`. */
export function isBelow(path: string, directory: string): boolean {
  return path.startsWith(
    directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR,
  );
}

/** True on Windows, where a backslash separates and an open file cannot be replaced. */
export function isWindows(): boolean {
  return Deno.build.os === "windows";
}

/**
 * Whether there is a FIFO at `path`; false when we may not look. Never rejects, never prompts. Opening
 * one waits for its other end, and reading or writing one for what happens there, for ever
 * perhaps: whoever gives up does not wait with them.
 */
export async function isFifo(path: string): Promise<boolean> {
  return (await statQuietly(path))?.isFifo === true;
}

/** What is at `path`; `undefined` when we may not look, or cannot. Never rejects, never prompts. */
export async function statQuietly(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  return await Deno.stat(path).catch(() => undefined);
}
