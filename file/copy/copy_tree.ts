/**
 * Copying a directory with everything in it.
 *
 * Nothing is written outside of the destination: where a file or a link is to be, a link that is
 * there is replaced itself; where a directory is to be, it is an error.
 *
 * Directories are made as the walk finds them, parents first; files and links are copied several at
 * a time; the times and permission bits of directories come last, deepest first, since a file
 * that is written changes the times of its directory, and a directory may forbid writing.
 *
 * @module
 */
import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { heedAbort } from "../../_internal/abort.ts";
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { closesWhilePending } from "../../_internal/iterators.ts";
import type { CopyFileOptions, CopyProgress, CopyResult } from "./options.ts";
import { alreadyThere, copyOne, copyTimes, isSame } from "./copy_one.ts";
import { CopyError, ifThere, namingPath } from "../errors.ts";
import { isBelow, isWindows, joinPath } from "../paths.ts";
import { asTask } from "../../runner/as_task.ts";
import { rootDirectory, WalkReader } from "../walk/listing.ts";
import { type WalkEntry, walkPlan } from "../walk/options.ts";
import { SortedWalkSource } from "../walk/walk_sorted.ts";

const DEFAULT_CONCURRENCY = 8;

/** Copies the directory `from` into the directory `to`, which is made when it is not there. */
export async function copyTree(
  from: string,
  to: string,
  info: Deno.FileInfo,
  options: CopyFileOptions,
): Promise<CopyResult> {
  const { concurrency = DEFAULT_CONCURRENCY, signal } = options;
  const run = new TreeRun(from, to, options);
  const subscription = heedAbort(signal, (reason) => run.stop(reason));
  try {
    await checkTree(from, to, info);
    await run.directory(from, to, info);
    await new ConcurrentMap(run.files(), (entry) => run.copy(entry), {
      concurrency,
      ordered: false,
    }).run();
    await run.finish();
    return run.result;
  } finally {
    subscription?.unsubscribe();
  }
}

/** Refuses what makes no sense, before anything is written. */
async function checkTree(
  from: string,
  to: string,
  info: Deno.FileInfo,
): Promise<void> {
  const old = await ifThere(Deno.stat(to));
  if (old !== undefined && !old.isDirectory) {
    throw new CopyError(from, to, "directory-over-file");
  }
  if (old !== undefined && isSame(info, old)) {
    throw new CopyError(from, to, "same-file");
  }
  // What exists of the destination's path, by its real name: a link may lead into the source.
  const source = await Deno.realPath(from);
  const place = await realPathOfNearest(to);
  if (place === source || isBelow(place, source)) {
    throw new CopyError(from, to, "into-itself");
  }
}

async function realPathOfNearest(path: string): Promise<string> {
  for (let at = path;; at = dirname(at)) {
    try {
      return await Deno.realPath(at);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (dirname(at) === at) throw error;
    }
  }
}

interface FinishedDirectory {
  path: string;
  info: Deno.FileInfo;
}

class TreeRun {
  readonly result: CopyResult = { bytes: 0, files: 0 };
  readonly #from: string;
  readonly #to: string;
  readonly #options: CopyFileOptions;
  /** Ends the walk, and takes what waits for the runner out of its queue. */
  readonly #stopping = new AbortController();
  readonly #directories: FinishedDirectory[] = [];
  #totalBytes = 0;
  #totalFiles = 0;

