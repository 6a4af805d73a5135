/**
 * Reading a file in one call.
 *
 * @module
 */
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  word,
} from "../../_internal/validate.ts";
import { ChunkDecoder, failReading, readableEncoding } from "./decode.ts";
import { traceFile } from "../file_telemetry.ts";
import { toPath } from "../paths.ts";

/** Options for {@linkcode asyncReadFile}. */
export interface ReadFileOptions {
  /** `"bytes"`: resolve to a Uint8Array. @default {"text"} */
  as?: "text" | "bytes" | undefined;
  /** How bytes become text: any encoding that TextDecoder knows. @default {"utf-8"} */
  encoding?: string | undefined;
  /** Invalid bytes are an InvalidEncodingError that says where, instead of U+FFFD. @default {false} */
  fatal?: boolean | undefined;
  /** Gives up with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads a whole file, as text or as bytes. A byte order mark at its start is left out of the text.
 * Files that grow while they are read and those of /proc are read to their end.
 *
 * @param path A path or a file: URL.
 * @throws {Deno.errors.NotFound} When there is no such file.
 * @throws {Deno.errors.IsADirectory} When it is a directory.
 * @throws {InvalidEncodingError} With `fatal`, when the bytes are not valid.
 *
 * @example
 * ```ts
 * import { asyncReadFile } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "content");
 * console.log(await asyncReadFile(path)); // content
 * console.log((await asyncReadFile(path, { as: "bytes" })).byteLength); // 7
 * await Deno.remove(path);
 * ```
 */
export function asyncReadFile(
  path: string | URL,
  options: ReadFileOptions & { as: "bytes" },
): Promise<Uint8Array<ArrayBuffer>>;
/** Reads a whole file as text. */
export function asyncReadFile(
  path: string | URL,
  options?: ReadFileOptions & { as?: "text" | undefined },
): Promise<string>;
export async function asyncReadFile(
  path: string | URL,
  options?: ReadFileOptions,
): Promise<string | Uint8Array<ArrayBuffer>> {
  const checked = toPath("path", path);
  if (options === undefined) return utf8.decode(await readBytes(checked));
  checkOptions("asyncReadFile()", options, READ_CHECKS);
  const { as = "text", fatal = false, signal } = options;
  const encoding = readableEncoding("encoding", options.encoding ?? "utf-8");
  signal?.throwIfAborted();
  const bytes = await readBytes(checked, signal);
  return as === "bytes" ? bytes : decodeAll(checked, bytes, encoding, fatal);
}

/** The checks of what is asked for. */
export const READ_CHECKS: Checks<ReadFileOptions> = {
  as: word("text", "bytes"),
  encoding: readableEncoding,
  fatal: boolean,
  signal: checkSignal,
};

/** All of a file's bytes. */
export function readBytes(
  path: string,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  return traceFile(
    "read",
    { "file.path": path },
    signal,
    () => Deno.readFile(path, signal === undefined ? undefined : { signal }),
    ({ byteLength }) => byteLength,
  );
}

const utf8 = new TextDecoder();

/** All of a file's bytes as text; a promise only of the failure, so that many small files cost none. */
export function decodeAll(
  path: string,
  bytes: Uint8Array,
  encoding: string,
  fatal: boolean,
): string | Promise<never> {
  if (!fatal && encoding === "utf-8") return utf8.decode(bytes);
  try {
    return new ChunkDecoder(path, encoding, fatal).decode(bytes, true);
  } catch (error) {
    return failReading(error);
  }
}
