/**
 * Downloading to a file: resumable, verified, and never half a file under the final name.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { now } from "../_internal/clock.ts";
import { UnsupportedRuntimeError } from "../_internal/errors.ts";
import { sleep } from "../_internal/sleep.ts";
import {
  boolean,
  functionNamed,
  integer,
  integerOrInfinity,
  object,
} from "../_internal/validate.ts";
import { publish, syncParent } from "../file/durable.ts";
import { toPath } from "../file/paths.ts";
import { span } from "../telemetry/span.ts";
import { checkedChecksum, newHash } from "./checksum.ts";
import { countBytes } from "./byte_ranges.ts";
import { AsyncHTTPClient, checkClient, policyOf } from "./client.ts";
import type { DownloadOptions, DownloadResult } from "./download_options.ts";
import { decodedChunks, readHead } from "./download_head.ts";
import { isContinuable } from "./download_failure.ts";
import { ChecksumError, DownloadError } from "./errors/download_error.ts";
import { HTTPStatusError } from "./errors/http_status_error.ts";
import { NetworkError } from "./errors/network_error.ts";
import { ResponseTooLargeError } from "./errors/response_too_large_error.ts";
import { httpTelemetry } from "./http_telemetry.ts";
import { checkedRunner, checkSignal, type RequestOptions } from "./options.ts";
import { PartFile, type PartState } from "./part_file.ts";
import { PartWriter } from "./part_writer.ts";
import { redactURL } from "./redact.ts";
import { headerRecord } from "./request.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import {
  LEAST_SEGMENT,
  RangeRefusedError,
  SegmentedTransfer,
  type SegmentPlan,
} from "./segments.ts";
import { discardResponse } from "./tracked_response.ts";

/** The file changes on the server faster than it can be read: so many beginnings are enough. */
const MOST_RESTARTS = 5;

