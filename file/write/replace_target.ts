/**
 * The file that an atomic write replaces: where it is behind symbolic links, what the new one keeps
 * of it, and whose turn it is when writes of one path overlap.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import { isAbsolute } from "@std/path/is-absolute";
import { resolve } from "@std/path/resolve";
import { withResolvers } from "../../_internal/resolvers.ts";
import { isWindows, joinPath } from "../paths.ts";

/** Where a write to `path` goes, and what is there. */
export function targetFor(
  path: string,
  options: {
    exclusive?: boolean | undefined;
    replacesLink?: boolean | undefined;
  },
): ReplaceTarget {
  // The target of an exclusive write is the path itself: even a dangling link is in the way.
  if (options.exclusive && lookAt(path) !== undefined) {
    throw new Deno.errors.AlreadyExists(`File exists: write '${path}'`);
  }
  return options.exclusive || options.replacesLink
    ? { path, info: undefined }
    : behindLinks(path);
}

/** Synchronous: 4 us of this thread instead of 20 us on two, a fifth of the whole write. */
function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What is kept of the file that is replaced. */
export interface ReplaceTarget {
  /** The path behind all symbolic links, which need not exist. */
  readonly path: string;
  /** The file there, when there is one. */
  readonly info: Deno.FileInfo | undefined;
}

const MAX_LINKS = 40;

/**
 * Where a write to `path` goes. A symbolic link stays and its target is replaced, or made when
 * the link dangles.
 */
function behindLinks(path: string): ReplaceTarget {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const info = lookAt(at);
    if (!info?.isSymlink) {
      if (info?.isDirectory) {
        throw new Deno.errors.IsADirectory(
          `Is a directory: write '${at}'. Give the path of a file.`,
        );
      }
      if (info?.isFile === false) {
        throw new Deno.errors.NotSupported(
          `Not a regular file: write '${at}'. A FIFO, a socket or a device would be replaced by a file: write to it without atomic.`,
        );
      }
      return { path: at, info };
    }
    const target = Deno.readLinkSync(at);
    at = isAbsolute(target) ? target : joinPath(dirname(at), target);
  }
  throw new Deno.errors.FilesystemLoop(
    `Too many levels of symbolic links: write '${path}'`,
  );
}

/**
 * Gives the new file what belonged to the old one. What it has already is left: changing it writes
 * to the file system's journal, looking at it does not.
 */
export async function keepOwnership(
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

/** The temporary file is never more open to others than what it will become. */
export function restrictedMode(
  mode: number | undefined,
  target: ReplaceTarget,
): number {
  const final = mode ?? target.info?.mode ?? 0o666;
  // The writer itself must be able to open it again.
  return (final & 0o777) | 0o600;
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

  /** Takes the next place; `path` is the one behind symbolic links. */
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
    const { promise, resolve } = withResolvers<void>();
    order.renaming = promise;
    try {
      await rename();
      order.committed = this.#number;
      return true;
    } finally {
      order.renaming = undefined;
      resolve();
    }
  }

  /** Leaves the order; to be called once, whatever has happened. */
  leave(): void {
    if (--this.#order.holders === 0) orders.delete(this.#key);
  }
}
