/**
 * Values of a bounded size, and where the weight of one lies that is too large.
 *
 * @module
 */
import { InputTooLargeError } from "../errors.ts";
import { encode, Encoder } from "./encode.ts";
import type { Encoded } from "./kinds.ts";
import { pathText } from "./path.ts";

/**
 * The sendable form of `value`, of at most `limit` bytes.
 *
 * @throws {NotSerializableError | InputTooLargeError} When it cannot travel, or is larger.
 */
export function encodeWithin(
  value: unknown,
  what: string,
  limit: number,
): Encoded {
  const encoder = new Encoder(what);
  const encoded = encoder.encode(value);
  // What the walk adds up is at least a sixth of the JSON (a control character takes six bytes).
  if (encoder.size * 6 > limit) {
    const bytes = bytesOf(encoded);
    if (bytes > limit) {
      throw new InputTooLargeError(what, bytes, limit, heaviest(value, what));
    }
  }
  return encoded;
}

const encoder = new TextEncoder();

function bytesOf(encoded: Encoded): number {
  return encoder.encode(JSON.stringify(encoded)).length;
}

/** Follows the largest part down while it is more than half of the whole. */
function heaviest(value: unknown, what: string): string {
  const path: (string | number)[] = [];
  let current = value;
  let size = bytesOf(encode(current, what));
  for (;;) {
    if (typeof current !== "object" || current === null) break;
    const parts: [string | number, unknown][] = Array.isArray(current)
      ? current.map((part, index) => [index, part])
      : Object.getPrototypeOf(current) === Object.prototype
      ? Object.entries(current)
      : [];
    let largest: [string | number, unknown, number] | undefined;
    for (const [key, part] of parts) {
      const bytes = bytesOf(encode(part, what));
      if (bytes > size / 2) largest = [key, part, bytes];
    }
    if (largest === undefined) break;
    path.push(largest[0]);
    current = largest[1];
    size = largest[2];
  }
  return pathText(path);
}
