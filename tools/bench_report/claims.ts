/**
 * The source document's headline table, and which group of bench/claims_bench.ts measures each row.
 *
 * @module
 */

/** One row. */
export interface Claim {
  /** What async_core's documentation says. */
  readonly claim: string;
  /** How the group's name begins. */
  readonly group: string;
  /** What keeps it from being more. */
  readonly limit: string;
}

/** In the document's order. */
export const CLAIMS: readonly Claim[] = [
  {
    claim: "Task execution, 8-10x",
    group: "claim: 40 tasks of 10 ms",
    limit: "the ten workers; timers fire up to a millisecond late",
  },
  {
    claim: "HTTP requests, 5-8x",
    group: "claim: 40 requests of 50 ms",
    limit: "the ten connections",
  },
  {
    claim: "File operations, 3-5x",
    group: "claim: 2,000 files of 4 KiB read",
    limit:
      "the cores: files in the page cache are copied, not waited for, and each is some 10 µs of work",
  },
  {
    claim: "File operations, 3-5x",
    group: "claim: 2,000 files of 4 KiB written",
    limit:
      "the file system, which makes each file under a lock of its directory",
  },
  {
    claim: "Stream processing, 2-3x",
    group: "claim: a stream of 100 elements that wait",
    limit: "the concurrency that is asked for",
  },
  {
    claim: "Stream processing, 2-3x",
    group: "claim: a stream of 1,000,000 numbers",
    limit:
      "one thread computes; what is gained over generators in a row is their promises, and a plain loop without streams is faster still",
  },
];
