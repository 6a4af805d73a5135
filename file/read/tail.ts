/**
 * The end of a file, and what is added to it: over rotation by rename, where the old file is read to
 * its end before the new one, and over truncation.
 *
 * States: closed (nothing is open yet), reading, waiting (at the end, for more), ended. Only `pull` reads
 * and waits, one call at a time; `close` wakes a pull that waits, and the file is closed by that
 * pull or, when there is none, by `close`.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { boolean, type Checks, limitFrom } from "../../_internal/validate.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import { openForReading, readInto } from "./chunks.ts";
import { ChunkDecoder, failReading } from "./decode.ts";
import { ifThere } from "../errors.ts";
import { LineSplitter } from "./lines.ts";
import { disposed, type TextOptions } from "./sources.ts";
import { Wakeable } from "../wakeable.ts";
import {
  type NativeSubscriber,
  subscribeNative,
  unsubscribeNative,
} from "../watch/native_watch.ts";

/** Options for {@linkcode AsyncFileReader.tail}. */
export interface TailOptions {
  /** How many lines of what is there to begin with. @default {10} */
  lines?: number | undefined;
  /**
   * Go on with the lines that are added, until the stream is left, the reader disposed or the signal
   * aborted. A line is delivered when its end has been written.
   *
   * @default {false}
   */
  follow?: boolean | undefined;
  /** Most characters (UTF-16 code units) of a line. @default {Infinity} */
  maxLineLength?: number | undefined;
}

/** The checks of them. */
export const TAIL_CHECKS: Checks<TailOptions> = {
  lines: limitFrom(0),
  follow: boolean,
  maxLineLength: limitFrom(1),
};

const CHUNK = 64 * 1024;
/** Milliseconds between two looks at the file, where the system's notifications are not faster. */
const POLL_INTERVAL = 250;

/** The source of a tail. */
export class TailSource implements BatchSource<string> {
  readonly closesWhilePending = true;
  readonly #path: string;
  readonly #options: TailOptions;
  readonly #text: TextOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (source: TailSource) => void;
  readonly #buffer = new Uint8Array(CHUNK);
  #file: Deno.FsFile | undefined;
  #identity = "";
  #position = 0;
  // Both are set when it is opened, before anything is read.
  #decoder!: ChunkDecoder;
  #splitter!: LineSplitter;
  /** Another file has taken the path: this one is read to its end and left. */
  #isReplaced = false;
  #isEnded = false;
  #isAtEnd = false;
  #failure: { error: unknown } | undefined;
  /** The last read, ended or not. */
  #pulling: Promise<unknown> | undefined;
  readonly #waiting = new Wakeable();
  /** Something was heard since the last look. */
  #hasNews = false;
  #subscription: AbortSubscription | undefined;
  #native: NativeSubscriber | undefined;
  #released: Promise<void> | undefined;

  constructor(
    path: string,
    options: TailOptions,
    text: TextOptions,
    signal: AbortSignal | undefined,
    onEnd: (source: TailSource) => void,
  ) {
    this.#path = path;
    this.#options = options;
    this.#text = text;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#subscription = heedAbort(signal, (reason) => this.#fail(reason));
  }

  pull(): Promise<readonly string[] | undefined> {
    return this.#pulling = this.#pull();
  }