/**
 * Downloads to `<destination>.part`, then verifies, synchronises and renames it: the destination
 * is the old file, or the whole new one, at any moment. A connection that breaks off is continued
 * where it stopped; so is a `.part` that an earlier call has left, if the server vouches that the
 * file is still the same. Whatever is in doubt begins from zero.
 *
 * @throws {ChecksumError} The bytes are not those that were asked for.
 * @throws {DownloadBusyError} Another download writes to the destination.
 * @throws {DownloadError} The server's answers do not make up a file.
 * @throws {HTTPStatusError} A status other than 2xx.
 * @throws {ResponseTooLargeError} More than `maxBytes`.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, asyncDownload } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.resolve(new Response("contents")),
 * });
 * const directory = await Deno.makeTempDir();
 * const { bytes } = await asyncDownload("http://localhost/file", `${directory}/file`, { client });
 * console.log(bytes, await Deno.readTextFile(`${directory}/file`)); // 8 "contents"
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function asyncDownload(
  url: string | URL,
  destination: string | URL,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  if (typeof Deno === "undefined") {
    throw new UnsupportedRuntimeError(
      "asyncDownload()",
      "Elsewhere, read client.stream() and write its chunks with what the runtime offers.",
    );
  }
  const download = new Download(url, destination, options);
  options.signal?.throwIfAborted();
  if (httpTelemetry() === undefined) return await download.run();
  return await span("file.download", {
    "file.path": toPath("destination", destination),
    "url.full": redactURL(String(url)),
  }, async (current) => {
    const result = await download.run();
    current.setAttribute("file.size", result.bytes);
    return result;
  });
}

class Download {
  // Invariant: the part file holds exactly the first #offset bytes of the version of the file
  // that #state vouches for (or of an unvouched version, within one response), plus what the
  // present writer has not yet counted; and #hash has taken in the same #offset bytes. In
  // segments (`#state.ranges` is set) it holds those ranges, #offset is their length, and #hash is
  // stale. Whenever none of that can be said any more, `#restart` empties both.
  readonly #url: string;
  readonly #destination: string;
  readonly #options: DownloadOptions;
  readonly #checksum: ReturnType<typeof checkedChecksum>;
  readonly #maxBytes: number;
  readonly #segments: number;
  readonly #start = now();
  #offset = 0;
  #received = 0;
  #resumedFrom = 0;
  #restarts = 0;
  #total: number | undefined;
  #etag: string | undefined;
  #state: PartState | undefined;
  #hash: Hash | undefined;
  #hashIsStale = false;
  #segmentsRefused = false;
  #signal: AbortSignal | undefined;
  #run: SegmentPlan["run"] = (segment) => segment();

  constructor(
    url: string | URL,
    destination: string | URL,
    options: DownloadOptions,
  ) {
    object("options", options);
    checkClient(options.client);
    checkSignal(options.signal);
    checkedRunner(options.runner || undefined);
    if (options.resume !== undefined) boolean("resume", options.resume);
    if (options.overwrite !== undefined) {
      boolean("overwrite", options.overwrite);
    }
    this.#url = String(url);
    this.#destination = toPath("destination", destination);
    this.#options = options;
    this.#checksum = checkedChecksum(options.checksum);
    this.#maxBytes = integerOrInfinity(
      "maxBytes",
      options.maxBytes ?? Infinity,
      0,
    );
    this.#segments = integer("segments", options.segments ?? 1, 1);
    this.#signal = options.signal;
    if (options.onProgress !== undefined) {
      functionNamed("onProgress", options.onProgress);
    }
  }

  async run(): Promise<DownloadResult> {
    const { client, overwrite = true } = this.#options;
    if (!overwrite) await refuseExisting(this.#destination);
    const part = await PartFile.open(this.#destination);
    try {
      if (client !== undefined) return await this.#schedule(part, client);
      const own = new AsyncHTTPClient({
        retryPolicy: {},
        timeout: { idle: 30_000 },
      });
      try {
        return await this.#schedule(part, own);
      } finally {
        await own.close();
      }
    } catch (error) {
      // What has come stays for a resume, unless none could build on it.
      if (
        this.#offset === 0 ||
        (this.#state === undefined && !this.#signal?.aborted)
      ) await part.remove();
      throw error;
    } finally {
      part.close();
    }
  }

  /** The whole download is a task, its segments are children of it, which it lends its slot. */
  async #schedule(
    part: PartFile,
    client: AsyncHTTPClient,
  ): Promise<DownloadResult> {
    const { runner, priority, signal } = this.#options;
    if (!runner) return await this.#fetch(part, client);
    while (runner.isFull) await runner.ready(signal);
    let task: Promise<DownloadResult> | undefined;
    const handle = runner.submit((context) => {
      this.#signal = context.signal;
      this.#run = (segment) => context.submit(segment, { priority });
      return task = this.#fetch(part, client);
    }, { priority, signal, name: `download ${redactURL(this.#url)}` });
    try {
      return await handle;
    } catch (error) {
      // A cancelled handle settles at once; the file is not let go of before the work has ended.
      await task?.catch(() => {});
      throw error;
    }
  }

  async #fetch(
    part: PartFile,
    client: AsyncHTTPClient,
  ): Promise<DownloadResult> {
    await this.#resume(part);
    const policy = policyOf(client, this.#options.retryPolicy);
    let previousDelay: number | undefined;
    for (let failures = 0;;) {
      const before = this.#offset;
      try {
        if (await this.#round(part, client, policy)) break;
      } catch (error) {
        if (!this.#mayContinue(error, policy)) throw error;
        // Whoever gets on is not failing: the count is of failures in a row.
        // Without a validator nothing can be continued, so nothing is gained either.
        const gotOn = this.#state !== undefined && this.#offset > before;
        failures = gotOn ? 1 : failures + 1;
        if (failures > policy!.maxRetries) throw error; // mayContinue: there is one
        if (policy!.budget?.withdraw() === false) throw error;
        if (this.#state === undefined) await this.#empty(part);
        const delay = policy!.getJitteredDelay(failures - 1, previousDelay);
        previousDelay = delay;
        await sleep(delay, this.#signal);
      }
    }
    return await this.#publish(part);
  }

  /** Takes over what an earlier call has left, if it can be trusted. */
  async #resume(part: PartFile): Promise<void> {
    this.#hash = await newHash(this.#checksum?.algorithm ?? "sha256");
    const { size } = await part.file.stat();
    const state = this.#options.resume === false
      ? undefined
      : await part.readState();
    if (
      state === undefined || size === 0 ||
      (state.size !== undefined && size > state.size) ||
      // A file that has been cut since has holes where the ranges say that it has none.
      state.ranges?.some(([, to]) => to > size)
    ) {
      return await this.#empty(part);
    }
    this.#state = state;
    this.#total = state.size;
    this.#checkSize(Math.max(size, state.size ?? 0));
    if (state.ranges !== undefined) {
      this.#hashIsStale = true;
      this.#offset = this.#resumedFrom = countBytes(state.ranges);
      return;
    }
    await this.#hashFile(part, size);
    this.#offset = this.#resumedFrom = size;
  }

  /** Takes the first `size` bytes of the file into a new hash. */
  async #hashFile(part: PartFile, size: number): Promise<void> {
    const hash = await newHash(this.#checksum?.algorithm ?? "sha256");
    const buffer = new Uint8Array(1 << 20);
    await part.file.seek(0, Deno.SeekMode.Start);
    for (let offset = 0; offset < size;) {
      this.#signal?.throwIfAborted();
      const count = await part.file.read(buffer);
      if (count === null) {
        throw new DownloadError(
          this.#url,
          `${part.path} became shorter meanwhile`,
        );
      }
      hash.update(buffer.subarray(0, count));
      offset += count;
    }
    this.#hash = hash;
    this.#hashIsStale = false;
  }

  /** One request. True when the file is complete. */
  async #round(
    part: PartFile,
    client: AsyncHTTPClient,
    policy: RetryPolicy | undefined,
  ): Promise<boolean> {
    if (this.#state?.ranges !== undefined) {
      return await this.#receiveSegments(part, client, policy, undefined);
    }
    const response = await client.get(this.#url, this.#request());
    let isOpen = true;
    try {
      const body = await this.#begin(part, response);
      if (!body) {
        // 416: there is nothing behind what is here.
        return this.#offset > 0 && this.#offset === this.#total;
      }
      isOpen = false;
      if (this.#mayBeCut(response)) {
        return await this.#receiveSegments(part, client, policy, response);
      }
      await this.#receive(part, response);
      return true;
    } finally {
      if (isOpen) discardResponse(response);
    }
  }

  /** True when the whole has begun to come, and could come in segments. */
  #mayBeCut(response: Response): boolean {
    return this.#segments > 1 && !this.#segmentsRefused &&
      this.#offset === 0 && this.#state?.size !== undefined &&
      this.#state.size >= 2 * LEAST_SEGMENT && response.status === 200 &&
      response.headers.get("accept-ranges")?.toLowerCase() === "bytes";
  }

  /** False when the server does not do its part: then the file is empty again. */
  async #receiveSegments(
    part: PartFile,
    client: AsyncHTTPClient,
    policy: RetryPolicy | undefined,
    first: Response | undefined,
  ): Promise<boolean> {
    const { validator, size, ranges = [] } = this.#state!; // only called with one
    // Noted before anything is written: a file with holes must never be taken for a beginning.
    this.#state = { validator, size, ranges };
    await part.writeState(this.#state);
    this.#hashIsStale = true;
    const transfer = new SegmentedTransfer({
      url: this.#url,
      client,
      request: this.#plainRequest(),
      policy,
      part,
      size: size!, // mayBeCut and readState: ranges only with a size
      validator,
      done: ranges,
      count: this.#segments,
      run: this.#run,
      onBytes: (bytes, received) => {
        this.#offset = bytes;
        this.#received += received;
        this.#progress(bytes);
      },
    });
    try {
      await transfer.fetch(first);
    } catch (error) {
      if (!(error instanceof RangeRefusedError)) throw error;
      this.#segmentsRefused = true;
      await this.#restart(part);
      return false;
    }
    this.#offset = size!; // as above
    return true;
  }

  /** The caller's options for each request. */
  #plainRequest(): RequestOptions {
    const { client: _client, runner, ...options } = this.#options;
    return {
      ...options,
      signal: this.#signal,
      // The download itself has its slot: its requests do not queue once more.
      ...(runner === undefined ? undefined : { runner: false }),
    };
  }

  #request(): RequestOptions {
    const options = this.#plainRequest();
    const headers = options.headers === undefined
      ? {}
      : headerRecord(options.headers);
    // A compressed body has no lengths to count by, and no ranges to continue.
    headers["accept-encoding"] = "identity";
    if (this.#state !== undefined && this.#offset > 0) {
      headers["range"] = `bytes=${this.#offset}-`;
      headers["if-range"] = this.#state.validator;
    }
    return { ...options, headers };
  }

  /** Looks at the response's head. False when its body is of no use. */
  async #begin(part: PartFile, response: Response): Promise<boolean> {
    const head = readHead(response, this.#state, this.#offset);
    switch (head.meaning) {
      case "complete":
        this.#total = this.#offset;
        return false;
      case "useless":
        await this.#restart(part);
        return false;
      case "refused":
        throw new HTTPStatusError({ response, method: "GET", url: this.#url });
    }
    this.#etag = head.etag;
    if (head.meaning === "rest") {
      this.#total = head.total ?? this.#state?.size;
      this.#checkSize(this.#total);
      return true;
    }
    // The whole: the server knows no ranges, or the file has changed, or this is the beginning.
    if (this.#offset > 0) await this.#empty(part);
    this.#total = head.total;
    this.#checkSize(this.#total);
    if (head.validator !== undefined) {
      this.#state = { validator: head.validator, size: this.#total };
      await part.writeState(this.#state);
    }
    return true;
  }

  #checkSize(size: number | undefined): void {
    if (size === undefined || size <= this.#maxBytes) return;
    throw new ResponseTooLargeError(
      this.#url,
      this.#maxBytes,
      "maxBytes",
      size,
    );
  }

  async #receive(part: PartFile, response: Response): Promise<void> {
    await part.file.seek(this.#offset, Deno.SeekMode.Start);
    const writer = new PartWriter(part.file, {
      hash: this.#hash,
      path: part.path,
    });
    const chunks = decodedChunks(response, this.#url);
    let failure: { error: unknown } | undefined;
    let arrived = this.#offset;
    try {
      for await (const chunk of chunks) {
        arrived += chunk.byteLength;
        if (arrived > this.#maxBytes) {
          throw new ResponseTooLargeError(
            this.#url,
            this.#maxBytes,
            "maxBytes",
          );
        }
        if (this.#total !== undefined && arrived > this.#total) {
          throw new DownloadError(
            this.#url,
            `the server sent more than the ${this.#total} bytes that it promised`,
          );
        }
        const full = writer.push(chunk);
        if (full !== undefined) await full;
        this.#received += chunk.byteLength;
        this.#progress(arrived);
      }
    } catch (error) {
      failure = { error };
    }
    // What has come is kept, whatever happened: it is what a resume builds on.
    try {
      await writer.finish();
      this.#offset = arrived;
    } catch (error) {
      failure ??= { error };
      this.#state = undefined;
    }
    if (failure !== undefined) throw failure.error;
    if (this.#total !== undefined && this.#offset < this.#total) {
      throw new NetworkError("GET", this.#url, "body", {
        detail: `${this.#offset} of ${this.#total} bytes came`,
      });
    }
  }

  #mayContinue(error: unknown, policy: RetryPolicy | undefined): boolean {
    // A segment has been continued already, as often as the policy allows.
    return policy !== undefined && this.#signal?.aborted !== true &&
      this.#state?.ranges === undefined && isContinuable(error);
  }

  /** Begins from zero: what is there belongs to another version, or nobody knows to which. */
  async #restart(part: PartFile): Promise<void> {
    if (++this.#restarts > MOST_RESTARTS) {
      throw new DownloadError(
        this.#url,
        `the file on the server was another one each time (${MOST_RESTARTS} attempts)`,
      );
    }
    await this.#empty(part);
  }

  async #empty(part: PartFile): Promise<void> {
    this.#offset = this.#resumedFrom = 0;
    this.#state = undefined;
    this.#total = undefined;
    this.#hash = await newHash(this.#checksum?.algorithm ?? "sha256");
    this.#hashIsStale = false;
    await part.removeState();
    await part.file.truncate(0);
  }

  async #publish(part: PartFile): Promise<DownloadResult> {
    const { overwrite = true } = this.#options;
    if (this.#hashIsStale) await this.#hashFile(part, this.#offset);
    this.#signal?.throwIfAborted();
    const checksum = this.#hash!.digest("hex"); // made by #resume
    if (this.#checksum !== undefined && checksum !== this.#checksum.value) {
      await part.remove();
      throw new ChecksumError(
        this.#url,
        this.#checksum.algorithm,
        this.#checksum.value,
        checksum,
      );
    }
    await part.file.sync();
    if (overwrite) await publish(part.path, this.#destination, true);
    else {
      // A link fails where a rename would replace what has come there meanwhile.
      await Deno.link(part.path, this.#destination);
      await Deno.remove(part.path);
      await syncParent(this.#destination);
    }
    await part.removeState();
    this.#total = this.#offset;
    this.#progress(this.#offset);
    return {
      path: this.#destination,
      bytes: this.#offset,
      checksum,
      etag: this.#etag,
      resumedFrom: this.#resumedFrom,
      duration: now() - this.#start,
    };
  }

  #progress(bytes: number): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    const total = this.#total;
    onProgress({
      bytes,
      total,
      fraction: total === undefined
        ? undefined
        : total === 0
        ? 1
        : bytes / total,
      received: this.#received,
      elapsed: now() - this.#start,
    });
  }
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Deno.errors.AlreadyExists(
    `${path} exists already, and overwrite is false`,
  );
}
