/**
 * Bytes to text, chunk by chunk: no character is split, a byte order mark counts only at the start, and
 * invalid bytes become U+FFFD or an error that says where they are.
 *
 * @module
 */
import { wrong } from "../../_internal/validate.ts";
import { ChunkReader } from "./chunks.ts";
import { InvalidEncodingError } from "../errors.ts";

/** Checks an `encoding` option: whatever TextDecoder knows. */
export function readableEncoding(name: string, value: unknown): string {
  if (typeof value === "string") {
    try {
      return new TextDecoder(value).encoding;
    } catch {
      // Told below, with the name of the option.
    }
  }
  const known =
    'one that TextDecoder knows ("utf-8", "utf-16le", "windows-1252" …)';
  throw wrong(name, known, value, true);
}

/** Decodes the chunks of one file, in order. */
export class ChunkDecoder {
  readonly #decoder: TextDecoder;
  readonly #path: string;
  /** Bytes given to the decoder in earlier chunks. */
  #position = 0;
  /** The last three bytes of them: a character that the chunk's edge splits begins there. */
  #tail: Uint8Array = new Uint8Array(0);

  /** `start`: where in the file the first chunk begins. */
  constructor(path: string, encoding: string, fatal: boolean, start = 0) {
    this.#path = path;
    this.#position = start;
    // A byte order mark is one at the start of the file only.
    this.#decoder = new TextDecoder(encoding, { fatal, ignoreBOM: start > 0 });
  }

  /**
   * The text of the next chunk, without a character that is not complete yet; `isLast`: nothing
   * will complete it.
   */
  decode(chunk: Uint8Array, isLast = false): string {
    const options = isLast ? undefined : STREAM;
    if (!this.#decoder.fatal) return this.#decoder.decode(chunk, options);
    try {
      const text = this.#decoder.decode(chunk, options);
      this.#position += chunk.byteLength;
      this.#tail = joined(this.#tail, chunk.subarray(-3)).slice(-3);
      return text;
    } catch (cause) {
      throw this.#invalid(chunk.slice(), cause);
    }
  }

  /** What is left at the end of the file. */
  end(): string {
    return this.decode(new Uint8Array(0), true);
  }

  #invalid(chunk: Uint8Array, cause: unknown): InvalidChunk {
    const { encoding } = this.#decoder;
    const path = this.#path;
    const position = this.#position;
    const tail = this.#tail;
    return new InvalidChunk(async () => {
      const offset = encoding === "utf-8"
        ? position - tail.byteLength +
          invalidUtf8(joined(tail, chunk), position)
        : await firstInvalid(
          position === 0
            ? [chunk]
            : await ChunkReader.open(path, { chunkSize: 262_144 }),
          encoding,
        );
      return new InvalidEncodingError(path, encoding, offset, { cause });
    });
  }
}

const STREAM: TextDecodeOptions = { stream: true };

/** A chunk that a fatal decoder refused. */
class InvalidChunk extends Error {
  /** `explain` finds out where the invalid bytes are. */
  constructor(readonly explain: () => Promise<InvalidEncodingError>) {
    super("invalid bytes");
  }
}

/** Rejects with `error`; when that is about invalid bytes, with one that says where they are. */
export async function failReading(error: unknown): Promise<never> {
  throw error instanceof InvalidChunk ? await error.explain() : error;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.byteLength + b.byteLength);
  both.set(a);
  both.set(b, a.byteLength);
  return both;
}

/**
 * The start of the first invalid sequence. With `position` above 0, `bytes` may begin in the middle of
 * a character, whose remaining bytes are known to be good.
 */
function invalidUtf8(bytes: Uint8Array, position: number): number {
  let start = 0;
  if (position > 0) {
    while (start < 3 && isContinuation(bytes[start])) start++;
  }
  const whole = bytes.subarray(start);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const repaired = new TextEncoder().encode(decoder.decode(whole));
  // U+FFFD, which took its place, is where the two begin to differ, or at a later byte of it.
  let index = repaired.findIndex((byte, index) => byte !== whole[index]);
  while (isContinuation(repaired[index])) index--;
  return start + index;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/**
 * Other encodings than UTF-8 have states that a chunk does not show (a shift, half a character), so
 * a whole file is gone through, byte by byte. Only ever done once, to report an error.
 */
async function firstInvalid(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  encoding: string,
): Promise<number> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  let position = 0;
  let characterStart = 0;
  for await (const chunk of chunks) {
    for (let index = 0; index < chunk.byteLength; index++) {
      position++;
      try {
        const text = decoder.decode(chunk.subarray(index, index + 1), STREAM);
        if (text !== "") characterStart = position;
      } catch {
        return characterStart;
      }
    }
  }
  return characterStart;
}
