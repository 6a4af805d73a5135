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
import { resolve } from "@std/path";
import { replace, syncParent } from "./durable.ts";
import { DurabilityError, withPath } from "./errors.ts";
import { isWindows, joinPath, splitPath } from "./paths.ts";
import { sweepTemporary, temporaryName } from "./temporary.ts";
import { writeAll } from "./write_all.ts";

/** What is kept of the file that is replaced. */
export interface ReplaceTarget {
  /** The path behind all symbolic links, which need not exist. */
  readonly path: string;
  /** The file there, when there is one. */
  readonly info: Deno.FileInfo | undefined;
}

const MOST_LINKS = 40;

/**
 * Where a write to `path` goes. A symbolic link stays and its target is replaced, or made when
 * the link dangles.
 */
export function replaceTarget(path: string): ReplaceTarget {
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    let info: Deno.FileInfo;
    try {
      // Synchronous: 4 us of this thread instead of 20 us on two, a fifth of the whole write.
      info = Deno.lstatSync(at);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        return { path: at, info: undefined };
      }
      throw error;
    }
    if (!info.isSymlink) {
      if (info.isDirectory) {
        throw new Deno.errors.IsADirectory(
          `Is a directory: write '${at}'. Give the path of a file.`,
        );
      }
      return { path: at, info };
    }
    const target = Deno.readLinkSync(at);
    at = target.startsWith("/") || (isWindows() && resolve(target) === target)
      ? target
      : joinPath(splitPath(at).directory, target);
  }
  throw new Deno.errors.FilesystemLoop(
    `Too many levels of symbolic links: write '${path}'`,
  );
}

/**
 * Gives the new file what belonged to the old one. What it has already is left: changing it writes
 * to the file system's journal, looking at it does not.
 */
