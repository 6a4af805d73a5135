/**
 * Options that several functions of files have, and their checks.
 *
 * @module
 */
import {
  type Checks,
  integerFrom,
  limitFrom,
  wrong,
} from "../_internal/validate.ts";

/** A part of a file. */
export interface ByteRange {
  /** First byte. Beyond the end of the file there is nothing to read, which is no error. @default {0} */
  start?: number | undefined;
  /** Byte to stop before. @default {Infinity} */
  end?: number | undefined;
}

/** The checks of a range. */
export const RANGE_CHECKS: Checks<ByteRange> = {
  start: integerFrom(0),
  end: limitFrom(0),
};

/** Fills in what was left out of a range that was checked, and compares its ends. */
export function fullRange(
  { start = 0, end = Infinity }: ByteRange,
): { start: number; end: number } {
  if (end < start) throw wrong("end", `at least start (${start})`, end, true);
  return { start, end };
}

/** Checks permission bits. */
export function permissionBits(name: string, value: unknown): number {
  if (
    typeof value === "number" && Number.isInteger(value) && value >= 0 &&
    value <= 0o7777
  ) return value;
  throw wrong(
    name,
    "permission bits from 0 to 0o7777",
    value,
    typeof value === "number",
  );
}
