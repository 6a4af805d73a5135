/**
 * Getting a file's bytes into its part file, request after request: what is there is continued
 * where the server vouches for it, and begun anew where it does not.
 *
 * @module
 */
import { countBytes } from "./byte_ranges.ts";
import { callSettings } from "../call/settings.ts";
import { settingsOf } from "../client.ts";
import { continued, requestFrom } from "./continued.ts";
import { decodedChunks } from "./decoded_chunks.ts";
import { readHead } from "./head.ts";
import type { ProgressReport } from "./options.ts";
import { DownloadError } from "../errors/download_error.ts";
import { NetworkError } from "../errors/network_error.ts";
import { ResponseTooLargeError } from "../errors/response_too_large_error.ts";
import type { PartState } from "./part_file.ts";
import type { PartHash } from "./part_hash.ts";
import { PartWriter } from "./part_writer.ts";
import { checkStatus, type ResponsePromise } from "../call/response_promise.ts";
import type { RetryPolicy } from "../retry/retry_policy.ts";
import {
  MIN_SEGMENT,
  RangeRefusedError,
  SegmentedTransfer,
  type SegmentPlan,
} from "./segments.ts";
import { discardResponse } from "../call/tracked_response.ts";

/** The file changes on the server faster than it can be read: so many beginnings are enough. */
const MAX_RESTARTS = 5;

/** What a transfer goes by. */
export interface TransferPlan extends
  Pick<
    SegmentPlan,
    "url" | "client" | "request" | "signal" | "part" | "segments" | "run"
  > {
  readonly hash: PartHash;
  /** Whether what an earlier call has left is continued. */
  readonly resume: boolean;
  readonly maxBytes: number;
  readonly progress: ProgressReport;
}

/** What came of a request. */
type Round = "complete" | "more" | "nothing";

/** One file on its way. */
export class Transfer {
  // Invariant: the part file holds exactly the first #offset bytes of the version of the file
  // that #state vouches for (or of an unvouched version, within one response), plus what the
  // present writer has not yet counted; and the hash has taken in the same #offset bytes. In
  // segments (`#state.ranges` is set) it holds those ranges, #offset is their length, and the hash
  // is stale. Whenever none of that can be said any more, `#empty` empties all three, or #state is
  // dropped, and the part with it.
  readonly #plan: TransferPlan;
  readonly #policy: RetryPolicy | undefined;
  #offset = 0;
  /** Bytes that an earlier download had left. */
  resumedFrom = 0;
  #restarts = 0;
  #total: number | undefined;
  /** The server's ETag. */
  etag: string | undefined;
  #state: PartState | undefined;
  #segmentsRefused = false;

  constructor(plan: TransferPlan) {
    this.#plan = plan;
    const { retryPolicy } = plan.request;
    this.#policy = callSettings(settingsOf(plan.client), { retryPolicy }).retry;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.#offset;
  }

  /** True when a later download could continue what is there. */
  get isResumable(): boolean {
    return this.#offset > 0 && this.#state !== undefined;
  }

  /** Fetches what is missing; then the part file holds the file. */
  async fetch(): Promise<void> {
    await this.#resume();
    const { signal } = this.#plan;
    // Without a validator nothing can be continued, so nothing is gained either.
    const position = () => this.#state === undefined ? 0 : this.#offset;
    // A segment has been continued already, as often as the policy allows.
    const policy = () =>
      this.#state?.ranges === undefined ? this.#policy : undefined;
    await continued(policy, signal, position, async () => {
      if (this.#state === undefined && this.#offset > 0) await this.#empty();
      // What a server sends less than it was asked for is no failure.
      while (await this.#round() !== "complete");
    });
  }

  /** Takes over what an earlier call has left, if it can be trusted. */
  async #resume(): Promise<void> {
    const { part, hash, resume, url, signal } = this.#plan;
    const { size } = await part.file.stat();
    const state = resume ? await part.readState() : undefined;
    if (
      state === undefined || size === 0 ||
      (state.size !== undefined && size > state.size) ||
      // A file that has been cut since has holes where the ranges say that it has none.
      state.ranges?.some(([, to]) => to > size)
    ) {
      return await this.#empty();
    }
    const { ranges } = state;
    this.#state = state;
    this.#setTotal(state.size);
    // Counted first: who aborts the reading, or allows too few bytes, wants to find it again.
    this.#offset = this.resumedFrom = ranges === undefined
      ? size
      : countBytes(ranges);
    this.#checkSize(Math.max(size, state.size ?? 0));
    if (ranges === undefined) await hash.read(part, size, url, signal);
    else hash.expire();
  }

  /** One request, or one for each segment. */
  async #round(): Promise<Round> {
    const { client, url, request, signal } = this.#plan;
    if (this.#state?.ranges !== undefined) {
      return await this.#receiveSegments(undefined);
    }
    const validator = this.#offset > 0 ? this.#state?.validator : undefined;
    const answer = client.get(
      url,
      requestFrom(request, signal, validator, this.#offset),
    );
    const response = await answer;
    try {
      const end = await this.#begin(answer, response);
      if (end === undefined) {
        // 416: there is nothing behind what is here.
        return this.#offset > 0 && this.#offset === this.#total
          ? "complete"
          : "nothing";
      }
      return this.#mayBeCut(response)
        ? await this.#receiveSegments(response)
        : await this.#receive(response, end);
    } finally {
      // Harmless when it has been read to its end.
      discardResponse(response);
    }
  }

  /** True when the whole has begun to come, and could come in segments. */
  #mayBeCut(response: Response): boolean {
    return this.#plan.segments > 1 && !this.#segmentsRefused &&
      this.#offset === 0 && this.#state?.size !== undefined &&
      this.#state.size >= 2 * MIN_SEGMENT && response.status === 200 &&
      response.headers.get("accept-ranges")?.toLowerCase() === "bytes";
  }

