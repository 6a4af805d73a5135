/**
 * What asyncDownload takes, tells and gives.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import {
  boolean,
  type Check,
  type Checks,
  functionNamed,
  integerFrom,
  limitFrom,
} from "../../_internal/validate.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { checkedChecksum, type ExpectedChecksum } from "./checksum.ts";
import { REQUEST_CHECKS, type RequestOptions } from "../options.ts";
import { type AsyncHTTPClient, checkClient } from "../client.ts";
import { type HeaderInit, headerRecord } from "../request/request.ts";

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

/** Which bytes are asked for, only the download itself knows. */
const checkHeaders: Check = (_, headers) => {
  const given = headerRecord(headers as HeaderInit);
  for (const name of ["range", "if-range"]) {
    if (name in given) {
      throw new TypeError(
        `headers must not set ${name}: asyncDownload asks for what it needs. For a part of a file, use client.get()`,
      );
    }
  }
};

const {
  body: _body,
  json: _json,
  form: _form,
  maxResponseBytes: _maxResponseBytes,
  ...CALL_CHECKS
} = REQUEST_CHECKS;

/** The checks of those options. */
export const DOWNLOAD_CHECKS: Checks<DownloadOptions> = {
  ...CALL_CHECKS,
  headers: checkHeaders,
  client: checkClient,
  resume: boolean,
  checksum: (_, value) => checkedChecksum(value as string),
  onProgress: functionNamed,
  maxBytes: limitFrom(0),
  overwrite: boolean,
  segments: integerFrom(1),
};

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

/** Counts and tells. */
export class ProgressReport {
  readonly #tell: ((progress: DownloadProgress) => void) | undefined;
  readonly #start = now();
  #received = 0;
  /** Length of the whole, as far as it is known. */
  total: number | undefined;

  constructor(tell: ((progress: DownloadProgress) => void) | undefined) {
    this.#tell = tell;
  }

  /** Milliseconds since the call. */
  get elapsed(): number {
    return now() - this.#start;
  }

  /** So many bytes are there, and so many of them have just come. */
  at(bytes: number, received: number): void {
    this.#received += received;
    if (this.#tell === undefined) return;
    const { total } = this;
    this.#tell({
      bytes,
      total,
      fraction: total === undefined
        ? undefined
        : total === 0
        ? 1
        : bytes / total,
      received: this.#received,
      elapsed: this.elapsed,
    });
  }
}
