/**
 * The table of numbers in README.md: which rows of which groups it compares.
 *
 * @module
 */

/** One line: ours beside some of its peers. */
export interface Headline {
  readonly what: string;
  readonly file: string;
  /** How the group's name begins. */
  readonly group: string;
  /** How our row begins. */
  readonly ours: string;
  /** How the peers' rows begin, and what they are called here. */
  readonly beside: readonly (readonly [row: string, name: string])[];
}

/** In this order. */
export const HEADLINES: readonly Headline[] = [
  {
    what: "1,000 tasks queued, five priorities",
    file: "scheduler",
    group: "scheduler: 100 times 1,000",
    ours: "TaskScheduler, five priorities",
    beside: [
      ["p-map", "p-map, which has none and queues nothing"],
      ["p-limit", "p-limit, which has none"],
      ["async.priorityQueue", "async.priorityQueue"],
    ],
  },
  {
    what: "100,000 tasks queued, five priorities",
    file: "scheduler",
    group: "scheduler: 100000",
    ours: "TaskScheduler, five priorities",
    beside: [
      ["p-map", "p-map, which has none and queues nothing"],
      ["p-limit", "p-limit, which has none"],
      ["p-queue", "p-queue"],
      ["effect", "Effect, which has none"],
    ],
  },
  {
    what: "a `gather` of 100,000",
    file: "scheduler",
    group: "gather and map",
    ours: "runner.gather",
    beside: [["p-map", "p-map"]],
  },
  {
    what: "a stream of 1,000,000: map, filter, batch",
    file: "streams",
    group: "synchronous source",
    ours: "AsyncStream",
    beside: [
      ["hand-written", "a hand-written loop"],
      ["rxjs", "rxjs"],
      ["three native", "three TransformStreams"],
    ],
  },
  {
    what: "the same from an async generator",
    file: "streams",
    group: "asynchronous source",
    ours: "AsyncStream",
    beside: [
      ["hand-written", "a hand-written `for await`"],
      ["rxjs", "rxjs"],
      ["streaming-iterables", "streaming-iterables"],
    ],
  },
  {
    what: "a concurrent `map` of 100,000, 16 at once",
    file: "streams",
    group: "map with concurrency 16",
    ours: "AsyncStream, ordered",
    beside: [
      ["rxjs", "rxjs mergeMap, unordered"],
      ["p-map", "p-map's iterable"],
      ["std", "std's pooledMap"],
    ],
  },
  {
    what: "a queue of 16, put and get",
    file: "queue",
    group: "queue of 16",
    ours: "AsyncQueue, put and get",
    beside: [["TransformStream", "a TransformStream used as queue"]],
  },
  {
    what: "HTTP, 64 at once; retry, timeout and breaker on",
    file: "http",
    group: "small body, concurrency 64",
    ours: "AsyncHTTPClient: retry, timeout, breaker,",
    beside: [
      ["fetch, raw", "bare fetch"],
      ["ky", "ky"],
      ["got", "got"],
      ["axios", "axios"],
    ],
  },
  {
    what: "lines of a file, counted",
    file: "file",
    group: "lines of",
    ours: "AsyncFileReader.streamLines().count()",
    beside: [
      ["TextDecoderStream", "TextLineStream"],
      ["node:readline", "node:readline"],
    ],
  },
  {
    what: "many writes of 100 bytes",
    file: "file",
    group: "1000000 writes",
    ours: "AsyncFileWriter",
    beside: [
      ["FsFile.writable", "`FsFile.writable`"],
      ["node:fs", "node's stream"],
    ],
  },
  {
    what: "a walk of 100,000 files, wide",
    file: "walk",
    group: "walk of 100,000 files, wide",
    ours: "walkAsync",
    beside: [
      ["@std/fs", "@std/fs walk"],
      ["fdir", "fdir"],
      ["tinyglobby", "tinyglobby"],
    ],
  },
  {
    what: "100,000 leases of a pool, 50 callers",
    file: "pool",
    group: "pool: 10 resources",
    ours: "ResourcePool",
    beside: [["generic-pool", "generic-pool"], ["tarn", "tarn"]],
  },
];
