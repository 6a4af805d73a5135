/**
 * What a response means for a download: a pure function of its head and of what is there already.
 *
 * @module
 */
import { parseHTTPDate } from "../retry/retry_after.ts";
import { parseContentRange } from "./byte_ranges.ts";
import type { PartState } from "./part_file.ts";

/** What a response means. */
export interface DownloadHead {
  /**
   * `whole`: the body is the file from byte 0; `rest`: it is what is missing; `complete`: nothing
   * is missing; `useless`: it fits nothing that is there, begin anew; `unasked`: a part, though
   * nothing but the whole was asked for; `refused`: an error.
   */
  readonly meaning:
    | "whole"
    | "rest"
    | "complete"
    | "useless"
    | "unasked"
    | "refused";
  /** The byte of the file that the body ends before; Infinity when it does not say. */
  readonly end: number;
  /** Length of the file. */
  readonly total: number | undefined;
  /** Its ETag. */
  readonly etag: string | undefined;
  /** What a later `If-Range` may be. */
  readonly validator: string | undefined;
}

/** Reads the head of a response to a request for what follows `offset`, under `state`. */
export function readHead(
  response: Response,
  state: PartState | undefined,
  offset: number,
): DownloadHead {
  const { headers, status } = response;
  const asked = state !== undefined && offset > 0;
  const etag = headers.get("etag") ?? undefined;
  const range = parseContentRange(headers.get("content-range"));
  // A server may leave the ETag out; one that differs is another version.
  const isSame = etag === undefined || etag === state?.validator;
  const mean = (
    meaning: DownloadHead["meaning"],
    total?: number,
    end = total ?? Infinity,
    validator?: string,
  ) => ({ meaning, total, end, etag, validator });
  if (asked && status === 416) {
    return mean(range?.size === offset && isSame ? "complete" : "useless");
  }
  if (asked && status === 412) return mean("useless");
  if (!response.ok) return mean("refused");
  const encoded = encodingOf(headers) !== undefined;
  // Some servers answer 206 with all of it.
  const isAll = range?.start === 0 && range.end === (range.size ?? NaN) - 1;
  if (status === 206 && !asked && !isAll) return mean("unasked");
  if (status === 206 && asked) {
    // Bytes of somewhere else, or of another version, are nothing to build on.
    const fits = asked && !encoded && isSame && range?.start === offset &&
      (range.size ?? state.size) === (state.size ?? range.size);
    return fits
      ? mean("rest", range.size, (range.end ?? Infinity) + 1)
      : mean("useless");
  }
  const length = encoded
    ? undefined
    : status === 206
    ? range?.size
    : lengthOf(headers);
  return mean(
    "whole",
    length,
    length,
    encoded ? undefined : strongValidator(headers),
  );
}

function lengthOf(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length === null ? undefined : Number(length);
}

/** How the body is compressed; `undefined` when it is not. */
export function encodingOf(headers: Headers): string | undefined {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase();
  if (encoding === undefined || encoding === "" || encoding === "identity") {
    return undefined;
  }
  return encoding === "x-gzip" ? "gzip" : encoding;
}

/**
 * What `If-Range` may be: a strong ETag, or a date of change that lies so far before the response
 * that a second change within the same second is out of the question (RFC 9110, 8.8.2.2).
 */
function strongValidator(headers: Headers): string | undefined {
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
