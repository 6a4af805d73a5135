/**
 * Reading one directory of a walk, asynchronously or, where that is quick, at once; and what becomes of
 * those that cannot be read. Both orders of walking use this.
 *
 * @module
 */
import { isGone, isOfSystem } from "../errors.ts";
import { IgnoreRules } from "./ignore.ts";
import { asTask } from "../../runner/as_task.ts";
import { joinPath } from "../paths.ts";
import type { WalkEntry, WalkPlan } from "./options.ts";

/** A directory of the walk. */
export interface Directory {
  path: string;
  /** From the root, "" for the root itself. */
  relative: string;
  depth: number;
  /** With followSymlinks: what it lies in, by device and inode, so that a loop is seen. */
  above: Ancestors | undefined;
  /** With ignoreFiles: the rules from above. */
  ignore: IgnoreRules | undefined;
}

/** A directory and those around it. */
interface Ancestors {
  identity: string;
  above: Ancestors | undefined;
}

/** The root of a walk. */
export function rootDirectory(path: string): Directory {
  return { path, relative: "", depth: 0, above: undefined, ignore: undefined };
}

/** What is in a directory. */
export interface Listing {
  /** What the walk yields. */
  found: WalkEntry[];
  /** What it enters; `entry` is among `found` or not. */
  below: { entry: WalkEntry; directory: Directory }[];
  /** Links that could not be followed, each as the directory that it might have been. */
  failed: { error: unknown; directory: Directory }[];
}

/** Reads the directories of one walk, and knows what becomes of those that cannot be read. */
export class WalkReader {
  /** What is to be found. */
  readonly plan: WalkPlan;
  /** The device whose small directories are read synchronously; only for plain walks without a runner. */
  readonly device: number | undefined;
  /** Takes the tasks of a walk back when it ends early. Only a walk with a runner has any. */
  readonly tasks: AbortController | undefined;
  #collected: unknown[] | undefined;

  constructor(plan: WalkPlan, device: number | undefined) {
    this.plan = plan;
    this.device = device;
    this.tasks = plan.runner && new AbortController();
  }

  /** Reads a directory, in a task of the runner when there is one. */
  list(directory: Directory): Promise<Listing> {
    const { runner, priority } = this.plan;
    return runner === undefined
      ? read(this.plan, directory)
      : asTask(runner, () => read(this.plan, directory), {
        priority,
        signal: this.tasks?.signal,
        name: `read ${directory.path}`,
      });
  }

  /** Reads a directory synchronously if that is quick (see `localDevice`); `undefined` if not. */
  listQuickly(directory: Directory): Listing | undefined {
    const { path, relative, depth } = directory;
    const listing: Listing = { found: [], below: [], failed: [] };
    if (depth >= this.plan.maxDepth) return listing;
    // The root may be a link, and localDevice has looked at it.
    if (depth > 0 && !isQuickToRead(path, this.device)) return undefined;
    const prefix = prefixOf(path);
    const relativePrefix = relative === "" ? "" : `${relative}/`;
    for (const found of Deno.readDirSync(path)) {
      const entry = entryOf(prefix, found);
      add(this.plan, listing, directory, entry, relativePrefix + entry.name);
    }
    return listing;
  }

