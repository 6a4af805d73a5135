/**
 * SHA-256 of files. node:crypto hashes incrementally: the Web Crypto digest
 * wants everything in memory at once and takes 3.5 times as long.
 *
 * @module
 */
import {
  checkOptions,
  type Checks,
  checkSignal,
  functionNamed,
} from "../../_internal/validate.ts";
import { type ByteRange, fullRange, RANGE_CHECKS } from "../options.ts";
import { ChunkReader } from "./chunks.ts";
import { traceFile } from "../file_telemetry.ts";
import { toPath } from "../paths.ts";

/** Options for {@linkcode asyncHashFile}. */
export interface HashFileOptions extends ByteRange {
  /** Told how many bytes have been hashed. */
  onProgress?: ((bytes: number) => void) | undefined;
  /** Gives up with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<HashFileOptions> = {
  ...RANGE_CHECKS,
  onProgress: functionNamed,
  signal: checkSignal,
};

const CHUNK = 512 * 1024;

/**
 * The SHA-256 of a file, in hexadecimal, in constant memory.
 *
 * @param path A path or a file: URL.
 * @throws {Deno.errors.NotFound} When there is no such file.
 * @throws {FileTruncatedError} When it becomes shorter meanwhile.
 *
 * @example
 * ```ts
 * import { asyncHashFile } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * console.log((await asyncHashFile(path)).slice(0, 8)); // e3b0c442
 * await Deno.remove(path);
 * ```
 */
export async function asyncHashFile(
  path: string | URL,
  options: HashFileOptions = {},
): Promise<string> {
  const checked = toPath("path", path);
  checkOptions("asyncHashFile()", options, CHECKS);
  const { onProgress, signal } = options;
  const plan = { ...fullRange(options), onProgress, signal };
  const { digest } = await traceFile(
    "hash",
    { "file.path": checked },
    signal,
    () => hashFile(checked, plan),
    ({ bytes }) => bytes,
  );
  return digest;
}

async function hashFile(
  path: string,
  { start, end, onProgress, signal }: HashFileOptions,
): Promise<{ digest: string; bytes: number }> {
  // Imported when needed: a browser that imports the whole package has no node:crypto.
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  const reader = await ChunkReader.open(path, {
    chunkSize: CHUNK,
    reuse: true,
    start,
    end,
    signal,
  });
  let bytes = 0;
  for await (const chunk of reader) {
    hash.update(chunk);
    bytes += chunk.byteLength;
    // An async function is one that returns void too: its rejection must not be lost.
    await onProgress?.(bytes);
  }
  return { digest: hash.digest("hex"), bytes };
}
