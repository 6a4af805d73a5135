/**
 * Checks of what several operators are given, made at the call that gives it: a mistake is told
 * where it was made, not where the stream is read.
 *
 * @module
 */
import { type Checks, limitFrom, show, word } from "../_internal/validate.ts";

/** What becomes of an element for which a buffer has no room. */
export type StreamOverflow = "drop-oldest" | "drop-newest" | "error";

/** The checks of how elements that nobody reads yet are kept; `policies` are further ones. */
export function bufferChecks(
  ...policies: string[]
): Checks<{ buffer: unknown; overflow: unknown }> {
  return {
    buffer: limitFrom(1),
    overflow: word(...policies, "drop-oldest", "drop-newest", "error"),
  };
}

/** A number of elements as the iterator helpers take it: whole part of a number from 0 on. */
export function countNamed(name: string, value: number): number {
  if (typeof value === "number" && value > -1) return Math.trunc(value);
  throw new RangeError(
    `${name} must be a non-negative number of elements, got ${show(value)}`,
  );
}

/** Any number but NaN and, unless `isEndless`, the infinite ones. */
export function numberNamed(
  name: string,
  value: number,
  isEndless = false,
): number {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, got ${show(value)}`);
  }
  if (Number.isFinite(value) || (isEndless && !Number.isNaN(value))) {
    return value;
  }
  throw new RangeError(
    `${name} must be a ${isEndless ? "" : "finite "}number, got ${value}`,
  );
}
