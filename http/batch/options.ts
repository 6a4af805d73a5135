/**
 * What a batch is asked for.
 *
 * @module
 */
import type { AsyncHTTPClient } from "../client.ts";
import type { RequestOptions } from "../options.ts";

/** One request of a batch: an address, or an address with the options of its call. */
export type BatchRequest =
  | string
  | URL
  | (RequestOptions & { url: string | URL; method?: string | undefined });

/** Options of {@linkcode asyncBatchRequests}. */
export interface BatchRequestOptions<T = Response> extends
  Omit<
    RequestOptions,
    "body" | "json" | "form" | "query" | "headers" | "init" | "sendOnce"
  > {
  /** What makes the requests. @default A client of its own, without retries. */
  client?: AsyncHTTPClient | undefined;
  /** Requests at a time. @default {10}; with a runner, as many as it lets run */
  maxConcurrent?: number | undefined;
  /** Requests at a time for each origin: a slow one then holds up none of the others. @default {Infinity} */
  maxPerHost?: number | undefined;
  /** Gives `PromiseSettledResult`s: a request that fails is one result among the others. @default {false} */
  settled?: boolean | undefined;
  /** Results in the order of the requests, or as they come. @default {true} */
  ordered?: boolean | undefined;
  /**
   * Makes the result from the response, within the request's slot. Without it the result is the
   * response, its body in memory.
   */
  map?:
    | ((response: Response, index: number) => T | PromiseLike<T>)
    | undefined;
}
