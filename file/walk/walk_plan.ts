/**
 * What a walk is to find, and the reading of one directory of it. Both orders of walking use this.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  integerFrom,
  limitFrom,
  priorityOption,
  runnerOption,
  wordOrFunction,
  wrong,
} from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { IgnoreRules } from "./ignore.ts";
import {
  type PathPattern,
  pathPattern,
  type PathTest,
  pathTest,
} from "./matcher.ts";
import { isQuickToRead } from "./local_disk.ts";
import { joinPath } from "../paths.ts";
import { inRunner } from "../in_runner.ts";

/** Something that a walk found. */
export interface WalkEntry {
  /** The root as it was given, and the way from there. */
  path: string;
  /** The last part of the path. */
  name: string;
  /** A regular file (or, with `followSymlinks`, a link to one). */
  isFile: boolean;
  /** A directory (or, with `followSymlinks`, a link to one). */
  isDirectory: boolean;
  /** A symbolic link. */
  isSymlink: boolean;
}

/** Options for {@linkcode walkAsync}. */
export interface WalkOptions {
  /** Only what matches one of these globs; directories are entered all the same. @default {everything} */
  pattern?: string | readonly string[] | undefined;
  /** Only what matches one of these; directories are entered all the same. @default {everything} */
  match?: PathPattern | readonly PathPattern[] | undefined;
  /** What matches one of these is left out; such a directory is not entered. @default {nothing} */
  skip?: PathPattern | readonly PathPattern[] | undefined;
  /**
   * Names of files with the syntax of .gitignore, which hold for the directory that they are in and
   * those below, from the root of the walk on. With ".gitignore" among them, ".git" is left
   * out, as git does.
   *
   * @default {none}
   */
  ignoreFiles?: string | readonly string[] | undefined;
  /** How deep to go: 1 is what is directly in the root. @default {Infinity} */
  maxDepth?: number | undefined;
  /** Go on behind symbolic links. A link to a directory that it lies in itself is not entered. @default {false} */
  followSymlinks?: boolean | undefined;
  /** Directories too, not just what is no directory. The root itself is never among them. @default {false} */
  includeDirs?: boolean | undefined;
  /**
   * Always the same order: names by their UTF-16 code units, a directory's content right after it.
   * Costs some speed.
   *
   * @default {false}
   */
  sort?: boolean | undefined;
  /** Directories read at once. @default {8} */
  concurrency?: number | undefined;
  /** Read each directory as a task of this runner, within its limit too. */
  runner?: TaskRunner | undefined;
  /** Priority of those tasks. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /**
   * What to do about a directory that cannot be read, or a link that cannot be followed: `"throw"` ends the walk, `"skip"` leaves it
   * out, `"collect"` goes on and ends with an AggregateError of all, a function is told and
   * the walk goes on, unless that throws (or rejects: an async one is awaited). The root is always an error. A directory that
   * vanishes meanwhile is none.
   *
   * @default {"throw"}
   */
  onError?:
    | "throw"
    | "skip"
    | "collect"
    | ((error: unknown, path: string) => void)
    | undefined;
  /** Ends the walk with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_CONCURRENCY = 8;

const CHECKS: Checks<WalkOptions> = {
  pattern: pathPattern,
  match: pathPattern,
  skip: pathPattern,
  ignoreFiles: fileNames,
  maxDepth: limitFrom(0),
  followSymlinks: boolean,
  includeDirs: boolean,
  sort: boolean,
  concurrency: integerFrom(1),
  runner: runnerOption,
  priority: priorityOption,
  onError: wordOrFunction("throw", "skip", "collect"),
  signal: checkSignal,
};

function fileNames(name: string, value: unknown): void {
  const names = Array.isArray(value) ? value : [value];
  if (names.every((each) => typeof each === "string")) return;
  throw wrong(name, "a file's name or an array of them", value, false);
}

/** The options of a walk, checked. */
export interface WalkPlan {
  only: PathTest | undefined;
  match: PathTest | undefined;
  skip: PathTest | undefined;
  ignoreFiles: readonly string[];
  maxDepth: number;
  followSymlinks: boolean;
  includeDirs: boolean;
  concurrency: number;
  onError:
    | "throw"
    | "skip"
    | "collect"
    | ((error: unknown, path: string) => unknown);
  runner: TaskRunner | undefined;
  priority: TaskPriority | undefined;
  signal: AbortSignal | undefined;
}

/** Checks the options. */
export function walkPlan(options: WalkOptions): WalkPlan {
  checkOptions("walkAsync()", options, CHECKS);
  const { ignoreFiles = [] } = options;
  return {
    only: pathTest(options.pattern),
    match: pathTest(options.match),
    skip: pathTest(options.skip),
    ignoreFiles: typeof ignoreFiles === "string" ? [ignoreFiles] : ignoreFiles,
    maxDepth: options.maxDepth ?? Infinity,
    followSymlinks: options.followSymlinks ?? false,
    includeDirs: options.includeDirs ?? false,
    concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
    onError: options.onError ?? "throw",
    runner: options.runner,
    priority: options.priority,
    signal: options.signal,
  };
}

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

/** Reads a directory, in a task of the runner when there is one, which `cancelled` takes back. */
export function list(
  plan: WalkPlan,
  directory: Directory,
  cancelled: AbortSignal | undefined,
): Promise<Listing> {
  const { runner, priority } = plan;
  return runner === undefined
    ? read(plan, directory)
    : inRunner(runner, () => read(plan, directory), {
      priority,
      signal: cancelled,
      name: `read ${directory.path}`,
    });
}

/** Takes the tasks of a walk back when it ends early. Only a walk with a runner has any. */
export function taskCanceller(
  { runner }: WalkPlan,
): AbortController | undefined {
  return runner && new AbortController();
}

/** Whether `error` means that a directory below the root has gone since it was listed. */
export function hasVanished(error: unknown, { depth }: Directory): boolean {
  return depth > 0 &&
    (error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory);
}

/** Whether nothing has to be looked at beside the names. */
export function isPlain(plan: WalkPlan): boolean {
  return !plan.followSymlinks && plan.ignoreFiles.length === 0;
}

/**
 * Reads a directory synchronously if that is quick (see local_disk.ts); `undefined` if not. For plain
 * walks without a runner.
 */
export function listQuickly(
  plan: WalkPlan,
  directory: Directory,
  device: number,
): Listing | undefined {
  const { path, relative, depth } = directory;
  const listing: Listing = { found: [], below: [], failed: [] };
  if (depth >= plan.maxDepth) return listing;
  // The root may be a link, and localDevice has looked at it.
  if (depth > 0 && !isQuickToRead(path, device)) return undefined;
  const prefix = path === "." ? "" : joinPath(path, "");
  const relativePrefix = relative === "" ? "" : `${relative}/`;
  for (
    const { name, isFile, isDirectory, isSymlink } of Deno.readDirSync(path)
  ) {
    add(plan, listing, directory, {
      path: prefix + name,
      name,
      isFile,
      isDirectory,
      isSymlink,
    }, relativePrefix + name);
  }
  return listing;
}

async function read(plan: WalkPlan, directory: Directory): Promise<Listing> {
  const listing: Listing = { found: [], below: [], failed: [] };
  if (directory.depth >= plan.maxDepth) return listing;
  const { path, relative } = directory;
  const prefix = path === "." ? "" : joinPath(path, "");
  const relativePrefix = relative === "" ? "" : `${relative}/`;
  const plain = isPlain(plan);
  const entries: WalkEntry[] = [];
  for await (
    const { name, isFile, isDirectory, isSymlink } of Deno.readDir(path)
  ) {
    const entry: WalkEntry = {
      path: prefix + name,
      name,
      isFile,
      isDirectory,
      isSymlink,
    };
    if (plain) {
      add(plan, listing, directory, entry, relativePrefix + name);
    } else entries.push(entry);
  }
  if (!plain) {
    await addAll(plan, listing, directory, entries, relativePrefix);
  }
  return listing;
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
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory ||
      error instanceof Deno.errors.FilesystemLoop
    ) return true;
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
