/**
 * The `Content-Range` header, and which validators may guard a range.
 *
 * @module
 */
import { parseHTTPDate } from "../retry/retry_after.ts";

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

/**
 * What `If-Range` may be: a strong ETag, or a date of change that lies so far before the response
 * that a second change within the same second is out of the question (RFC 9110, 8.8.2.2).
 */
export function strongValidator(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  if (etag !== null) return /^"[^"]*"$/.test(etag) ? etag : undefined;
  const modified = headers.get("last-modified");
  const date = headers.get("date");
  if (modified === null || date === null) return undefined;
  const changed = parseHTTPDate(modified);
  const sent = parseHTTPDate(date);
  return changed !== undefined && sent !== undefined && sent - changed >= 60_000
    ? modified
    : undefined;
}
