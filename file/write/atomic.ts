/**
 * Replacing a file as a whole: a temporary file beside the target, fsync, rename, fsync of the
 * directory. At any moment, and after a crash at any moment, the target is the old file or the
 * new one.
 *
 * States of an AtomicFile: open, then exactly one of committed and discarded. `commit` and
 * `discard` leave "open" synchronously before they do anything, so the file is closed once and the
 * temporary name is renamed or removed, never both.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import { replace, syncParent } from "./durable.ts";
import { DurabilityError, ifThere, namingPath, withPath } from "../errors.ts";
import { isWindows, statQuietly } from "../paths.ts";
import {
  CommitTicket,
  keepOwnership,
  type ReplaceTarget,
  restrictedMode,
  targetFor,
} from "./replace_target.ts";
import { sweepTemporary, temporaryPathFor } from "./temporary.ts";
import { writeAll } from "./write_queue.ts";

/** How a file is replaced. */
export interface AtomicOptions {
  /** Permission bits of the new file, whatever the umask. @default the old file's, or 0o666 less the umask */
  mode?: number | undefined;
  /** Synchronise file and directory. */
  durable: boolean;
  /** Fail when something is there already, at the latest on commit. */
  exclusive?: boolean | undefined;
  /** Replace a symbolic link itself, not what it points at. */
  replacesLink?: boolean | undefined;
}

/** A file being written that will take the place of another. */
export class AtomicFile {
  #state: "open" | "committed" | "discarded" = "open";
  readonly #options: AtomicOptions;

  private constructor(
    /** The open temporary file. */
    readonly file: Deno.FsFile,
    /** Its path. */
    readonly temporaryPath: string,
    /** What it will replace. */
    readonly target: ReplaceTarget,
    options: AtomicOptions,
  ) {
    this.#options = options;
  }

  /** Creates the temporary file for `path`. */
  static create(path: string, options: AtomicOptions): Promise<AtomicFile> {
    // The system names the temporary file, which the caller does not know.
    return namingPath(AtomicFile.#create(path, options), "write", path);
  }

  static async #create(
    path: string,
    options: AtomicOptions,
  ): Promise<AtomicFile> {
    const target = targetFor(path, options);
    const sweeping = sweepTemporary(dirname(target.path));
    if (sweeping !== undefined) await sweeping;
    for (;;) {
      const temporaryPath = temporaryPathFor(target.path);
      const file = await Deno.open(temporaryPath, {
        createNew: true,
        write: true,
        mode: restrictedMode(options.mode, target),
      });
      // A sweep of another process may have come between the creation and the lock.
      if (lock(file) && file.statSync().nlink !== 0) {
        return new AtomicFile(file, temporaryPath, target, options);
      }
      file.close();
      await removeQuietly(temporaryPath);
    }
  }

  /**
   * Puts the file in the place of its target.
   *
   * @throws {DurabilityError} When it is in place and the directory's fsync failed.
   */
  async commit(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "committed";
    const ticket = new CommitTicket(this.target.path);
    const { durable, mode } = this.#options;
    try {
      await keepOwnership(this.temporaryPath, this.target, mode);
      if (durable) await syncFile(this.file, this.temporaryPath);
      // Windows cannot rename an open file; elsewhere the lock is kept until the rename is done.
      if (isWindows()) this.#close();
      await publishInOrder(
        ticket,
        this.temporaryPath,
        this.target.path,
        this.#options,
      );
    } catch (error) {
      if (!(error instanceof DurabilityError)) {
        await removeQuietly(this.temporaryPath);
      }
      throw error;
    } finally {
      this.#close();
      ticket.leave();
    }
  }

  /** Removes the temporary file; the target stays as it is. */
  async discard(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "discarded";
    this.#close();
    await ifThere(Deno.remove(this.temporaryPath));
  }

  /** Unlike `close()`, it may come twice. */
  #close(): void {
    this.file[Symbol.dispose]();
  }
}

/** Replaces `path` by `bytes`, which are in memory: fewer calls than an AtomicFile. */
export async function replaceContent(
  path: string,
  bytes: Uint8Array,
  options: AtomicOptions & { signal?: AbortSignal | undefined },
): Promise<void> {
  let ticket: CommitTicket | undefined;
  try {
    const target = targetFor(path, options);
    // Taken before anything is awaited: of overlapping calls, the last one wins.
    ticket = new CommitTicket(target.path);
    const directory = dirname(target.path);
    const sweeping = sweepTemporary(directory);
    if (sweeping !== undefined) await sweeping;
    for (let attempt = 1;; attempt++) {
      const temporaryPath = temporaryPathFor(target.path);
      try {
        await writeTemporary(temporaryPath, bytes, target, options);
        options.signal?.throwIfAborted();
        await publishInOrder(ticket, temporaryPath, target.path, options);
        return;
      } catch (error) {
        if (error instanceof DurabilityError) throw error;
        await removeQuietly(temporaryPath);
        // This writer holds no lock, which would cost it an eighth of its time, so the sweep of a
        // process that cannot see ours (another container) may take its file away.
        const wasSwept = error instanceof Deno.errors.NotFound &&
          attempt < MAX_ATTEMPTS && (await statQuietly(directory))?.isDirectory;
        if (!wasSwept) throw error;
      }
    }
  } catch (error) {
    // The system names the temporary file, or where a link leads, and the caller neither.
    throw options.signal?.aborted ? error : withPath(error, "write", path);
  } finally {
    ticket?.leave();
  }
}

const MAX_ATTEMPTS = 5;

async function writeTemporary(
  temporaryPath: string,
  bytes: Uint8Array,
  target: ReplaceTarget,
  options: AtomicOptions & { signal?: AbortSignal | undefined },
): Promise<void> {
  const { durable, mode, signal } = options;
  const creation = {
    createNew: true,
    mode: restrictedMode(mode, target),
  };
  if (!durable) {
    await Deno.writeFile(
      temporaryPath,
      bytes,
      signal === undefined ? creation : { ...creation, signal },
    );
    return await keepOwnership(temporaryPath, target, mode);
  }
  const file = await Deno.open(temporaryPath, { ...creation, write: true });
  try {
    if (bytes.byteLength > 0) {
      await namingPath(writeAll(file, bytes), "write", temporaryPath);
    }
    signal?.throwIfAborted();
    await keepOwnership(temporaryPath, target, mode);
    await syncFile(file, temporaryPath);
  } finally {
    file.close();
  }
}

/** fsync, with the path in its error. */
export function syncFile(file: Deno.FsFile, path: string): Promise<void> {
  return namingPath(file.sync(), "sync", path);
}

async function publishInOrder(
  ticket: CommitTicket,
  temporaryPath: string,
  path: string,
  { durable, exclusive }: AtomicOptions,
): Promise<void> {
  if (exclusive) {
    // A second name for the file, which the system refuses when the name is taken; rename would
    // replace what is there.
    await Deno.link(temporaryPath, path);
    await removeQuietly(temporaryPath);
  } else {
    const isLast = await ticket.commit(() => replace(temporaryPath, path));
    if (!isLast) await removeQuietly(temporaryPath);
  }
  if (durable) await syncParent(path);
}

function lock(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    // A file system without locks: nobody's sweep can lock it either, so it is left alone.
    return true;
  }
}

async function removeQuietly(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
}
