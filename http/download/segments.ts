/**
 * The missing ranges of a file, fetched several at a time into the unfinished file.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { sleep } from "../../_internal/sleep.ts";
import {
  type ByteRange,
  countBytes,
  mergeRanges,
  missingRanges,
  splitRanges,
} from "./byte_ranges.ts";
import type { AsyncHTTPClient } from "../client.ts";
import { parseContentRange } from "./content_range.ts";
import { isContinuable } from "./failure.ts";
import { NetworkError } from "../errors/network_error.ts";
import type { RequestOptions } from "../options.ts";
import type { PartFile } from "./part_file.ts";
import { PartWriter } from "./part_writer.ts";
import { headerRecord } from "../request/request.ts";
import { checkStatus } from "../call/response_promise.ts";
import type { RetryPolicy } from "../retry/retry_policy.ts";
import {
  discardResponse,
  exchangeOf,
  responseChunks,
} from "../call/tracked_response.ts";

/** No segment is shorter: a request of its own costs more than it saves. */
export const LEAST_SEGMENT = 64 * 1024;

/** Milliseconds between two notes of how far the segments are. */
const NOTE_INTERVAL = 1000;

/** What a download in segments goes by. */
export interface SegmentPlan {
  readonly url: string;
  readonly client: AsyncHTTPClient;
  readonly request: RequestOptions;
  readonly policy: RetryPolicy | undefined;
  readonly part: PartFile;
  readonly size: number;
  readonly validator: string;
  /** Ranges that are there already. */
  readonly done: readonly ByteRange[];
  /** At a time. */
  readonly count: number;
  /**
   * Runs a segment, perhaps in a slot of a runner, as a task of this name, whose signal the segment
   * is given. Settles when the segment has ended.
   */
  readonly run: (
    segment: (signal: AbortSignal | undefined) => Promise<void>,
    name: string,
  ) => Promise<void>;
  /** Told how many bytes are there, and how many have just come. */
  readonly onBytes: (bytes: number, received: number) => void;
}

/** The server did not answer a range with just that range of that version. */
export class RangeRefusedError extends Error {
  /** Always `"RangeRefusedError"`. */
  override readonly name = "RangeRefusedError";
}

/** One segment under way. */
interface Segment {
  readonly range: ByteRange;
  /** Written up to here. */
  position: number;
}

/** Fetches what is missing. */
export class SegmentedTransfer {
  // Invariant: the part file holds the bytes of #done and of each segment from its start to its
  // position; what a segment has received beyond is in its writer, and not counted. #note writes
  // only what is counted, so after a kill no range is taken for there that is not.
  readonly #plan: SegmentPlan;
  readonly #controller = new AbortController();
  readonly #segments: Segment[];
  #next = 0;
  #bytes: number;
  #notedAt = now();
  #noting: Promise<void> | undefined;

