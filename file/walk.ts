/**
 * Walking a directory tree: several directories are read at once, entries come out in batches.
 *
 * Invariant of a walk: a directory is pending, being read (`#active` of them), or done; entries that
 * were found and not yet handed out are in `#ready`. No directory is begun while `#ready` is above
 * its bound, so memory stays within that bound, the names of the directories being read, and the
 * paths of the directories that wait (which depth first order keeps few).
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../_internal/abort.ts";
import { functionNamed, integer, show } from "../_internal/validate.ts";
import type { TaskPriority } from "../runner/priority.ts";
import type { TaskRunner } from "../runner/types.ts";
import { type PathPattern, type PathTest, pathTest } from "./matcher.ts";
import { joinPath, toPath } from "./paths.ts";
import { type BatchSource, streamOf } from "./stream_of.ts";

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
  /** How deep to go: 1 is what is directly in the root. @default {Infinity} */
  maxDepth?: number | undefined;
  /** Go on behind symbolic links. A link to a directory that it lies in itself is not entered. @default {false} */
  followSymlinks?: boolean | undefined;
  /** Directories too, not just what is no directory. The root itself is never among them. @default {false} */
  includeDirs?: boolean | undefined;
  /** Directories read at once. @default {8} */
  concurrency?: number | undefined;
  /** Read each directory as a task of this runner, within its limit too. */
  runner?: TaskRunner | undefined;
  /** Priority of those tasks. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /**
   * What to do about a directory that cannot be read: `"throw"` ends the walk, `"skip"` leaves it
   * out, `"collect"` goes on and ends with an AggregateError of all, a function is told and
   * the walk goes on. The root is always an error. A directory that vanishes meanwhile is none.
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
/** Entries found ahead of the consumer before no further directory is begun. */
const MOST_READY = 4_096;

/**
 * Walks the tree under `root` and yields what it finds, as fast as the consumer takes it, in no
 * particular order. Leaving the loop early ends the walk.
 *
 * @param root A path or a file: URL of a directory.
 * @throws {Deno.errors.NotFound | Deno.errors.NotADirectory} When the root is no directory.
 * @throws {RangeError | TypeError} When an option is wrong.
 *
 * @example
 * ```ts
 * import { walkAsync } from "@specify/async-core";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/src`);
 * await Deno.writeTextFile(`${root}/src/main.ts`, "");
 * await Deno.writeTextFile(`${root}/notes.txt`, "");
 * for await (const { name } of walkAsync(root, { pattern: "*.ts" })) console.log(name); // main.ts
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function walkAsync(
  root: string | URL,
  options: WalkOptions = {},
): AsyncIterable<WalkEntry> {
  const path = toPath("root", root);
  const plan = walkPlan(options);
  return streamOf(() => new WalkSource(path, plan));
}

interface WalkPlan {
  only: PathTest | undefined;
  match: PathTest | undefined;
  skip: PathTest | undefined;
  maxDepth: number;
  followSymlinks: boolean;
  includeDirs: boolean;
  concurrency: number;
  onError: "throw" | "skip" | "collect" | ((e: unknown, path: string) => void);
  runner: TaskRunner | undefined;
  priority: TaskPriority | undefined;
  signal: AbortSignal | undefined;
}

function walkPlan(options: WalkOptions): WalkPlan {
  const { maxDepth = Infinity, onError = "throw" } = options;
  if (
    !(maxDepth === Infinity || (Number.isInteger(maxDepth) && maxDepth >= 0))
  ) {
    throw new RangeError(
      `maxDepth must be a non-negative integer or Infinity, got ${
        show(maxDepth)
      }`,
    );
  }
  if (onError !== "throw" && onError !== "skip" && onError !== "collect") {
    functionNamed(
      'onError, when it is none of "throw", "skip" and "collect",',
      onError,
    );
  }
  return {
    only: pathTest("pattern", options.pattern),
    match: pathTest("match", options.match),
    skip: pathTest("skip", options.skip),
    maxDepth,
    followSymlinks: options.followSymlinks ?? false,
    includeDirs: options.includeDirs ?? false,
    concurrency: integer(
      "concurrency",
      options.concurrency ?? DEFAULT_CONCURRENCY,
      1,
    ),
    onError,
    runner: options.runner,
    priority: options.priority,
    signal: options.signal,
  };
}

/** A directory to be read. */
interface Directory {
  path: string;
  /** From the root, "" for the root itself. */
  relative: string;
  depth: number;
  /** With followSymlinks: what it lies in, by device and inode, so that a loop is seen. */
  above: Ancestors | undefined;
  /** With followSymlinks: itself and those; known when it is read. */
  ancestors: Ancestors | undefined;
}