  async #pull(): Promise<readonly string[] | undefined> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (this.#isEnded || this.#isAtEnd) {
          await this.#release();
          return undefined;
        }
        const lines = await this.#step();
        if (lines.length > 0 && !this.#isEnded) return lines;
      }
    } catch (error) {
      await this.#release();
      return await failReading(error);
    }
  }

  async close(): Promise<void> {
    this.#isEnded = true;
    this.#waiting.wake();
    await this.#over();
  }

  /** The reader was disposed. */
  async dispose(): Promise<void> {
    this.#fail(disposed(this.#path));
    await this.#over();
  }

  /** What is being read is waited for, so that nothing is open afterwards. */
  async #over(): Promise<void> {
    await this.#pulling?.catch(() => {});
    await this.#release();
  }

  /** Reads once, or finds out what is to be done at the end, or waits. */
  async #step(): Promise<readonly string[]> {
    const path = this.#path;
    const file = this.#file ?? await this.#open();
    const splitFailure = this.#splitter.failure;
    if (splitFailure !== undefined) throw splitFailure;
    const count = await readInto(file, this.#buffer, path);
    if (count !== null) {
      this.#position += count;
      return this.#splitter.push(
        this.#decoder.decode(this.#buffer.subarray(0, count)),
      );
    }
    if (this.#options.follow !== true) {
      this.#isAtEnd = true;
      return this.#rest();
    }
    if (this.#isReplaced) return await this.#openNext();
    // Before the look, so that what is heard during it leads to another one.
    this.#hasNews = false;
    // Undefined: moved away, and nothing in its place yet.
    const info = await ifThere(Deno.stat(path));
    if (info !== undefined && identify(info) !== this.#identity) {
      // Once more to its end: its writer may have added to it until the move.
      this.#isReplaced = true;
      return [];
    }
    if (info !== undefined && info.size < this.#position) {
      return await this.#startAgain(file);
    }
    if (info !== undefined && info.size > this.#position) return [];
    await this.#wait();
    return [];
  }

  async #open(): Promise<Deno.FsFile> {
    const path = this.#path;
    const { lines = 10, follow = false } = this.#options;
    // Before it is opened, which would wait for the other end of a FIFO.
    const { isFifo, isSocket } = await Deno.stat(path);
    if (isFifo || isSocket) {
      throw new Deno.errors.NotSupported(
        `A FIFO or a socket has no end to begin at: tail '${path}'. Read it with streamLines().`,
      );
    }
    const file = this.#file = await openForReading(path, this.#signal);
    const info = await file.stat();
    if (info.isDirectory) {
      throw new Deno.errors.IsADirectory(`Is a directory: read '${path}'`);
    }
    this.#identity = identify(info);
    if (follow) await this.#listen();
    const start = lines === 0 && !follow
      ? info.size
      : lines === Infinity
      ? 0
      : await this.#startOf(file, await this.#sizeOf(file, info), lines);
    await file.seek(start, Deno.SeekMode.Start);
    this.#beginAt(start);
    return file;
  }

  /** Files of /proc say that they are empty, so those that say it are read to find out. */
  async #sizeOf(file: Deno.FsFile, info: Deno.FileInfo): Promise<number> {
    if (info.size > 0 || !info.isFile) return info.size;
    let size = 0;
    for (;;) {
      const count = await file.read(this.#buffer);
      if (count === null) return size;
      size += count;
    }
  }

  /**
   * Where the last `lines` lines begin: read backwards, so that a long file costs no more. With 0, after
   * the last line ending: what follows it is a line that is being written.
   */
  async #startOf(
    file: Deno.FsFile,
    size: number,
    lines: number,
  ): Promise<number> {
    const unit = this.#text.encoding.startsWith("utf-16") ? 2 : 1;
    // The second byte of the line feed, in big endian.
    const at = this.#text.encoding === "utf-16be" ? 1 : 0;
    let end = size - size % unit;
    const isLineFeed = (index: number) =>
      this.#buffer[index + at] === 10 &&
      (unit === 1 || this.#buffer[index + 1 - at] === 0);
    let found = 0;
    const last = end - unit;
    while (end > 0) {
      const start = Math.max(0, end - CHUNK);
      await file.seek(start, Deno.SeekMode.Start);
      const length = await readFully(
        file,
        this.#buffer.subarray(0, end - start),
      );
      for (let index = length - unit; index >= 0; index -= unit) {
        if (!isLineFeed(index)) continue;
        // The one at the very end ends the last line.
        if (start + index === last && lines > 0) continue;
        if (++found > lines - 1) return start + index + unit;
      }
      end = start;
    }
    return 0;
  }

  /** Whole again from the start, after a truncation. What was held of a line comes first. */
  async #startAgain(file: Deno.FsFile): Promise<readonly string[]> {
    const rest = this.#rest();
    await file.seek(0, Deno.SeekMode.Start);
    this.#beginAt(0);
    return rest;
  }

  /** From the old file, which is at its end, to the one that has its name. */
  async #openNext(): Promise<readonly string[]> {
    const file = await ifThere(Deno.open(this.#path));
    if (file === undefined) {
      // Gone again.
      await this.#wait();
      return [];
    }
    const rest = this.#rest();
    this.#file?.close();
    this.#file = file;
    this.#isReplaced = false;
    this.#beginAt(0);
    this.#identity = identify(await file.stat());
    return rest;
  }

  #rest(): readonly string[] {
    const lines = this.#splitter.push(this.#decoder.end());
    return [...lines, ...this.#splitter.end()];
  }

  #beginAt(position: number): void {
    const { encoding, fatal } = this.#text;
    const { maxLineLength } = this.#options;
    this.#position = position;
    this.#decoder = new ChunkDecoder(this.#path, encoding, fatal, position);
    this.#splitter = new LineSplitter(this.#path, { maxLineLength });
  }

  async #listen(): Promise<void> {
    const news = () => {
      this.#hasNews = true;
      this.#waiting.wake();
    };
    try {
      const native: NativeSubscriber = {
        path: dirname(await Deno.realPath(this.#path)),
        isRecursive: false,
        changed: news,
        lost: news,
        failed() {},
      };
      await subscribeNative(native);
      this.#native = native;
    } catch {
      // Then the clock alone has to do.
    }
  }

  async #wait(): Promise<void> {
    if (this.#hasNews || this.#isEnded || this.#failure !== undefined) return;
    await this.#waiting.until(now() + POLL_INTERVAL);
  }

  #fail(error: unknown): void {
    // Nobody is there to be told.
    if (this.#isEnded) return;
    this.#failure ??= { error };
    this.#waiting.wake();
  }

  #release(): Promise<void> {
    return this.#released ??= this.#releaseOnce();
  }

  async #releaseOnce(): Promise<void> {
    this.#isEnded = true;
    this.#onEnd(this);
    this.#subscription?.unsubscribe();
    this.#file?.close();
    this.#file = undefined;
    if (this.#native !== undefined) await unsubscribeNative(this.#native);
  }
}

function identify(info: Deno.FileInfo): string {
  return `${info.dev}:${info.ino}`;
}

async function readFully(
  file: Deno.FsFile,
  buffer: Uint8Array,
): Promise<number> {
  let length = 0;
  while (length < buffer.byteLength) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return length;
}
