/**
 * What a walk is to find.
 *
 * @module
 */
import {
  boolean,
  type Checks,
  checkSignal,
  integerFrom,
  limitFrom,
  priorityOption,
  runnerOption,
  takeOptions,
  wordOrFunction,
  wrong,
} from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";
import {
  type PathPattern,
  pathPattern,
  type PathTest,
  pathTest,
} from "./matcher.ts";

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

const DEFAULTS = {
  maxDepth: Infinity,
  followSymlinks: false,
  includeDirs: false,
  concurrency: 8,
  onError: "throw" as NonNullable<WalkOptions["onError"]>,
};

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

/** The options of a walk, checked and filled in. */
export interface WalkPlan
  extends Pick<WalkOptions, "runner" | "priority" | "signal"> {
  only: PathTest | undefined;
  match: PathTest | undefined;
  skip: PathTest | undefined;
  ignoreFiles: readonly string[];
  maxDepth: number;
  followSymlinks: boolean;
  includeDirs: boolean;
  concurrency: number;
  onError: NonNullable<WalkOptions["onError"]>;
}

/** Checks the options. */
export function walkPlan(options: WalkOptions): WalkPlan {
  const { pattern, match, skip, ignoreFiles = [], ...plan } = takeOptions(
    "walkAsync()",
    options,
    CHECKS,
    DEFAULTS,
  );
  return {
    ...plan,
    only: pathTest(pattern),
    match: pathTest(match),
    skip: pathTest(skip),
    ignoreFiles: typeof ignoreFiles === "string" ? [ignoreFiles] : ignoreFiles,
  };
}
