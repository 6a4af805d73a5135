/**
 * Byte ranges: sets of them, which parts of a file are there and which are missing; and how a
 * response names its own.
 *
 * @module
 */

/** From, and up to but not including. */
export type ByteRange = readonly [number, number];

/** The same bytes in order, with ranges that touch or overlap made one. */
export function mergeRanges(ranges: readonly ByteRange[]): ByteRange[] {
  const sorted = ranges.filter(([from, to]) => to > from)
    .sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** What of the first `size` bytes is in none of the ranges. */
export function missingRanges(
  ranges: readonly ByteRange[],
  size: number,
): ByteRange[] {
  const missing: ByteRange[] = [];
  let position = 0;
  for (const [from, to] of mergeRanges(ranges)) {
    if (from > position) missing.push([position, Math.min(from, size)]);
    position = Math.max(position, to);
  }
  if (position < size) missing.push([position, size]);
  return missing.filter(([from, to]) => to > from);
}

/** Cuts ranges into about `count` pieces of about the same length, none shorter than `least`. */
export function splitRanges(
  ranges: readonly ByteRange[],
  count: number,
  least: number,
): ByteRange[] {
  const total = ranges.reduce((sum, [from, to]) => sum + to - from, 0);
  const length = Math.max(Math.ceil(total / count), least);
  const pieces: ByteRange[] = [];
  for (const [from, to] of ranges) {
    const parts = Math.max(1, Math.floor((to - from) / length));
    for (let part = 0; part < parts; part++) {
      pieces.push([
        from + Math.floor((to - from) * part / parts),
        from + Math.floor((to - from) * (part + 1) / parts),
      ]);
    }
  }
  return pieces;
}

/** How many bytes the ranges hold. */
export function countBytes(ranges: readonly ByteRange[]): number {
  return mergeRanges(ranges).reduce((sum, [from, to]) => sum + to - from, 0);
}

/** What a response says of the range that it holds. */
export interface ContentRange {
  /** First byte; `undefined` for an unsatisfied range. */
  readonly start: number | undefined;
  /** Last byte, included. */
  readonly end: number | undefined;
  /** Length of the whole; `undefined` when the server does not know. */
  readonly size: number | undefined;
}

/** Parses `bytes 0-9/20`, `bytes 0-9/*` and `bytes *`/`20`; `undefined` for anything else. */
export function parseContentRange(
  value: string | null,
): ContentRange | undefined {
  const match = /^bytes\s+(?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(
    value?.trim() ?? "",
  );
  if (match === null) return undefined;
  const [, first, last, whole] = match;
  const start = first === undefined ? undefined : Number(first);
  const end = last === undefined ? undefined : Number(last);
  const size = whole === "*" ? undefined : Number(whole);
  if (start !== undefined && end !== undefined) {
    if (end < start || (size !== undefined && end >= size)) return undefined;
  } else if (size === undefined) return undefined;
  return { start, end, size };
}