async function keepOwnership(
  path: string,
  target: ReplaceTarget,
  mode: number | undefined,
): Promise<void> {
  const { info } = target;
  const wanted = mode ?? info?.mode ?? undefined;
  if (wanted === undefined || isWindows()) return;
  // Synchronous for the same reason as the look at the target.
  const own = Deno.lstatSync(path);
  let isOther = own.mode === null || (own.mode & 0o7777) !== (wanted & 0o7777);
  if (
    info !== undefined && info.uid !== null && info.gid !== null &&
    (own.uid !== info.uid || own.gid !== info.gid)
  ) {
    try {
      await Deno.chown(path, info.uid, info.gid);
      // That clears the set-user-id bits.
      isOther = true;
    } catch (error) {
      // Only the owner of the system may give files away; the content matters more.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    }
  }
  // The umask took some bits away, or creation does not give them.
  if (isOther) await Deno.chmod(path, wanted & 0o7777);
}

// Commits to one path happen in the order of their tickets. Invariant: an entry is here exactly
// while somebody holds a ticket for its path; `renaming` settles when the last rename begun has
// ended, and `committed` is the highest ticket whose rename succeeded.
interface CommitOrder {
  holders: number;
  last: number;
  committed: number;
  renaming: Promise<void> | undefined;
}

const orders = new Map<string, CommitOrder>();
/** An absolute path without ".", ".." or doubled slashes: its own key, without the cost of resolve. */
const IS_NORMAL = /^(?:\/(?!\.{0,2}(?:\/|$))[^/\\]+)+$/;

/** A place in the order of those who replace one path. Every ticket is used or returned. */
export class CommitTicket {
  readonly #key: string;
  readonly #order: CommitOrder;
  readonly #number: number;

  /** Takes the next place. */
  constructor(path: string) {
    this.#key = IS_NORMAL.test(path) ? path : resolve(path);
    let order = orders.get(this.#key);
    if (order === undefined) {
      order = { holders: 0, last: 0, committed: 0, renaming: undefined };
      orders.set(this.#key, order);
    }
    this.#order = order;
    this.#order.holders++;
    this.#number = ++order.last;
  }

  /**
   * Runs `rename` alone. When a later ticket has been committed already, its content stands, as if
   * ours had come and been replaced at once: `rename` is not called and the result is false.
   */
  async commit(rename: () => Promise<void>): Promise<boolean> {
    const order = this.#order;
    while (order.renaming !== undefined) await order.renaming;
    if (order.committed > this.#number) return false;
    const work = rename();
    const settled = work.then(
      () => {
        order.committed = this.#number;
        order.renaming = undefined;
      },
      () => {
        order.renaming = undefined;
      },
    );
    order.renaming = settled;
    await work;
    return true;
  }

  /** Leaves the order; to be called once, whatever has happened. */
  leave(): void {
    if (--this.#order.holders === 0) orders.delete(this.#key);
  }
}

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
  #isClosed = false;
  readonly #requested: string;
  readonly #options: AtomicOptions;

  private constructor(
    /** The open temporary file. */
    readonly file: Deno.FsFile,
    /** Its path. */
    readonly temporaryPath: string,
    /** What it will replace. */
    readonly target: ReplaceTarget,
    requested: string,
    options: AtomicOptions,
  ) {
    this.#requested = requested;
    this.#options = options;
  }

  /** Creates the temporary file for `path`. */
  static async create(
    path: string,
    options: AtomicOptions,
  ): Promise<AtomicFile> {
    try {
      return await AtomicFile.#create(path, options);
    } catch (error) {
      // The system names the temporary file, which the caller does not know.
      throw withPath(error, "write", path);
    }
  }

  static async #create(
    path: string,
    options: AtomicOptions,
  ): Promise<AtomicFile> {
    const target = targetFor(path, options);
    const { directory, base } = splitPath(target.path);
    const sweeping = sweepTemporary(directory);
    if (sweeping !== undefined) await sweeping;
    for (;;) {
      const temporaryPath = temporaryName(directory, base);
      const file = await Deno.open(temporaryPath, {
        createNew: true,
        write: true,
        mode: restrictedMode(options.mode, target),
      });
      // A sweep of another process may have come between the creation and the lock.
      if (lock(file) && file.statSync().nlink !== 0) {
        return new AtomicFile(file, temporaryPath, target, path, options);
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
    const ticket = new CommitTicket(this.#requested);
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
    try {
      await Deno.remove(this.temporaryPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.file.close();
  }
}

/** Replaces `path` by `bytes`, which are in memory: fewer calls than an AtomicFile. */
export async function replaceContent(
  path: string,
  bytes: Uint8Array,
  options: AtomicOptions & { signal?: AbortSignal | undefined },
): Promise<void> {
  // Taken before anything is awaited: of overlapping calls, the last one wins.
  const ticket = new CommitTicket(path);
  try {
    const target = targetFor(path, options);
    const { directory, base } = splitPath(target.path);
    const sweeping = sweepTemporary(directory);
    if (sweeping !== undefined) await sweeping;
    for (let attempt = 1;; attempt++) {
      const temporaryPath = temporaryName(directory, base);
      try {
        await writeTemporary(temporaryPath, bytes, target, options);
        options.signal?.throwIfAborted();
        await publishInOrder(
          ticket,
          temporaryPath,
          target.path,
          options,
        );
        return;
      } catch (error) {
        if (error instanceof DurabilityError) throw error;
        await removeQuietly(temporaryPath);
        // This writer holds no lock, which would cost it an eighth of its time, so the sweep of a
        // process that cannot see ours (another container) may take its file away.
        const wasSwept = error instanceof Deno.errors.NotFound &&
          attempt < MOST_ATTEMPTS && await isThere(directory);
        if (!wasSwept) throw error;
      }
    }
  } catch (error) {
    // The system names the temporary file, or where a link leads, and the caller neither.
    throw options.signal?.aborted ? error : withPath(error, "write", path);
  } finally {
    ticket.leave();
  }
}

const MOST_ATTEMPTS = 5;

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
    try {
      if (bytes.byteLength > 0) await writeAll(file, bytes);
    } catch (error) {
      throw withPath(error, "write", temporaryPath);
    }
    signal?.throwIfAborted();
    await keepOwnership(temporaryPath, target, mode);
    await syncFile(file, temporaryPath);
  } finally {
    file.close();
  }
}

/** fsync, with the path in its error. */
export async function syncFile(file: Deno.FsFile, path: string): Promise<void> {
  try {
    await file.sync();
  } catch (error) {
    throw withPath(error, "sync", path);
  }
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

function targetFor(path: string, options: AtomicOptions): ReplaceTarget {
  if (options.exclusive) return exclusiveTarget(path);
  return options.replacesLink ? { path, info: undefined } : replaceTarget(path);
}

/** The target of an exclusive write is the path itself: even a dangling link is in the way. */
function exclusiveTarget(path: string): ReplaceTarget {
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path, info: undefined };
    throw error;
  }
  throw new Deno.errors.AlreadyExists(`File exists: write '${path}'`);
}

async function isThere(directory: string): Promise<boolean> {
  try {
    return (await Deno.stat(directory)).isDirectory;
  } catch {
    return false;
  }
}

/** The temporary file is never more open to others than what it will become. */
export function restrictedMode(
  mode: number | undefined,
  target: ReplaceTarget,
): number {
  const final = mode ?? target.info?.mode ?? 0o666;
  // The writer itself must be able to open it again.
  return (final & 0o777) | 0o600;
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
