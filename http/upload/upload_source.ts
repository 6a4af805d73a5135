/**
 * What can be uploaded, seen alike: a length, if known, and a stream to be opened for each attempt.
 *
 * @module
 */
import { basename } from "@std/path/basename";
import { withResolvers } from "../../_internal/resolvers.ts";
import { show } from "../../_internal/validate.ts";
import { toPath } from "../../file/paths.ts";
import { AsyncStream } from "../../streams/mod.ts";

/** What can be uploaded: a path or a file: URL, bytes, a Blob, a stream. */
export type UploadInput =
  | string
  | URL
  | Uint8Array<ArrayBuffer>
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array<ArrayBuffer>>
  | AsyncIterable<Uint8Array<ArrayBuffer>>;

/** A source of bytes. */
export interface UploadSource {
  /** Its length; absent for a stream. */
  readonly length?: number;
  /** Looks at the length again, for a further attempt. Absent where it cannot change. */
  readonly measure?: () => Promise<number>;
  /** Its name, if it has one. */
  readonly name?: string | undefined;
  /** Its type, if it says one. */
  readonly type?: string | undefined;
  /** False for a stream: it can be read once. */
  readonly replayable: boolean;
  /** All of it in one, where it is at hand: then fetch can tell its length. */
  readonly whole?: BlobPart;
  /** The bytes, from the start. */
  open(): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Resolves when no file is open any more: soon after all that was opened has been stopped. */
  readonly whenClosed?: () => Promise<unknown>;
}

const CHUNK = 256 * 1024;

/** Looks at what was given; a path is opened to see its length. */
export async function uploadSource(
  input: UploadInput,
): Promise<UploadSource> {
  if (typeof input === "string" || input instanceof URL) {
    return await fileSource(toPath("source", input));
  }
  if (input instanceof Blob) {
    return {
      length: input.size,
      name: input instanceof File ? input.name : undefined,
      type: input.type || undefined,
      replayable: true,
      whole: input,
      open: () => AsyncStream.from(input.stream()),
    };
  }
  if (input instanceof Uint8Array || input instanceof ArrayBuffer) {
    const bytes = input instanceof Uint8Array ? input : new Uint8Array(input);
    return {
      length: bytes.byteLength,
      replayable: true,
      whole: bytes,
      open: () => slices(bytes),
    };
  }
  if (
    input instanceof ReadableStream ||
    typeof input === "object" && input !== null &&
      Symbol.asyncIterator in input
  ) {
    return {
      replayable: false,
      // Not every browser can iterate over a ReadableStream.
      open: () =>
        input instanceof ReadableStream ? AsyncStream.from(input) : input,
    };
  }
  throw new TypeError(
    `source must be a path, a file: URL, bytes, a Blob, a ReadableStream or an async iterable, got ${
      show(input)
    }`,
  );
}

async function fileSource(path: string): Promise<UploadSource> {
  const measure = async () => {
    const { size, isFile } = await Deno.stat(path);
    if (isFile) return size;
    throw new TypeError(`source must be a file, and ${path} is none`);
  };
  const reading = new Set<Promise<void>>();
  return {
    length: await measure(),
    measure,
    name: basename(path),
    replayable: true,
    open: () => readFile(path, reading),
    whenClosed: () => Promise.all(reading),
  };
}

/** It is in `reading` from the opening to the closing of the file. */
async function* readFile(
  path: string,
  reading: Set<Promise<void>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { promise, resolve } = withResolvers<void>();
  reading.add(promise);
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path);
    for (;;) {
      // A buffer each: the one before is still on its way out.
      const buffer = new Uint8Array(CHUNK);
      const count = await file.read(buffer);
      if (count === null) return;
      yield buffer.subarray(0, count);
    }
  } finally {
    file?.close();
    reading.delete(promise);
    resolve();
  }
}

async function* slices(
  bytes: Uint8Array<ArrayBuffer>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let start = 0; start < bytes.byteLength; start += CHUNK) {
    yield bytes.subarray(start, start + CHUNK);
  }
}
