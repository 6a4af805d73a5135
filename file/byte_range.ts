/**
 * A part of a file, as its first byte and the one to stop before.
 *
 * @module
 */
import { integer, integerOrInfinity, wrong } from "../_internal/validate.ts";

/** A part of a file. */
export interface ByteRange {
  /** First byte. Beyond the end of the file there is nothing to read, which is no error. @default {0} */
  start?: number | undefined;
  /** Byte to stop before. @default {Infinity} */
  end?: number | undefined;
}

/** Checks a range, and fills in what was left out. */
export function checkRange(range: ByteRange): { start: number; end: number } {
  const start = integer("start", range.start ?? 0, 0);
  const end = integerOrInfinity("end", range.end ?? Infinity, 0);
  if (end < start) throw wrong("end", `at least start (${start})`, end, true);
  return { start, end };
}
