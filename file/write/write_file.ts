/**
 * Writing a file in one call.
 *
 * @module
 */
import { isAsyncIterable, isIterable } from "../../_internal/iterators.ts";
import { checkOptions, type Checks, wrong } from "../../_internal/validate.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import { replaceContent, syncFile } from "./atomic.ts";
import { syncParent } from "./durable.ts";
import {
  encodeText,
  type WritableEncoding,
  writableEncoding,
} from "./encode.ts";
import { afterFailure } from "../errors.ts";
import { traceFile } from "../file_telemetry.ts";
import { toPath } from "../paths.ts";
import {
  type FileWriterOptions,
  WRITE_CHECKS,
  writeMode,
} from "./write_plan.ts";
import { AsyncFileWriter } from "./writer.ts";

/** What can be written. */
export type FileContent =
  | string
  | Uint8Array
  | Iterable<string | Uint8Array>
  | AsyncIterable<string | Uint8Array>;

/** Options for {@linkcode asyncWriteFile}. */
export interface WriteFileOptions {
  /**
   * Write a temporary file beside the target and rename it over: the target is the old file or
   * the new one at any moment, and the old one after any failure. The target's permission bits
   * and owner are kept; a symbolic link stays and what it points at is replaced; another hard
   * link to the old file keeps the old content.
   *
   * @default {false}
   */
  atomic?: boolean | undefined;
  /**
   * Resolve only when the content (with `atomic`, and the rename) would survive a power failure.
   *
   * @default {the value of `atomic`}
   */
  fsync?: boolean | undefined;
  /**
   * `"w"` replaces what is there, `"a"` appends, `"x"` fails when something is there.
   *
   * @default {"w"}
   */
  mode?: "w" | "a" | "x" | undefined;
  /** Permission bits of the file; with `atomic` whatever the umask. Ignored on Windows. @default {0o666 less the umask, or the old file's} */
  permissions?: number | undefined;
  /** How text becomes bytes. @default {"utf-8"} */
  encoding?: WritableEncoding | undefined;
  /**
   * Gives up with the signal's own reason. Without `atomic`, a part of the content may be written
   * by then.
   */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<WriteFileOptions> = WRITE_CHECKS;

/**
 * Writes `content` to the file `path`: text, bytes, or an iterable of both, which is written as it
 * comes. Overlapping atomic writes to one path leave one of them whole: the last call's.
 *
 * @param path A path or a file: URL.
 * @throws {Deno.errors.AlreadyExists} With `mode: "x"`, when something is there.
 * @throws {Deno.errors.IsADirectory} When `path` is a directory.
 * @throws {DurabilityError} When the file was replaced and its directory could not be synchronised.
 *
 * @example
 * ```ts
 * import { asyncReadFile, asyncWriteFile } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await asyncWriteFile(path, '{"port":8080}', { atomic: true });
 * console.log(await asyncReadFile(path)); // {"port":8080}
 * await Deno.remove(path);
 * ```
 */
export async function asyncWriteFile(
  path: string | URL,
  content: FileContent,
  options: WriteFileOptions = {},
): Promise<void> {
  const checked = toPath("path", path);
  checkOptions("asyncWriteFile()", options, CHECKS);
  const { atomic = false, signal } = options;
  const mode = writeMode(options.mode, atomic);
  const encoding = writableEncoding("encoding", options.encoding ?? "utf-8");
  signal?.throwIfAborted();
  const bytes = typeof content === "string"
    ? encodeText(content, encoding)
    : content;
  if (!(bytes instanceof Uint8Array)) {
    return await writeIterable(checked, bytes, options);
  }
  await traceFile(
    "write",
    { "file.path": checked, "async_core.file.atomic": atomic },
    signal,
    () => writeBytes(checked, bytes, mode, options),
    () => bytes.byteLength,
  );
}

async function writeBytes(
  path: string,
  bytes: Uint8Array,
  mode: "w" | "a" | "x",
  options: WriteFileOptions,
): Promise<void> {
  const { atomic = false, fsync = atomic, permissions, signal } = options;
  if (atomic) {
    return await replaceContent(path, bytes, {
      mode: permissions,
      durable: fsync,
      exclusive: mode === "x",
      signal,
    });
  }
  await Deno.writeFile(path, bytes, {
    append: mode === "a",
    createNew: mode === "x",
    ...(permissions === undefined ? undefined : { mode: permissions }),
    ...(signal === undefined ? undefined : { signal }),
  });
  if (fsync) {
    const file = await Deno.open(path, { write: true });
    try {
      await syncFile(file, path);
    } finally {
      file.close();
    }
    await syncParent(path);
  }
}

async function writeIterable(
  path: string,
  content: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: FileWriterOptions,
): Promise<void> {
  if (
    typeof content !== "object" ||
    !(isAsyncIterable(content) || isIterable(content))
  ) {
    throw wrong(
      "content",
      "a string, a Uint8Array, or an iterable of them",
      content,
      false,
    );
  }
  const writer = new AsyncFileWriter(path, options);
  try {
    // By a stream: unlike a `for await`, it does not wait for a silent source after an abort.
    await AsyncStream.from(content).forEach((chunk) => {
      if (typeof chunk === "string") return writer.write(chunk);
      if (chunk instanceof Uint8Array) return writer.writeBytes(chunk);
      throw wrong(
        "what content yields",
        "a string or a Uint8Array",
        chunk,
        false,
      );
    }, { signal: options.signal });
    await writer.close();
  } catch (error) {
    await afterFailure(writer[Symbol.asyncDispose](), path);
    throw error;
  }
}