/** A directory and those around it. */
interface Ancestors {
  identity: string;
  above: Ancestors | undefined;
}

class WalkSource implements BatchSource<WalkEntry> {
  readonly #plan: WalkPlan;
  readonly #pending: Directory[] = [];
  #active = 0;
  #ready: WalkEntry[] = [];
  #errors: unknown[] | undefined;
  #failure: { error: unknown } | undefined;
  #isClosed = false;
  /** The pull that waits for entries. */
  #waiting:
    | {
      resolve: (batch: readonly WalkEntry[] | undefined) => void;
      reject: (error: unknown) => void;
    }
    | undefined;
  #idle: (() => void) | undefined;
  #subscription: AbortSubscription | undefined;

  constructor(root: string, plan: WalkPlan) {
    this.#plan = plan;
    this.#pending.push({
      path: root,
      relative: "",
      depth: 0,
      above: undefined,
      ancestors: undefined,
    });
    const { signal } = plan;
    if (signal?.aborted) this.#failure = { error: signal.reason };
    else if (signal !== undefined) {
      this.#subscription = onAbort(signal, (reason) => this.#fail(reason));
    }
  }

  pull():
    | readonly WalkEntry[]
    | undefined
    | Promise<readonly WalkEntry[] | undefined> {
    if (this.#failure !== undefined) throw this.#end(this.#failure).error;
    if (this.#ready.length > 0) return this.#take();
    this.#begin();
    if (this.#isDone()) return this.#finish();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Begins nothing more and resolves when what is being read has been read. */
  close(): Promise<void> {
    this.#end(undefined);
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  #isDone(): boolean {
    return this.#active === 0 && this.#pending.length === 0;
  }

  #take(): WalkEntry[] {
    const batch = this.#ready;
    this.#ready = [];
    this.#begin();
    return batch;
  }

  #finish(): undefined {
    this.#end(undefined);
    if (this.#errors !== undefined) {
      throw new AggregateError(
        this.#errors,
        `${this.#errors.length} directories could not be read`,
      );
    }
    return undefined;
  }

  #end<T>(result: T): T {
    this.#isClosed = true;
    this.#pending.length = 0;
    this.#ready = [];
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    return result;
  }

  /** Starts reading as much as the bounds allow. */
  #begin(): void {
    while (
      this.#active < this.#plan.concurrency && this.#pending.length > 0 &&
      this.#ready.length < MOST_READY && !this.#isClosed
    ) {
      this.#active++;
      // Not empty; and the last found goes first, which keeps the list short.
      void this.#visit(this.#pending.pop() as Directory);
    }
  }

  async #visit(directory: Directory): Promise<void> {
    try {
      const { runner, priority, signal } = this.#plan;
      if (runner === undefined) await this.#tryRead(directory);
      else {
        if (runner.isFull) await runner.ready(signal);
        await runner.submit(() => this.#tryRead(directory), {
          priority,
          signal,
          name: `read ${directory.path}`,
        });
      }
    } catch (error) {
      // The runner refused or cancelled the task: no matter of this directory.
      this.#fail(error);
    }
    this.#active--;
    if (this.#isClosed) {
      if (this.#active === 0) this.#idle?.();
      return;
    }
    this.#begin();
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#ready.length > 0) {
      this.#waiting = undefined;
      waiting.resolve(this.#take());
    } else if (this.#isDone()) {
      this.#waiting = undefined;
      try {
        waiting.resolve(this.#finish());
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  async #tryRead(directory: Directory): Promise<void> {
    try {
      await this.#read(directory);
    } catch (error) {
      this.#failed(error, directory);
    }
  }

  async #read(directory: Directory): Promise<void> {
    const { followSymlinks, maxDepth } = this.#plan;
    if (this.#isClosed || directory.depth >= maxDepth) return;
    if (followSymlinks && directory.ancestors === undefined) {
      directory.ancestors = {
        identity: identify(await Deno.stat(directory.path), directory.path),
        above: directory.above,
      };
    }
    const { path, relative } = directory;
    const prefix = path === "." ? "" : joinPath(path, "");
    const relativePrefix = relative === "" ? "" : `${relative}/`;
    const links: WalkEntry[] = [];
    for await (const entry of Deno.readDir(path)) {
      if (this.#isClosed) return;
      const { name } = entry;
      const found: WalkEntry = {
        path: prefix + name,
        name,
        isFile: entry.isFile,
        isDirectory: entry.isDirectory,
        isSymlink: entry.isSymlink,
      };
      if (entry.isSymlink && followSymlinks) links.push(found);
      else this.#found(found, relativePrefix + name, directory, undefined);
    }
    for (const found of links) {
      await this.#follow(found, relativePrefix + found.name, directory);
    }
  }

  #found(
    entry: WalkEntry,
    relative: string,
    parent: Directory,
    ancestors: Ancestors | undefined,
  ): void {
    const { only, match, skip, includeDirs, maxDepth } = this.#plan;
    const { name, isDirectory } = entry;
    if (skip !== undefined && skip(relative, name)) return;
    if (isDirectory && parent.depth + 1 < maxDepth) {
      this.#pending.push({
        path: entry.path,
        relative,
        depth: parent.depth + 1,
        above: parent.ancestors,
        ancestors,
      });
    }
    if (isDirectory && !includeDirs) return;
    if (only !== undefined && !only(relative, name)) return;
    if (match !== undefined && !match(relative, name)) return;
    this.#ready.push(entry);
  }

  async #follow(
    entry: WalkEntry,
    relative: string,
    parent: Directory,
  ): Promise<void> {
    let info: Deno.FileInfo;
    try {
      info = await Deno.stat(entry.path);
    } catch (error) {
      if (
        !(error instanceof Deno.errors.NotFound ||
          error instanceof Deno.errors.FilesystemLoop)
      ) throw error;
      // It points at nothing: the link itself is all there is.
      return this.#found(entry, relative, parent, undefined);
    }
    if (this.#isClosed) return;
    entry.isFile = info.isFile;
    entry.isDirectory = info.isDirectory;
    let ancestors: Ancestors | undefined;
    if (info.isDirectory) {
      const identity = identify(info, entry.path);
      for (let at = parent.ancestors; at !== undefined; at = at.above) {
        if (at.identity === identity) return;
      }
      ancestors = { identity, above: parent.ancestors };
    }
    this.#found(entry, relative, parent, ancestors);
  }

  #failed(error: unknown, directory: Directory): void {
    if (this.#isClosed) return;
    const isRoot = directory.depth === 0;
    const hasVanished = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (hasVanished && !isRoot) return;
    const { onError } = this.#plan;
    if (isRoot || onError === "throw") this.#fail(error);
    else if (onError === "collect") (this.#errors ??= []).push(error);
    else if (onError !== "skip") {
      try {
        onError(error, directory.path);
      } catch (thrown) {
        this.#fail(thrown);
      }
    }
  }

  /** The walk ends: the pull that waits, or the next one, rejects. */
  #fail(error: unknown): void {
    if (this.#isClosed || this.#failure !== undefined) return;
    this.#failure = { error };
    this.#end(undefined);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

function identify(info: Deno.FileInfo, path: string): string {
  return info.ino === null
    ? Deno.realPathSync(path)
    : `${info.dev}:${info.ino}`;
}
