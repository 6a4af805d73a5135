/**
 * The unfinished file of a download: `<destination>.part`, what is known of it in
 * `<destination>.part.json`, and the claim on both.
 *
 * @module
 */
import { ifThere } from "../../file/errors.ts";
import { DownloadBusyError } from "../errors/download_error.ts";

/** What is remembered of an unfinished download. */
export interface PartState {
  /** What `If-Range` is sent with. */
  readonly validator: string;
  /** Length of the whole, if the server said it. */
  readonly size: number | undefined;
  /** The finished ranges of a download in segments: from, and up to but not including. */
  readonly ranges?: readonly (readonly [number, number])[] | undefined;
}

// Destinations of this process: a file lock does not exclude the process that holds it.
const claimed = new Set<string>();

/**
 * An unfinished file that belongs to one download.
 *
 * Invariant: between `open` and `close` no other download has it, in this process (`claimed`) or
 * in another (the file's lock).
 */
export class PartFile {
  /** The unfinished file. */
  readonly path: string;
  /** The file, open for reading and writing. */
  readonly file: Deno.FsFile;
  readonly #statePath: string;
  readonly #claim: string;
  #closed = false;

  private constructor(destination: string, file: Deno.FsFile, claim: string) {
    this.path = `${destination}.part`;
    this.#statePath = `${destination}.part.json`;
    this.file = file;
    this.#claim = claim;
  }

  /**
   * @throws {DownloadBusyError} When another download has it.
   * @throws {TypeError} When something other than a file or a link has its name.
   */
  static async open(destination: string): Promise<PartFile> {
    const claim = await absolute(destination);
    if (claimed.has(claim)) throw new DownloadBusyError(destination);
    claimed.add(claim);
    try {
      for (;;) {
        const file = await openLocked(destination);
        if (file !== undefined) return new PartFile(destination, file, claim);
      }
    } catch (error) {
      claimed.delete(claim);
      throw error;
    }
  }

  /** What was remembered; `undefined` when there is nothing usable. */
  async readState(): Promise<PartState | undefined> {
    let state: Partial<PartState> | null;
    try {
      // Neither what a link leads to nor a FIFO, on which a read would wait for ever.
      if (!(await Deno.lstat(this.#statePath)).isFile) return undefined;
      state = JSON.parse(await Deno.readTextFile(this.#statePath));
    } catch {
      // Not there, or cut short by a kill: then the download begins anew.
      return undefined;
    }
    if (typeof state?.validator !== "string") return undefined;
    const { validator, size, ranges } = state;
    if (size !== undefined && !Number.isSafeInteger(size)) return undefined;
    if (ranges !== undefined && (size === undefined || !areRanges(ranges))) {
      return undefined;
    }
    return { validator, size, ranges };
  }

  /** Remembers; written beside and renamed, so that a kill leaves the old or the new one whole. */
  async writeState(state: PartState): Promise<void> {
    const temporary = `${this.#statePath}.tmp`;
    // What a kill left there, or a link that would be written through.
    await ifThere(Deno.remove(temporary));
    try {
      await Deno.writeTextFile(temporary, JSON.stringify(state), {
        createNew: true,
      });
      await Deno.rename(temporary, this.#statePath);
    } catch (error) {
      // Not what has failed: that is `error`.
      await ifThere(Deno.remove(temporary)).catch(() => {});
      throw error;
    }
  }

  /** Forgets. */
  async removeState(): Promise<void> {
    await ifThere(Deno.remove(this.#statePath));
  }

  /** Removes the unfinished file and what is known of it. */
  async remove(): Promise<void> {
    if (this.#closed) return;
    // While the lock is held: nobody else can have begun with it.
    try {
      await ifThere(Deno.remove(this.path));
      await this.removeState();
    } finally {
      this.close();
    }
  }

  /** Removes them if nothing has come yet: what an earlier download has left stays. */
  async removeIfEmpty(): Promise<void> {
    if (this.#closed) return;
    const { size } = await this.file.stat();
    if (size === 0) await this.remove();
  }

  /** Lets go of the file; it stays for a resume. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.file.close();
    claimed.delete(this.#claim);
  }
}

/**
 * The part file, locked; `undefined` when it is no longer the file of that name: another process
 * has renamed or removed it between our open and our lock, and it may be the destination by now.
 */
async function openLocked(
  destination: string,
): Promise<Deno.FsFile | undefined> {
  const path = `${destination}.part`;
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  try {
    if (!await file.tryLock(true)) throw new DownloadBusyError(destination);
    if (await isAt(path, file)) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}

/**
 * The file of that name, made if there is none; `undefined` when the name changed hands meanwhile.
 *
 * Never through a link: it would let whoever can make one choose what the download overwrites, and
 * the destination would become the link. `createNew` follows none, and a link that slips in before
 * an open of what was a file is found by `isAt` before a byte is written.
 */
async function openRegular(path: string): Promise<Deno.FsFile | undefined> {
  const there = await regularAt(path);
  try {
    return await Deno.open(path, {
      read: true,
      write: true,
      createNew: !there,
    });
  } catch (error) {
    const changed = there
      ? error instanceof Deno.errors.NotFound
      : error instanceof Deno.errors.AlreadyExists;
    if (changed) return undefined;
    throw error;
  }
}

/**
 * Whether a regular file has the name. A link is removed (not what it points to); on anything else
 * a write could wait for ever.
 */
async function regularAt(path: string): Promise<boolean> {
  const there = await ifThere(Deno.lstat(path));
  if (there === undefined) return false;
  if (there.isFile) return true;
  if (!there.isSymlink) {
    throw new TypeError(
      `${path} is no regular file, and the unfinished download goes there. Remove it, or choose another destination.`,
    );
  }
  await ifThere(Deno.remove(path));
  return false;
}

async function isAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const own = await file.stat();
  const there = await ifThere(Deno.lstat(path));
  return there?.ino === own.ino && there.dev === own.dev;
}

function areRanges(value: unknown): boolean {
  return Array.isArray(value) &&
    value.every((range) =>
      Array.isArray(range) && range.length === 2 &&
      range.every((end) => Number.isSafeInteger(end) && end >= 0) &&
      range[0] <= range[1]
    );
}

/** One name for the file, however it is written: the directory's true path and the file's name. */
async function absolute(path: string): Promise<string> {
  const slash = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const directory = slash === -1 ? "." : path.slice(0, slash) || "/";
  return `${await Deno.realPath(directory)}/${path.slice(slash + 1)}`;
}