  constructor(from: string, to: string, options: CopyFileOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  /** After the first failure, or an abort: nothing more is begun. */
  stop(reason: unknown): void {
    this.#stopping.abort(reason);
  }

  /** What is to be copied. It may be closed while it is read: `stop` ends what it waits for. */
  files(): AsyncIterable<WalkEntry> {
    return Object.assign(this.#walk(), { [closesWhilePending]: true });
  }

  /** Makes the directories of the walk and passes on everything else. */
  async *#walk(): AsyncGenerator<WalkEntry> {
    const { runner, priority } = this.#options;
    const { signal } = this.#stopping;
    const plan = walkPlan({ includeDirs: true, signal, runner, priority });
    const root = rootDirectory(this.#from);
    const walk = new SortedWalkSource(root, new WalkReader(plan, undefined));
    try {
      for (
        let batch = await walk.pull();
        batch !== undefined;
        batch = await walk.pull()
      ) {
        for (const entry of batch) {
          if (!entry.isDirectory) yield entry;
          else {
            const info = await ifThere(Deno.lstat(entry.path));
            if (info?.isDirectory) {
              await this.directory(entry.path, this.#target(entry.path), info);
            } else if (info === undefined) this.#missing(entry.path);
          }
        }
      }
    } catch (error) {
      this.stop(error);
      throw error;
    } finally {
      await walk.close();
    }
  }

  async directory(
    from: string,
    to: string,
    info: Deno.FileInfo,
  ): Promise<void> {
    // The destination itself may be a link, since the caller names it; what is found in it may not.
    const old =
      await (to === this.#to
        ? ifThere(Deno.stat(to))
        : ifThere(Deno.lstat(to)));
    if (old === undefined) {
      // The final bits may forbid writing; they come in `finish`.
      await Deno.mkdir(to, { mode: ((info.mode ?? 0o777) & 0o777) | 0o700 });
      this.#directories.push({ path: to, info });
    } else if (old.isSymlink) {
      throw new CopyError(from, to, "directory-over-link");
    } else if (!old.isDirectory) {
      throw new CopyError(from, to, "directory-over-file");
    } else if (this.#options.preserveTimestamps) {
      this.#directories.push({ path: to, info: { ...info, mode: null } });
    }
  }

  /** Copies what is no directory, as a task of the runner when there is one. */
  async copy(entry: WalkEntry): Promise<void> {
    const { runner, priority } = this.#options;
    const { signal } = this.#stopping;
    try {
      await (runner === undefined
        ? this.#entry(entry)
        : asTask(runner, () => this.#entry(entry), {
          priority,
          signal,
          name: `copy ${entry.path}`,
        }));
    } catch (error) {
      this.stop(error);
      throw error;
    }
  }

  async #entry({ path, isFile, isSymlink }: WalkEntry): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    const to = this.#target(path);
    if (isSymlink) return await this.#link(path, to);
    if (isFile) return await this.#file(path, to);
    throw new CopyError(path, to, "special-file");
  }

  /**
   * What the walk has seen is not there. It has gone, as if it had never been, unless the system has
   * told its name with U+FFFD in it, which is not the name that it has.
   */
  #missing(path: string): void {
    if (!basename(path).includes("\ufffd")) return;
    throw new CopyError(path, this.#target(path), "unreadable-name");
  }

  async #file(from: string, to: string): Promise<void> {
    const { overwrite = true, preserveTimestamps = false } = this.#options;
    const { signal, onProgress } = this.#options;
    const [info, old] = await Promise.all([
      ifThere(Deno.lstat(from)),
      ifThere(Deno.lstat(to)),
    ]);
    if (info === undefined) return this.#missing(from);
    this.#totalBytes += info.size;
    this.#totalFiles++;
    let bytes = 0;
    const size = await copyOne({
      from,
      info,
      to,
      old,
      overwrite,
      preserveTimestamps,
      signal,
      // Small files are told of as a whole, which lets the system copy them.
      onBytes: onProgress === undefined || info.size <= SMALL
        ? undefined
        : (count) => {
          bytes += count;
          this.result.bytes += count;
          return this.#tell(from, onProgress);
        },
    });
    this.result.bytes += size - bytes;
    // It has grown or shrunk since it was looked at.
    this.#totalBytes += size - info.size;
    this.result.files++;
    if (onProgress !== undefined) await this.#tell(from, onProgress);
  }

  async #link(from: string, to: string): Promise<void> {
    // Where it leads may be no valid UTF-8, and the system does not say of which link.
    const reading = ifThere(Deno.readLink(from));
    const target = await namingPath(reading, "copy", from);
    if (target === undefined) return this.#missing(from);
    const old = await ifThere(Deno.lstat(to));
    if (old !== undefined) {
      if (old.isDirectory) throw new CopyError(from, to, "file-over-directory");
      if (this.#options.overwrite === false) throw alreadyThere(from, to);
      await Deno.remove(to);
    }
    await Deno.symlink(
      target,
      to,
      isWindows() ? await linkType(from) : undefined,
    );
  }

  #tell(path: string, onProgress: (progress: CopyProgress) => void): unknown {
    const { bytes, files } = this.result;
    return onProgress({
      path,
      bytes,
      totalBytes: this.#totalBytes,
      files,
      totalFiles: this.#totalFiles,
    });
  }

  /** Bits and times of the directories, the deepest first. */
  async finish(): Promise<void> {
    for (const { path, info } of this.#directories.reverse()) {
      if (info.mode !== null && !isWindows()) {
        await Deno.chmod(path, info.mode & 0o7777);
      }
      if (this.#options.preserveTimestamps) await copyTimes(path, info);
    }
  }

  #target(path: string): string {
    // The walk joins names to the root as it was given, save ".", which it leaves out.
    const relative = this.#from === "."
      ? path
      : path.slice(joinPath(this.#from, "").length);
    return joinPath(this.#to, relative);
  }
}

/** Copied by the system in one call even when progress is asked for. */
const SMALL = 4 * 1024 * 1024;

async function linkType(path: string): Promise<Deno.SymlinkOptions> {
  const info = await ifThere(Deno.stat(path));
  return { type: info?.isDirectory ? "dir" : "file" };
}
