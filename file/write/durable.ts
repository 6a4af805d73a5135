/**
 * What survives a power failure: fsync of files and directories, and the rename that publishes a
 * finished file.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { dirname } from "@std/path/dirname";
import { now } from "../../_internal/clock.ts";
import { DurabilityError } from "../errors.ts";
import { isWindows } from "../paths.ts";

/** Opens a directory for fsync. A seam for tests: such a failure cannot be brought about. */
export interface DirectoryOpener {
  (directory: string): Promise<{ sync(): Promise<void>; close(): void }>;
}

interface DirectorySync {
  /** The fsync that the system is working on. */
  running: Promise<void>;
  /** The one after it, for all who came after it had begun. */
  next: Promise<void> | undefined;
}

// Invariant: a directory is here exactly while an fsync of it runs or is due. A caller's rename
// is covered only by an fsync that begins after it, so whoever comes while one runs waits for the
// next, which all of them share: 16 writers in one directory pay for two fsyncs, not for 16.
const syncs = new Map<string, DirectorySync>();

/** Makes what was created, renamed or removed in `directory` durable. */
export function syncDirectory(
  directory: string,
  open: DirectoryOpener = (path) => Deno.open(path),
): Promise<void> {
  // Windows cannot open a directory for this, and journals its directory entries.
  if (isWindows()) return Promise.resolve();
  const current = syncs.get(directory);
  if (current !== undefined) {
    return current.next ??= current.running.catch(() => {})
      .then(() => begin(directory, open));
  }
  return begin(directory, open);
}

function begin(directory: string, open: DirectoryOpener): Promise<void> {
  const sync: DirectorySync = {
    running: run(directory, open),
    next: undefined,
  };
  syncs.set(directory, sync);
  const leave = () => {
    if (sync.next === undefined) syncs.delete(directory);
  };
  sync.running.then(leave, leave);
  return sync.running;
}

async function run(directory: string, open: DirectoryOpener): Promise<void> {
  const handle = await open(directory);
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems (network ones, FUSE) have no fsync for directories: nothing to wait for.
    const { code } = error as { code?: string };
    if (code !== "EINVAL" && code !== "ENOTSUP") throw error;
  } finally {
    handle.close();
  }
}

/** How long a rename is tried again on Windows, where a virus scanner may hold the target open. */
const RENAME_PATIENCE = 2_000;

/** Renames `from` over `to`, which is there whole or not at all at any moment. */
export async function replace(from: string, to: string): Promise<void> {
  if (!isWindows()) return await Deno.rename(from, to);
  const giveUp = now() + RENAME_PATIENCE;
  for (let wait = 10;; wait *= 2) {
    try {
      return await Deno.rename(from, to);
    } catch (error) {
      const held = error instanceof Deno.errors.PermissionDenied ||
        error instanceof Deno.errors.Busy;
      if (!held || now() + wait > giveUp) throw error;
      await delay(wait);
    }
  }
}

/**
 * Synchronises the directory that `path` was renamed into.
 *
 * @throws {DurabilityError} When that fails: the rename is done all the same.
 */
export async function syncParent(
  path: string,
  open?: DirectoryOpener,
): Promise<void> {
  try {
    await syncDirectory(dirname(path), open);
  } catch (cause) {
    throw new DurabilityError(path, { cause });
  }
}

/**
 * Renames the finished and synchronised file `from` over `to`; with `durable`, the directory is
 * synchronised too.
 *
 * @throws {DurabilityError} When the rename is done and the directory's fsync failed.
 */
export async function publish(
  from: string,
  to: string,
  durable: boolean,
): Promise<void> {
  await replace(from, to);
  if (durable) await syncParent(to);
}
