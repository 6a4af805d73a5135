/**
 * Reading a file: at once, or as a stream of bytes, text, lines or JSON values.
 *
 * The reader holds nothing by itself. Each read opens the file and closes it; each run of a stream
 * too, so a stream can be run again and several at once do not disturb each other.
 *
 * @module
 */
import { DisposedError } from "../../_internal/errors.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  integerFrom,
} from "../../_internal/validate.ts";
import { type ByteRange, fullRange, RANGE_CHECKS } from "../options.ts";
import type { ChunkOptions } from "./chunks.ts";
import { readableEncoding } from "./decode.ts";
import {
  JSON_LINE_CHECKS,
  type JsonLineOptions,
  JsonLineSource,
} from "./json_lines.ts";
import { LINE_CHECKS, type LineOptions } from "./lines.ts";
import { traced } from "../file_telemetry.ts";
import { type FileLock, fileLock } from "../lock.ts";
import { toPath } from "../paths.ts";
import { decodeAll, readBytes } from "./read_file.ts";
import {
  ByteSource,
  LineSource,
  type OpenSources,
  type TextOptions,
  TextSource,
} from "./sources.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import { TAIL_CHECKS, type TailOptions, TailSource } from "./tail.ts";

/** Options for {@linkcode AsyncFileReader}. */
export interface FileReaderOptions {
  /** Bytes of each read. Twice as many are held by a stream that runs. @default {262144} */
  chunkSize?: number | undefined;
  /** How bytes become text: any encoding that TextDecoder knows. @default {"utf-8"} */
  encoding?: string | undefined;
  /** Invalid bytes are an InvalidEncodingError that says where, instead of U+FFFD. @default {false} */
  fatal?: boolean | undefined;
  /** Hold an advisory lock on the file while it is read. @default {undefined} */
  lock?: FileLock | undefined;
  /** Ends every read and stream with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_CHUNK_SIZE = 256 * 1024;

const CHECKS: Checks<FileReaderOptions> = {
  chunkSize: integerFrom(1),
  encoding: readableEncoding,
  fatal: boolean,
  lock: fileLock,
  signal: checkSignal,
};

/**
 * Reads one file. Streams are lazy: the file is opened when they are run, and closed when they end,
 * fail, or are left early.
 *
 * @example
 * ```ts
 * import { AsyncFileReader } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "one\r\ntwo\nthree");
 * await using reader = new AsyncFileReader(path);
 * for await (const line of reader.streamLines()) console.log(line); // one, two, three
 * console.log((await reader.readBytes()).byteLength); // 14
 * await Deno.remove(path);
 * ```
 */
export class AsyncFileReader implements AsyncDisposable {
  /** The path as it was given. */
  readonly path: string;
  readonly #chunkSize: number;
  readonly #text: TextOptions;
  readonly #lock: FileLock | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #sources: OpenSources = new Set();
  #isDisposed = false;

  /**
   * Does not touch the file yet.
   *
   * @param path A path or a file: URL.
   * @throws {RangeError | TypeError} When an option is wrong.
   */
  constructor(path: string | URL, options: FileReaderOptions = {}) {
    this.path = toPath("path", path);
    checkOptions("AsyncFileReader", options, CHECKS);
    this.#chunkSize = options.chunkSize ?? DEFAULT_CHUNK_SIZE;
    const { encoding = "utf-8", fatal = false } = options;
    this.#text = { encoding: readableEncoding("encoding", encoding), fatal };
    this.#lock = options.lock;
    this.#signal = options.signal;
  }

  /** The whole file as text. */
  async read(): Promise<string> {
    const { encoding, fatal } = this.#text;
    return decodeAll(this.path, await this.readBytes(), encoding, fatal);
  }

