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

  /** The text of the next chunk, without a character that is not complete yet. */
  decode(chunk: Uint8Array): string {
    if (!this.#decoder.fatal) {
      return this.#decoder.decode(chunk, STREAM);
    }
    try {
      const text = this.#decoder.decode(chunk, STREAM);
      this.#position += chunk.byteLength;
      this.#tail = joined(this.#tail, chunk.subarray(-3)).slice(-3);
      return text;
    } catch (cause) {
      throw this.#invalid(chunk.slice(), cause);
    }
  }

  /** What is left at the end of the file. */
  end(): string {
    try {
      return this.#decoder.decode();
    } catch (cause) {
      throw this.#invalid(new Uint8Array(0), cause);
    }
  }

  #invalid(chunk: Uint8Array, cause: unknown): InvalidChunk {
    const { encoding } = this.#decoder;
    const position = this.#position;
    return new InvalidChunk(
      position,
      this.#tail,
      chunk,
      encoding,
      this.#path,
      cause,
    );
  }
}

const STREAM: TextDecodeOptions = { stream: true };

/** A chunk that a fatal decoder refused; `explain` makes it an InvalidEncodingError. */
class InvalidChunk extends Error {
  constructor(
    readonly position: number,
    readonly tail: Uint8Array,
    readonly chunk: Uint8Array,
    readonly encoding: string,
    readonly path: string,
    cause: unknown,
  ) {
    super("invalid bytes", { cause });
  }
}

/** Finds where the invalid bytes are when that is what `error` is about. */
export async function explainDecoding(error: unknown): Promise<unknown> {
  if (!(error instanceof InvalidChunk)) return error;
  const { position, tail, chunk, encoding, path, cause } = error;
  const offset = encoding === "utf-8"
    ? position - tail.byteLength + invalidUtf8(joined(tail, chunk), position)
    : await rereadToInvalid(path, encoding);
  return new InvalidEncodingError(path, encoding, offset, { cause });
}

/** Where in `bytes` the first invalid sequence of `bytes` (read alone) begins. */
export function invalidOffset(bytes: Uint8Array, encoding: string): number {
  return encoding === "utf-8"
    ? invalidUtf8(bytes, 0)
    : firstInvalid(bytes, encoding);
}

function firstInvalid(bytes: Uint8Array, encoding: string): number {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const step = stepToInvalid(decoder, bytes, 0, 0);
  return step.invalid ?? step.characterStart;
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
  let index = 0;
  if (position > 0) {
    while (index < 3 && isContinuation(bytes[index])) {
      index++;
    }
  }
  while (index < bytes.byteLength) {
    const length = characterLength(bytes, index);
    if (length === 0) return index;
    index += length;
  }
  return bytes.byteLength;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Bytes of the character at `index`; 0 when it is none. */
function characterLength(bytes: Uint8Array, index: number): number {
  const first = bytes[index] ?? 0;
  if (first < 0x80) return 1;
  const second = bytes[index + 1];
  if (second === undefined || !isContinuation(second)) return 0;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (!isContinuation(bytes[index + 2])) return 0;
  if (first >= 0xe0 && first <= 0xef) {
    const isOverlong = first === 0xe0 && second < 0xa0;
    const isSurrogate = first === 0xed && second > 0x9f;
    return isOverlong || isSurrogate ? 0 : 3;
  }
  if (!isContinuation(bytes[index + 3])) return 0;
  if (first >= 0xf0 && first <= 0xf4) {
    const isOverlong = first === 0xf0 && second < 0x90;
    const isTooHigh = first === 0xf4 && second > 0x8f;
    return isOverlong || isTooHigh ? 0 : 4;
  }
  return 0;
}

/**
 * Other encodings have states that a chunk does not show (a shift, half a character), so the file is
 * read again from its start, byte by byte where it fails. Only ever done once, to report an error.
 */
async function rereadToInvalid(
  path: string,
  encoding: string,
): Promise<number> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const reader = await ChunkReader.open(path, { chunkSize: 262_144 });
  let position = 0;
  let characterStart = 0;
  for await (const chunk of reader) {
    const step = stepToInvalid(decoder, chunk, position, characterStart);
    if (step.invalid !== undefined) return step.invalid;
    characterStart = step.characterStart;
    position += chunk.byteLength;
  }
  return characterStart;
}

function stepToInvalid(
  decoder: TextDecoder,
  bytes: Uint8Array,
  position: number,
  characterStart: number,
): { invalid: number | undefined; characterStart: number } {
  for (let index = 0; index < bytes.byteLength; index++) {
    try {
      const text = decoder.decode(bytes.subarray(index, index + 1), STREAM);
      if (text !== "") characterStart = position + index + 1;
    } catch {
      return { invalid: characterStart, characterStart };
    }
  }
  return { invalid: undefined, characterStart };
}