  /** "nothing" when the server does not do its part: then the file is empty again. */
  async #receiveSegments(first: Response | undefined): Promise<Round> {
    const { part, hash, progress } = this.#plan;
    const { validator, size, ranges = [] } = this.#state!; // only called with one
    // Noted before anything is written: a file with holes must never be taken for a beginning.
    this.#state = { validator, size, ranges };
    await part.writeState(this.#state);
    hash.expire();
    const transfer = new SegmentedTransfer({
      ...this.#plan,
      policy: this.#policy,
      size: size!, // mayBeCut and readState: ranges only with a size
      validator,
      done: ranges,
      onBytes: (bytes, received) => {
        this.#offset = bytes;
        progress.at(bytes, received);
      },
    });
    try {
      await transfer.fetch(first);
    } catch (error) {
      if (!(error instanceof RangeRefusedError)) throw error;
      this.#segmentsRefused = true;
      await this.#restart();
      return "nothing";
    }
    this.#offset = size!; // as above
    return "complete";
  }

  /**
   * Looks at the response's head. The byte that its body ends before (Infinity: as far as it goes);
   * `undefined` when the body is of no use.
   */
  async #begin(
    answer: ResponsePromise,
    response: Response,
  ): Promise<number | undefined> {
    const { part, url } = this.#plan;
    const head = readHead(response, this.#state, this.#offset);
    switch (head.meaning) {
      case "complete":
        this.#setTotal(this.#offset);
        return undefined;
      case "useless":
        await this.#restart();
        return undefined;
      case "unasked":
        throw new DownloadError(
          url,
          "the server answered 206, a part, when it was asked for the whole",
        );
      case "refused":
        await checkStatus(answer, response);
    }
    this.etag = head.etag;
    if (head.meaning === "rest") {
      this.#setTotal(head.total ?? this.#state?.size);
      this.#checkSize(this.#total);
      return head.end;
    }
    // The whole: the server knows no ranges, or the file has changed, or this is the beginning.
    if (this.#offset > 0) await this.#empty();
    this.#setTotal(head.total);
    this.#checkSize(this.#total);
    if (head.validator !== undefined) {
      this.#state = { validator: head.validator, size: this.#total };
      await part.writeState(this.#state);
    }
    return head.end;
  }

  #setTotal(total: number | undefined): void {
    this.#total = this.#plan.progress.total = total;
  }

  #checkSize(size: number | undefined): void {
    const { url, maxBytes } = this.#plan;
    if (size === undefined || size <= maxBytes) return;
    throw new ResponseTooLargeError(url, maxBytes, "maxBytes", size);
  }

  async #receive(response: Response, end: number): Promise<Round> {
    const { part, hash, url, progress } = this.#plan;
    const start = this.#offset;
    let arrived = start;
    await part.file.seek(start, Deno.SeekMode.Start);
    const writer = new PartWriter(part.file, { hash, path: part.path });
    try {
      await writer.receive(decodedChunks(response, url), (bytes) => {
        arrived += bytes;
        this.#checkEnd(arrived, end);
        progress.at(arrived, bytes);
      });
    } catch (error) {
      // Who sends more than it says is not believed the rest either.
      if (error instanceof DownloadError) this.#state = undefined;
      throw error;
    } finally {
      this.#offset = start + writer.written;
      if (writer.hasFailed) this.#state = undefined;
    }
    if (this.#total === undefined || arrived >= this.#total) return "complete";
    if (arrived === end) return "more";
    throw new NetworkError("GET", url, "body", {
      detail: `${arrived} of ${this.#total} bytes came`,
    });
  }

  /** Refuses a body that goes on beyond what it may be, or what it said. */
  #checkEnd(arrived: number, end: number): void {
    const { url, maxBytes } = this.#plan;
    if (arrived > maxBytes) {
      throw new ResponseTooLargeError(url, maxBytes, "maxBytes");
    }
    if (arrived > end) {
      throw new DownloadError(
        url,
        `the server sent more than the ${end} bytes that it promised`,
      );
    }
  }

  /** Begins from zero: what is there belongs to another version, or nobody knows to which. */
  async #restart(): Promise<void> {
    if (++this.#restarts > MAX_RESTARTS) {
      throw new DownloadError(
        this.#plan.url,
        `in ${MAX_RESTARTS} attempts, what the server sent never fitted what had come before: the file changes all the time, or the ranges are wrong`,
      );
    }
    await this.#empty();
  }

  async #empty(): Promise<void> {
    this.#offset = this.resumedFrom = 0;
    this.#state = undefined;
    this.#setTotal(undefined);
    const { part, hash } = this.#plan;
    await hash.reset();
    await part.removeState();
    await part.file.truncate(0);
  }
}
