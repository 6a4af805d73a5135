/**
 * SHA-256 of files. node:crypto hashes incrementally: the Web Crypto digest
 * wants everything in memory at once and takes 3.5 times as long.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { integer } from "../_internal/validate.ts";
import { ChunkReader } from "./chunks.ts";
import { fileTracer, traceFile } from "./file_telemetry.ts";
import { toPath } from "./paths.ts";

/** Options for {@linkcode asyncHashFile}. */
export interface HashFileOptions {
  /** First byte. @default {0} */
  start?: number | undefined;
  /** Byte to stop before. @default {Infinity} */
  end?: number | undefined;
  /** Told how many bytes have been hashed. */
  onProgress?: ((bytes: number) => void) | undefined;
  /** Gives up with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

const CHUNK = 512 * 1024;

/** Imported when needed: a browser that imports the whole package has no node:crypto. */
async function newHash(): Promise<Hash> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256");
}

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
  const { start = 0 } = options;
  integer("start", start, 0);
  const checked = toPath("path", path);
  if (fileTracer() === undefined) {
    return (await hashFile(checked, options)).digest;
  }
  const { digest } = await traceFile(
    "hash",
    { "file.path": checked },
    () => hashFile(checked, options),
    ({ bytes }) => bytes,
  );
  return digest;
}

async function hashFile(
  path: string,
  options: HashFileOptions,
): Promise<{ digest: string; bytes: number }> {
  const { start = 0, end, onProgress, signal } = options;
  const reader = await ChunkReader.open(path, {
    chunkSize: CHUNK,
    reuse: true,
    start,
    end,
    signal,
  });
  try {
    const hash = await newHash();
    let bytes = 0;
    for (;;) {
      const chunk = await reader.next();
      if (chunk === undefined) return { digest: hash.digest("hex"), bytes };
      hash.update(chunk);
      bytes += chunk.byteLength;
      onProgress?.(bytes);
    }
  } finally {
    await reader.close();
  }
}
