/**
 * The missing ranges of a file, fetched several at a time into the unfinished file.
 *
 * @module
 */
import { heedAbort, onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import {
  type ByteRange,
  countBytes,
  mergeRanges,
  missingRanges,
  parseContentRange,
  splitRanges,
} from "./byte_ranges.ts";
import type { AsyncHTTPClient } from "../client.ts";
import { continued, requestFrom } from "./continued.ts";
import { encodingOf } from "./head.ts";
import { NetworkError } from "../errors/network_error.ts";
import type { RequestOptions } from "../options.ts";
import type { PartFile } from "./part_file.ts";
import { PartWriter } from "./part_writer.ts";
import { checkStatus } from "../call/response_promise.ts";
import type { RetryPolicy } from "../retry/retry_policy.ts";
import {
  bodyChunks,
  discardResponse,
  exchangeOf,
} from "../call/tracked_response.ts";

/** No segment is shorter: a request of its own costs more than it saves. */
export const MIN_SEGMENT = 64 * 1024;

/** Milliseconds between two notes of how far the segments are. */
const NOTE_INTERVAL = 1000;

/** What a download in segments goes by. */
export interface SegmentPlan {
  readonly url: string;
  readonly client: AsyncHTTPClient;
  /** The caller's options for each request. */
  readonly request: RequestOptions;
  readonly signal: AbortSignal | undefined;
  readonly policy: RetryPolicy | undefined;
  readonly part: PartFile;
  readonly size: number;
  readonly validator: string;
  /** Ranges that are there already. */
  readonly done: readonly ByteRange[];
  /** At a time. */
  readonly segments: number;
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
  #bytes: number;
  #notedAt = now();
  #noting: Promise<void> | undefined;

  constructor(plan: SegmentPlan) {
    this.#plan = plan;
    this.#segments = splitRanges(
      missingRanges(plan.done, plan.size),
      plan.segments,
      MIN_SEGMENT,
    ).map((range) => ({ range, position: range[0] }));
    this.#bytes = countBytes(plan.done);
  }

  /**
   * Fetches everything. `first` is a response that holds the file from byte 0, to be used for the
   * first segment. The first failure aborts the other segments, which are awaited.
   */
  async fetch(first: Response | undefined): Promise<void> {
    const { signal } = this.#controller;
    const subscription = heedAbort(this.#plan.signal, this.#end);
    // The first response was asked for without this signal.
    const cut = onAbort(signal, (reason) => {
      if (first !== undefined) exchangeOf(first)?.abort(reason);
    });
    try {
      signal.throwIfAborted();
      await new ConcurrentMap(
        this.#segments,
        (segment, index) => this.#run(segment, index === 0 ? first : undefined),
        { concurrency: this.#plan.segments, ordered: false },
      ).run();
    } catch (error) {
      await this.#noting;
      // The ranges of a server that knows none are nothing to come back to.
      if (!(error instanceof RangeRefusedError)) await this.#note();
      throw error;
    } finally {
      subscription?.unsubscribe();
      cut.unsubscribe();
      await this.#noting;
    }
  }

  /** Fetches one segment in its slot. */
  async #run(segment: Segment, first: Response | undefined): Promise<void> {
    const [start, end] = segment.range;
    try {
      await this.#plan.run(async (signal) => {
        // The task may be ended for itself, by the runner's timeout say: then all of them end.
        const subscription = heedAbort(signal, this.#end);
        try {
          await this.#fetchSegment(segment, first);
        } finally {
          subscription?.unsubscribe();
        }
      }, `segment ${start}-${end - 1}`);
    } catch (error) {
      this.#end(error);
      // Several may be refused: the first says it all.
      throw error instanceof RangeRefusedError
        ? this.#controller.signal.reason
        : error;
    }
  }

  /** Ends all segments. */
  readonly #end = (reason: unknown): void => this.#controller.abort(reason);

  /** One segment; what breaks off is continued, by the policy. */
  async #fetchSegment(
    segment: Segment,
    first: Response | undefined,
  ): Promise<void> {
    let given = first;
    await continued(
      () => this.#plan.policy,
      this.#controller.signal,
      () => segment.position,
      async () => {
        const response = given ?? await this.#request(segment);
        given = undefined;
        try {
          await this.#receive(segment, response);
        } finally {
          // Harmless when it has been read to its end.
          discardResponse(response);
        }
      },
    );
  }

  async #request({ range, position }: Segment): Promise<Response> {
    const { client, url, request, size, validator } = this.#plan;
    const answer = client.get(
      url,
      requestFrom(
        request,
        this.#controller.signal,
        validator,
        position,
        range[1],
      ),
    );
    const response = await answer;
    const answered = parseContentRange(response.headers.get("content-range"));
    const etag = response.headers.get("etag");
    if (
      response.status === 206 && encodingOf(response.headers) === undefined &&
      answered?.start === position &&
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

  /** Writes through a file of its own: each has one position. */
  async #receive(segment: Segment, response: Response): Promise<void> {
    const { part, url, onBytes } = this.#plan;
    const { signal } = this.#controller;
    const end = segment.range[1];
    const start = segment.position;
    let arrived = start;
    const file = await Deno.open(part.path, { write: true });
    const writer = new PartWriter(file);
    try {
      await file.seek(start, Deno.SeekMode.Start);
      // The first response goes on to the end of the file; the rest is others' work.
      await writer.receive(bodyChunks(response), (bytes) => {
        signal.throwIfAborted();
        arrived += bytes;
        segment.position = start + writer.written;
        this.#bytes += bytes;
        onBytes(this.#bytes, bytes);
        this.#noteNow();
      }, end - start);
    } finally {
      file.close();
      segment.position = start + writer.written;
      // What was counted and not written is to come again.
      this.#bytes -= arrived - segment.position;
    }
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
    this.#noting = this.#note().finally(() => {
      this.#noting = undefined;
    });
  }

  /** Never rejects: a note that fails costs a later resume some bytes, and this download nothing. */
  async #note(): Promise<void> {
    const { part, validator, size, done } = this.#plan;
    const ranges = mergeRanges([
      ...done,
      ...this.#segments.map(({ range, position }): ByteRange => [
        range[0],
        position,
      ]),
    ]);
    await part.writeState({ validator, size, ranges }).catch(() => {});
  }
}
