/**
 * Copying the content of one file.
 *
 * @module
 */
import { AtomicFile } from "../write/atomic.ts";
import { ChunkReader } from "../read/chunks.ts";
import { afterFailure, CopyError, namingPath } from "../errors.ts";
import { writeAll } from "../write/write_queue.ts";

/** A copy of one file, all of it decided. */
export interface FileCopy {
  from: string;
  /** What is at `from`. */
  info: Deno.FileInfo;
  to: string;
  /** What is at `to`, when something is. A link is replaced itself, and nothing behind it touched. */
  old: Deno.FileInfo | undefined;
  overwrite: boolean;
  preserveTimestamps: boolean;
  signal: AbortSignal | undefined;
  /** Told of each piece. */
  onBytes: ((count: number) => unknown) | undefined;
}

/** Below this, two buffers gain nothing over one; above, nothing more is gained. */
const PIECE = 4 * 1024 * 1024;
/** What a hole is made of: file systems keep none smaller than a block. */
const BLOCK = 64 * 1024;

/** Refuses what makes no sense, before anything is written. */
export function checkCopy({ from, info, to, old, overwrite }: FileCopy): void {
  if (old === undefined) return;
  if (old.isDirectory) throw new CopyError(from, to, "file-over-directory");
  if (isSame(info, old)) throw new CopyError(from, to, "same-file");
  if (!old.isFile && !old.isSymlink) {
    throw new CopyError(from, to, "special-destination");
  }
  if (!overwrite) throw alreadyThere(from, to);
}

/** What a copy without `overwrite` is refused with. */
export function alreadyThere(from: string, to: string): Error {
  return new Deno.errors.AlreadyExists(
    `File exists: copy '${from}' -> '${to}'. Pass overwrite: true to replace it.`,
  );
}

/** Whether both are one file, under whatever names. */
export function isSame(a: Deno.FileInfo, b: Deno.FileInfo): boolean {
  return a.ino !== null && a.ino === b.ino && a.dev === b.dev;
}

/** Copies content, permission bits and, on request, times; resolves to the bytes copied. */
export async function copyOne(copy: FileCopy): Promise<number> {
  checkCopy(copy);
  const { info, old, overwrite, signal, onBytes } = copy;
  if (
    onBytes === undefined && signal === undefined && overwrite &&
    !hasHoles(info) && !old?.isSymlink
  ) {
    await copyDirectly(copy);
    return info.size;
  }
  return await copyInPieces(copy);
}

/** What the system does by itself: nothing is faster, and nothing can be seen or stopped. */
async function copyDirectly(copy: FileCopy): Promise<void> {
  const { from, to, old, info, preserveTimestamps } = copy;
  try {
    await Deno.copyFile(from, to);
    if (preserveTimestamps) await copyTimes(to, info);
  } catch (error) {
    // A half file where there was none. Where there was one, it is gone either way.
    if (old === undefined) await Deno.remove(to).catch(() => {});
    throw error;
  }
}

async function copyInPieces(copy: FileCopy): Promise<number> {
  const { from, to, info, old, overwrite, preserveTimestamps, signal } = copy;
  const reader = await ChunkReader.open(from, {
    chunkSize: PIECE,
    reuse: true,
    signal,
  });
  try {
    const target = await AtomicFile.create(to, {
      durable: false,
      exclusive: !overwrite,
      replacesLink: old?.isSymlink,
      mode: info.mode === null ? undefined : info.mode & 0o7777,
    });
    try {
      const size = await copyPieces(reader, target.file, copy);
      if (preserveTimestamps) await copyTimes(target.temporaryPath, info);
      signal?.throwIfAborted();
      await target.commit();
      return size;
    } catch (error) {
      await afterFailure(target.discard(), to);
      throw error;
    }
  } finally {
    await reader.close();
  }
}

async function copyPieces(
  reader: ChunkReader,
  file: Deno.FsFile,
  { to, info, onBytes, signal }: FileCopy,
): Promise<number> {
  const keepHoles = hasHoles(info);
  let size = 0;
  for await (const piece of reader) {
    const writing = keepHoles
      ? writeWithHoles(file, piece)
      : writeAll(file, piece);
    await namingPath(writing, "write", to);
    size += piece.byteLength;
    signal?.throwIfAborted();
    // An async function is one that returns void too: its rejection must not be lost.
    await onBytes?.(piece.byteLength);
  }
  // A hole at the end was only skipped.
  if (keepHoles) await file.truncate(size);
  return size;
}

/** Fewer blocks than its size needs. */
function hasHoles(info: Deno.FileInfo): boolean {
  return info.blocks !== null && info.blocks * 512 < info.size;
}

async function writeWithHoles(
  file: Deno.FsFile,
  piece: Uint8Array,
): Promise<void> {
  let start = 0;
  while (start < piece.byteLength) {
    const isHole = isZero(piece, start);
    let end = start + BLOCK;
    while (end < piece.byteLength && isZero(piece, end) === isHole) {
      end += BLOCK;
    }
    end = Math.min(end, piece.byteLength);
    if (isHole) await file.seek(end - start, Deno.SeekMode.Current);
    else await writeAll(file, piece.subarray(start, end));
    start = end;
  }
}

function isZero(piece: Uint8Array, start: number): boolean {
  const end = Math.min(start + BLOCK, piece.byteLength);
  for (let index = start; index < end; index++) {
    if (piece[index] !== 0) return false;
  }
  return true;
}

/** Gives `path` the times of `info`. */
export async function copyTimes(
  path: string,
  info: Deno.FileInfo,
): Promise<void> {
  const { atime, mtime } = info;
  if (mtime === null) return;
  await Deno.utime(path, atime ?? mtime, mtime);
}
