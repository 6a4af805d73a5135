/**
 * What the reader's streams are made of: sources that read one file chunk by chunk and deliver
 * batches of bytes, text, lines or values.
 *
 * States of a source: new (nothing is open), reading, draining (the file has ended, the last batch is out) and
 * closed. The file is closed by whoever leaves "reading": the end, a failure, `close`, or the
 * disposal of the reader; `ChunkReader.close` does it once whoever comes second.
 *
 * @module
 */
import { DisposedError } from "../../_internal/errors.ts";
import { type ChunkOptions, ChunkReader } from "./chunks.ts";
import { ChunkDecoder, failReading } from "./decode.ts";
import { isFifo } from "../paths.ts";
import { type LineOptions, LineSplitter } from "./lines.ts";

/** A file's text: how it is decoded. */
export interface TextOptions {
  /** An encoding that TextDecoder knows. */
  encoding: string;
  /** Invalid bytes are an error. */
  fatal: boolean;
}

/** The sources of a reader that have a file open, or are about to. */
export type OpenSources = Set<{ dispose(): Promise<void> }>;

/** Reads one file and delivers batches. */
export abstract class ChunkSource<T> {
  readonly closesWhilePending = true;
  /** Read so far. */
  bytesRead = 0;
  protected readonly path: string;
  readonly #options: ChunkOptions;
  readonly #owners: OpenSources;
  #opening: Promise<ChunkReader> | undefined;
  /** Gives up the waiting for a lock, which may never come. Made only when there is one. */
  #lockWait: AbortController | undefined;
  #isOpen = false;
  /** Ends the pull that waits for a FIFO's other end. */
  #giveUpOpening: ((reader: undefined) => void) | undefined;
  #isClosed = false;
  #isDisposed = false;

  constructor(path: string, options: ChunkOptions, owners: OpenSources) {
    this.path = path;
    this.#options = options;
    this.#owners = owners;
  }

  /** What `chunk` completes. */
  protected abstract convert(chunk: Uint8Array): readonly T[];
  /** What is left at the end of the file. */
  protected abstract finish(): readonly T[];
  /** An error to be thrown once what came before it has been delivered. */
  protected failure(): Error | undefined {
    return undefined;
  }

  /** The next batch; `undefined` at the end. */
  async pull(): Promise<readonly T[] | undefined> {
    if (this.#isDisposed) throw disposed(this.path);
    const failure = this.failure();
    if (this.#isClosed && failure === undefined) return undefined;
    try {
      if (failure !== undefined) throw failure;
      if (this.#opening === undefined) {
        this.#owners.add(this);
        this.#opening = ChunkReader.open(this.path, this.#openOptions());
      }
      const reader = await this.#opened(this.#opening);
      if (this.#isDisposed) throw disposed(this.path);
      if (reader === undefined) return undefined;
      this.#isOpen = true;
      for (;;) {
        const chunk = await reader.next();
        if (this.#isDisposed) throw disposed(this.path);
        if (this.#isClosed) return undefined;
        if (chunk === undefined) return await this.#end();
        this.bytesRead += chunk.byteLength;
        const items = this.convert(chunk);
        if (items.length > 0) return items;
        const failure = this.failure();
        if (failure !== undefined) throw failure;
      }
    } catch (error) {
      // Left while it waited for a lock: the error is but the echo of the leaving.
      const isEcho = this.#isClosed && !this.#isDisposed &&
        error === this.#lockWait?.signal.reason;
      await this.close();
      if (isEcho) return undefined;
      return await failReading(error);
    }
  }

  #opened(opening: Promise<ChunkReader>): Promise<ChunkReader | undefined> {
    if (this.#isOpen) return opening;
    return new Promise((resolve, reject) => {
      this.#giveUpOpening = resolve;
      opening.then(resolve, reject);
    });
  }

  #openOptions(): ChunkOptions {
    const { lock, signal } = this.#options;
    if (lock === undefined) return this.#options;
    const own = (this.#lockWait = new AbortController()).signal;
    const lockSignal = signal ? AbortSignal.any([signal, own]) : own;
    return { ...this.#options, lockSignal };
  }

  async #end(): Promise<readonly T[] | undefined> {
    const items = this.finish();
    await this.close();
    // The next pull throws a failure, or tells the end.
    return items.length === 0 ? await this.pull() : items;
  }

  /** Closes the file; waits for a read that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#owners.delete(this);
    const opening = this.#opening;
    if (opening === undefined) return;
    this.#lockWait?.abort(disposed(this.path));
    if (!this.#isOpen && await isFifo(this.path)) {
      // Its opening waits for somebody at the other end, who may never come.
      opening.then((reader) => reader.close(), () => {});
      this.#giveUpOpening?.(undefined);
      return;
    }
    let reader: ChunkReader;
    try {
      reader = await opening;
    } catch {
      return; // Whoever pulled has the error.
    }
    await reader.close();
  }

  /** The reader was disposed while this was reading: pulls fail from now on. */
  async dispose(): Promise<void> {
    // Left by its consumer already: nobody is there to be told.
    if (!this.#isClosed) this.#isDisposed = true;
    await this.close();
  }
}

/** What a read rejects with whose reader has been disposed. */
export function disposed(path: string): DisposedError {
  return new DisposedError(
    `AsyncFileReader for ${path}`,
    "Create a new reader.",
  );
}

/** The chunks themselves, each in a buffer of its own. */
export class ByteSource extends ChunkSource<Uint8Array> {
  protected override convert(chunk: Uint8Array): readonly Uint8Array[] {
    return [chunk];
  }
  protected override finish(): readonly Uint8Array[] {
    return [];
  }
}

/** Chunks of text. */
export class TextSource extends ChunkSource<string> {
  readonly #decoder: ChunkDecoder;

  constructor(
    path: string,
    options: ChunkOptions,
    owners: OpenSources,
    text: TextOptions,
  ) {
    super(path, { ...options, reuse: true }, owners);
    this.#decoder = new ChunkDecoder(path, text.encoding, text.fatal);
  }

  protected override convert(chunk: Uint8Array): readonly string[] {
    return this.piecesOf(this.#decoder.decode(chunk));
  }
  protected override finish(): readonly string[] {
    return this.piecesOf(this.#decoder.end());
  }
  /** What `text` completes. */
  protected piecesOf(text: string): readonly string[] {
    return text === "" ? [] : [text];
  }
}

/** Lines. */
export class LineSource extends TextSource {
  readonly #splitter: LineSplitter;

  constructor(
    path: string,
    options: ChunkOptions,
    owners: OpenSources,
    text: TextOptions,
    lines: LineOptions,
  ) {
    super(path, options, owners, text);
    this.#splitter = new LineSplitter(path, lines);
  }

  protected override piecesOf(text: string): readonly string[] {
    return this.#splitter.push(text);
  }
  protected override finish(): readonly string[] {
    const lines = super.finish();
    const last = this.#splitter.end();
    return lines.length === 0 ? last : [...lines, ...last];
  }
  protected override failure(): Error | undefined {
    return this.#splitter.failure;
  }
}