  /** The whole file as bytes. */
  async readBytes(): Promise<Uint8Array<ArrayBuffer>> {
    this.#checkOpen("readBytes");
    this.#signal?.throwIfAborted();
    if (this.#lock === undefined) {
      const bytes = await readBytes(this.path, this.#signal);
      this.#checkOpen("readBytes");
      return bytes;
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.streamBytes()) chunks.push(chunk);
    return new Uint8Array(
      await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer(),
    );
  }

  /** The text in chunks as they are read; no character is split between two. */
  stream(): AsyncStream<string> {
    this.#checkOpen("stream");
    return this.#run(() =>
      new TextSource(this.path, this.#chunks(), this.#sources, this.#text)
    );
  }

  /**
   * The bytes in chunks as they are read, of the whole file or of a part. Each chunk has a
   * buffer of its own.
   */
  streamBytes(range: ByteRange = {}): AsyncStream<Uint8Array> {
    this.#checkOpen("streamBytes");
    checkOptions("streamBytes()", range, RANGE_CHECKS, "range");
    const { start, end } = fullRange(range);
    return this.#run(() =>
      new ByteSource(this.path, this.#chunks(start, end), this.#sources)
    );
  }

  /**
   * The lines, without their endings. LF and CRLF end a line; the last one needs no ending, and an
   * empty file has no line.
   */
  streamLines(options: LineOptions = {}): AsyncStream<string> {
    this.#checkOpen("streamLines");
    checkOptions("streamLines()", options, LINE_CHECKS);
    return this.#run(() => this.#lineSource(options));
  }

  /**
   * The values of a file of JSON Lines, one in each line. Blank lines are left out.
   *
   * @typeParam T What the values are; not checked.
   * @throws {JsonLineError} From the stream, at a line that is not JSON, unless `onError` says otherwise.
   */
  streamJson<T = unknown>(options: JsonLineOptions = {}): AsyncStream<T> {
    this.#checkOpen("streamJson");
    checkOptions("streamJson()", options, JSON_LINE_CHECKS);
    const { onError, maxLineLength } = options;
    return this.#run(() =>
      new JsonLineSource<T>(
        this.#lineSource({ maxLineLength }),
        this.path,
        onError,
      )
    );
  }

  /**
   * The last lines, and with `follow` what is added to the file: over its rotation by rename (the old
   * file is read to its end, then the new one from its start) and its truncation.
   *
   * What a truncation took away before it was read is lost; so is, when the file has grown past
   * the old length by the next look, that it was truncated at all.
   */
  tail(options: TailOptions = {}): AsyncStream<string> {
    this.#checkOpen("tail");
    checkOptions("tail()", options, TAIL_CHECKS);
    return AsyncStream.fromBatches(() => {
      this.#checkOpen("tail");
      const source = new TailSource(
        this.path,
        options,
        this.#text,
        this.#signal,
        (ended) => this.#sources.delete(ended),
      );
      this.#sources.add(source);
      return traced(source, "file.tail", this.path, this.#signal, (count) => ({
        "async_core.tail.lines": count,
      }));
    });
  }

  /** Ends what is still being read; streams that run fail with a DisposedError. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await Promise.all([...this.#sources].map((source) => source.dispose()));
  }

  #checkOpen(method: string): void {
    if (this.#isDisposed) {
      throw new DisposedError(
        `AsyncFileReader.${method}() for ${this.path}`,
        "Create a new reader.",
      );
    }
  }

  /** Each run within its span. */
  #run<T>(
    open: () => BatchSource<T> & { readonly bytesRead: number },
  ): AsyncStream<T> {
    return AsyncStream.fromBatches(() => {
      const source = open();
      return traced(source, "file.read", this.path, this.#signal, () => ({
        "file.size": source.bytesRead,
      }));
    });
  }

  #lineSource(options: LineOptions): LineSource {
    return new LineSource(
      this.path,
      this.#chunks(),
      this.#sources,
      this.#text,
      options,
    );
  }

  #chunks(start?: number, end?: number): ChunkOptions {
    this.#checkOpen("stream");
    return {
      chunkSize: this.#chunkSize,
      start,
      end,
      lock: this.#lock,
      signal: this.#signal,
    };
  }
}