  /** Throws when the walk is to end with the error; so does what it returns, when that is a promise. */
  failed(error: unknown, directory: Directory): unknown {
    const { onError, signal } = this.plan;
    // The runner cancelled the reading: no matter of this directory.
    if (signal?.aborted) throw signal.reason;
    // The root is always an error; below it, what has gone since it was listed is none.
    if (directory.depth > 0 && isGone(error)) return undefined;
    if (directory.depth === 0 || onError === "throw" || !isOfSystem(error)) {
      throw error;
    }
    if (onError === "collect") (this.#collected ??= []).push(error);
    else if (onError !== "skip") return onError(error, directory.path);
    return undefined;
  }

  /** Throws what was collected. */
  end(): void {
    if (this.#collected === undefined) return;
    throw new AggregateError(
      this.#collected,
      `${this.#collected.length} directories could not be read`,
    );
  }
}

/** Whether nothing has to be looked at beside the names. */
export function isPlain(plan: WalkPlan): boolean {
  return !plan.followSymlinks && plan.ignoreFiles.length === 0;
}

async function read(plan: WalkPlan, directory: Directory): Promise<Listing> {
  const listing: Listing = { found: [], below: [], failed: [] };
  if (directory.depth >= plan.maxDepth) return listing;
  const { path, relative } = directory;
  const prefix = prefixOf(path);
  const relativePrefix = relative === "" ? "" : `${relative}/`;
  const plain = isPlain(plan);
  const entries: WalkEntry[] = [];
  for await (const found of Deno.readDir(path)) {
    const entry = entryOf(prefix, found);
    if (plain) {
      add(plan, listing, directory, entry, relativePrefix + entry.name);
    } else entries.push(entry);
  }
  if (!plain) {
    await addAll(plan, listing, directory, entries, relativePrefix);
  }
  return listing;
}

/** What the paths of what is in `path` begin with. */
function prefixOf(path: string): string {
  return path === "." ? "" : joinPath(path, "");
}

function entryOf(
  prefix: string,
  { name, isFile, isDirectory, isSymlink }: Deno.DirEntry,
): WalkEntry {
  return { path: prefix + name, name, isFile, isDirectory, isSymlink };
}

/** The way with links to follow and files to ignore: all entries have to be known first. */
async function addAll(
  plan: WalkPlan,
  listing: Listing,
  directory: Directory,
  entries: readonly WalkEntry[],
  relativePrefix: string,
): Promise<void> {
  const { ignoreFiles, followSymlinks } = plan;
  const inside: Directory = { ...directory };
  const texts = await ignoreTexts(ignoreFiles, entries);
  if (texts.length > 0) {
    inside.ignore = new IgnoreRules(relativePrefix, texts, directory.ignore);
  }
  const skipsGit = ignoreFiles.includes(".gitignore");
  if (followSymlinks) {
    inside.above = {
      identity: identify(await Deno.stat(directory.path), directory.path),
      above: directory.above,
    };
  }
  for (const entry of entries) {
    const { name } = entry;
    const relative = relativePrefix + name;
    if (skipsGit && name === ".git") continue;
    if (inside.ignore?.ignores(relative, name, entry.isDirectory)) continue;
    if (entry.isSymlink && followSymlinks) {
      try {
        if (!(await follow(entry, inside))) continue;
      } catch (error) {
        const failed = below(inside, entry, relative);
        listing.failed.push({ error, directory: failed });
        continue;
      }
    }
    add(plan, listing, inside, entry, relative);
  }
}

function add(
  { only, match, skip, includeDirs, maxDepth }: WalkPlan,
  listing: Listing,
  parent: Directory,
  entry: WalkEntry,
  relative: string,
): void {
  const { name, isDirectory } = entry;
  if (skip !== undefined && skip(relative, name)) return;
  if (isDirectory) {
    if (parent.depth + 1 < maxDepth) {
      listing.below.push({
        entry,
        directory: below(parent, entry, relative),
      });
    }
    if (!includeDirs) return;
  }
  if (only !== undefined && !only(relative, name)) return;
  if (match !== undefined && !match(relative, name)) return;
  listing.found.push(entry);
}

function below(
  { depth, above, ignore }: Directory,
  { path }: WalkEntry,
  relative: string,
): Directory {
  return { path, relative, depth: depth + 1, above, ignore };
}

/** Makes `entry` what its link points at. False: a directory that the link lies in. */
async function follow(entry: WalkEntry, parent: Directory): Promise<boolean> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(entry.path);
  } catch (error) {
    // It points at nothing: the link itself is all there is.
    if (isGone(error) || error instanceof Deno.errors.FilesystemLoop) {
      return true;
    }
    throw error;
  }
  entry.isFile = info.isFile;
  entry.isDirectory = info.isDirectory;
  if (!info.isDirectory) return true;
  const identity = identify(info, entry.path);
  for (let at = parent.above; at !== undefined; at = at.above) {
    if (at.identity === identity) return false;
  }
  return true;
}

function identify(info: Deno.FileInfo, path: string): string {
  return info.ino === null ? path : `${info.dev}:${info.ino}`;
}

async function ignoreTexts(
  names: readonly string[],
  entries: readonly WalkEntry[],
): Promise<string[]> {
  const texts: string[] = [];
  for (const name of names) {
    const entry = entries.find((entry) => entry.name === name);
    // git does not follow a link here either.
    if (entry?.isFile) texts.push(await Deno.readTextFile(entry.path));
  }
  return texts;
}

/** The kernel's number of the file system that a directory is on; `undefined` where nobody tells. */
function fileSystemOf(directory: string): number | undefined {
  type FileSystem = { statfsSync(path: string): { readonly type: number } };
  // Not imported: a browser that imports the whole package could not load it then.
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): FileSystem };
  };
  return process?.getBuiltinModule?.("node:fs").statfsSync(directory).type;
}

/** The kernel's numbers of file systems that wait for no network: ext, xfs, btrfs, f2fs, zfs, tmpfs. */
const LOCAL = new Set([
  0xef53,
  0x58465342,
  0x9123683e,
  0xf2f52010,
  0x2fc12fc1,
  0x01021994,
]);
/** About 2,000 entries, which take 2 ms. */
const MAX_BYTES = 64 * 1024;

/**
 * The device of a directory on a local disk; `undefined` when it is none, or nobody may tell.
 *
 * An asynchronous read of a directory costs Deno 2.6 us for each entry, a synchronous one 1.1. But a
 * synchronous read of a directory on a network drive stops the whole process for as long as the network
 * likes, and one of a huge directory for as long as that takes. So it is done only where the kernel says that the
 * file system is on a disk of this machine or in its memory, and only for directories that are small.
 */
export function localDevice(directory: string): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { state } = Deno.permissions.querySync({
    name: "sys",
    kind: "statfs" as "hostname",
  });
  if (state !== "granted") return undefined;
  try {
    const kind = fileSystemOf(directory);
    if (kind === undefined || !LOCAL.has(kind)) return undefined;
    return Deno.statSync(directory).dev;
  } catch {
    // The asynchronous reading tells what is wrong.
    return undefined;
  }
}

/** Whether a directory (no link) is small and on that device: below it, another one may be mounted. */
function isQuickToRead(directory: string, device: number | undefined): boolean {
  const info = Deno.lstatSync(directory);
  return info.isDirectory && info.dev === device && info.size <= MAX_BYTES;
}
