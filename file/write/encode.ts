/**
 * Text to bytes: UTF-8 by TextEncoder, and the few other encodings that are still written.
 *
 * @module
 */
import { show, wrong } from "../../_internal/validate.ts";

/** The encodings that can be written. */
export type WritableEncoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1";

const names: Record<string, WritableEncoding> = {
  "utf-8": "utf-8",
  "utf8": "utf-8",
  "utf-16le": "utf-16le",
  "utf-16be": "utf-16be",
  "latin1": "latin1",
  "iso-8859-1": "latin1",
};

/** Checks an `encoding` option; other spellings than those of the type are understood. */
export function writableEncoding(
  name: string,
  value: unknown,
): WritableEncoding {
  const found = typeof value === "string"
    ? names[value.toLowerCase()]
    : undefined;
  if (found !== undefined) return found;
  const known = 'one of "utf-8", "utf-16le", "utf-16be", "latin1" to write';
  throw wrong(name, known, value, true);
}

const utf8 = new TextEncoder();

/** `text` as bytes. Lone surrogates become U+FFFD in UTF-8; what Latin-1 lacks is an error. */
export function encodeText(
  text: string,
  encoding: WritableEncoding,
): Uint8Array {
  switch (encoding) {
    case "utf-8":
      return utf8.encode(text);
    case "latin1":
      return encodeLatin1(text);
    default:
      return encodeUtf16(text, encoding === "utf-16le");
  }
}

function encodeUtf16(text: string, isLittleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) {
    view.setUint16(index * 2, text.charCodeAt(index), isLittleEndian);
  }
  return bytes;
}

function encodeLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) {
      throw new RangeError(
        `latin1 has no character ${show(text[index])} (U+${
          code.toString(16).toUpperCase().padStart(4, "0")
        }, at index ${index}). Write with encoding "utf-8".`,
      );
    }
    bytes[index] = code;
  }
  return bytes;
}
