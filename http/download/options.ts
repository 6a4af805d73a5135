/**
 * What asyncDownload takes and gives.
 *
 * @module
 */
import type { TaskRunner } from "../../runner/types.ts";
import type { ExpectedChecksum } from "./checksum.ts";
import type { AsyncHTTPClient } from "../client.ts";
import type { RequestOptions } from "../options.ts";

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes of the file that are there. */
  readonly bytes: number;
  /** Bytes of the whole; `undefined` when the server does not say, or compresses. */
  readonly total: number | undefined;
  /** From 0 to 1; `undefined` like `total`. */
  readonly fraction: number | undefined;
  /** Bytes that this call has received. */
  readonly received: number;
  /** Milliseconds since the call. */
  readonly elapsed: number;
}

/** Options of {@linkcode asyncDownload}. */
export interface DownloadOptions
  extends Omit<RequestOptions, "body" | "json" | "form" | "maxResponseBytes"> {
  /**
   * What makes the requests. @default A client of its own, with the default retry policy and an
   * idle timeout of 30 s.
   */
  client?: AsyncHTTPClient | undefined;
  /** Whether an unfinished `<destination>.part` is continued. @default {true} */
  resume?: boolean | undefined;
  /** The checksum that the file must have: hexadecimal digits, with `sha512:` or the like before. */
  checksum?: string | ExpectedChecksum | undefined;
  /** Told of the progress with each chunk, and once at the end. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Largest file in bytes. @default {Infinity} */
  maxBytes?: number | undefined;
  /** Whether an existing destination is replaced. @default {true} */
  overwrite?: boolean | undefined;
  /**
   * Ranges that are fetched at a time. Where the server knows no ranges, or does not vouch that
   * they are of one version, the file is fetched as a whole. @default {1}
   */
  segments?: number | undefined;
  /** Where the download, and each of its segments, takes a slot; `false` for none. */
  runner?: TaskRunner | false | undefined;
}

/** What was downloaded. */
export interface DownloadResult {
  /** Where it is. */
  readonly path: string;
  /** Its length. */
  readonly bytes: number;
  /** Its SHA-256 in hexadecimal digits, or by the algorithm of the `checksum` option. */
  readonly checksum: string;
  /** The server's ETag. */
  readonly etag: string | undefined;
  /** Bytes that an earlier download had left. */
  readonly resumedFrom: number;
  /** Milliseconds. */
  readonly duration: number;
}