  constructor(plan: SegmentPlan) {
    this.#plan = plan;
    this.#segments = splitRanges(
      missingRanges(plan.done, plan.size),
      plan.count,
      LEAST_SEGMENT,
    ).map((range) => ({ range, position: range[0] }));
    this.#bytes = countBytes(plan.done);
  }

  /**
   * Fetches everything. `first` is a response that holds the file from byte 0, to be used for the
   * first segment. The first failure aborts the other segments, which are awaited.
   */
  async fetch(first: Response | undefined): Promise<void> {
    const { count, request } = this.#plan;
    const subscription = this.#endWith(request.signal);
    let failure: { error: unknown } | undefined;
    const worker = async (response: Response | undefined) => {
      try {
        await this.#work(response);
      } catch (error) {
        failure ??= { error };
        this.#controller.abort(error);
      }
    };
    // The first response was asked for without this signal.
    const cut = onAbort(this.#controller.signal, (reason) => {
      if (first !== undefined) exchangeOf(first)?.abort(reason);
    });
    try {
      const workers = [worker(first)];
      for (let n = 1; n < Math.min(count, this.#segments.length); n++) {
        workers.push(worker(undefined));
      }
      await Promise.all(workers);
    } finally {
      subscription?.unsubscribe();
      cut.unsubscribe();
      await this.#noting;
    }
    if (failure !== undefined) {
      if (!(failure.error instanceof RangeRefusedError)) await this.#note();
      throw failure.error;
    }
  }

  /** Lets all segments end with `signal`. */
  #endWith(signal: AbortSignal | undefined): AbortSubscription | undefined {
    if (signal === undefined) return undefined;
    const end = (reason: unknown) => this.#controller.abort(reason);
    if (!signal.aborted) return onAbort(signal, end);
    end(signal.reason);
    return undefined;
  }

  /** Takes one segment after the other. */
  async #work(first: Response | undefined): Promise<void> {
    let response = first;
    for (;;) {
      this.#controller.signal.throwIfAborted();
      const segment = this.#segments[this.#next++];
      if (segment === undefined) return;
      const given = response;
      response = undefined;
      const [start, end] = segment.range;
      await this.#plan.run(async (signal) => {
        // The task may be ended for itself, by the runner's timeout say: then all of them end.
        const subscription = this.#endWith(signal);
        try {
          await this.#fetchSegment(segment, given);
        } finally {
          subscription?.unsubscribe();
        }
      }, `segment ${start}-${end - 1}`);
    }
  }

  /** One segment; what breaks off is continued, by the policy. */
  async #fetchSegment(
    segment: Segment,
    first: Response | undefined,
  ): Promise<void> {
    const { policy } = this.#plan;
    let response = first;
    let previousDelay: number | undefined;
    for (let failures = 0;;) {
      const before = segment.position;
      try {
        response ??= await this.#request(segment);
        await this.#receive(segment, response);
        return;
      } catch (error) {
        if (response !== undefined) discardResponse(response);
        response = undefined;
        const { signal } = this.#controller;
        if (policy === undefined || signal.aborted || !isContinuable(error)) {
          throw error;
        }
        failures = segment.position > before ? 1 : failures + 1;
        if (failures > policy.maxRetries) throw error;
        if (policy.budget?.withdraw() === false) throw error;
        const delay = policy.getJitteredDelay(failures - 1, previousDelay);
        previousDelay = delay;
        await sleep(delay, signal);
      }
    }
  }

  async #request({ range, position }: Segment): Promise<Response> {
    const { client, url, request, size, validator } = this.#plan;
    const headers = request.headers === undefined
      ? {}
      : headerRecord(request.headers);
    headers["accept-encoding"] = "identity";
    headers["range"] = `bytes=${position}-${range[1] - 1}`;
    headers["if-range"] = validator;
    const answer = client.get(url, {
      ...request,
      headers,
      signal: this.#controller.signal,
    });
    const response = await answer;
    const answered = parseContentRange(response.headers.get("content-range"));
    const etag = response.headers.get("etag");
    if (
      response.status === 206 && answered?.start === position &&
      answered.end === range[1] - 1 &&
      (answered.size ?? size) === size &&
      (etag === null || !validator.startsWith('"') || etag === validator)
    ) return response;
    if (!(response.ok || response.status === 412 || response.status === 416)) {
      await checkStatus(answer, response);
    }
    discardResponse(response);
    throw new RangeRefusedError("The range was not answered as such.");
  }

  async #receive(segment: Segment, response: Response): Promise<void> {
    const file = await Deno.open(this.#plan.part.path, { write: true });
    try {
      await this.#write(segment, response, file);
    } finally {
      file.close();
    }
  }

  async #write(
    segment: Segment,
    response: Response,
    file: Deno.FsFile,
  ): Promise<void> {
    const { url, onBytes } = this.#plan;
    const end = segment.range[1];
    const start = segment.position;
    await file.seek(start, Deno.SeekMode.Start);
    const writer = new PartWriter(file);
    let arrived = start;
    let failure: { error: unknown } | undefined;
    try {
      const { signal } = this.#controller;
      for await (
        const chunk of responseChunks(response) ?? response.body?.values() ?? []
      ) {
        signal.throwIfAborted();
        // The first response goes on to the end of the file; the rest is others' work.
        const useful = chunk.subarray(0, end - arrived);
        arrived += useful.byteLength;
        const full = writer.push(useful);
        if (full !== undefined) await full;
        segment.position = start + writer.written;
        this.#bytes += useful.byteLength;
        onBytes(this.#bytes, useful.byteLength);
        if (arrived === end) break;
        this.#noteNow();
      }
    } catch (error) {
      failure = { error };
    }
    try {
      await writer.finish();
    } catch (error) {
      failure ??= { error };
    }
    segment.position = start + writer.written;
    // What was counted and not written is to come again.
    this.#bytes -= arrived - segment.position;
    if (failure !== undefined) throw failure.error;
    if (arrived < end) {
      throw new NetworkError("GET", url, "body", {
        detail: `${arrived - start} of ${end - start} bytes of a segment came`,
      });
    }
  }

  #noteNow(): void {
    if (this.#noting !== undefined || now() - this.#notedAt < NOTE_INTERVAL) {
      return;
    }
    this.#notedAt = now();
    // A note that fails costs a later resume some bytes, and this download nothing.
    this.#noting = this.#note().catch(() => {}).finally(() => {
      this.#noting = undefined;
    });
  }

  async #note(): Promise<void> {
    const { part, validator, size, done } = this.#plan;
    await part.writeState({
      validator,
      size,
      ranges: mergeRanges([
        ...done,
        ...this.#segments.map(({ range, position }): ByteRange => [
          range[0],
          position,
        ]),
      ]),
    });
  }
}
