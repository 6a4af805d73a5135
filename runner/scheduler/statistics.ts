/**
 * What a scheduler counts and measures.
 *
 * Reading the clock costs 0.1 us, which is a tenth of what a whole task costs. So every task of
 * the first hundred is timed, and after that one in sixteen, picked at random so that a rhythm in
 * the load cannot hide from it.
 *
 * @module
 */
import type { Job } from "./job.ts";
import { LEVELS } from "./waiting_queue.ts";

/** Where the middle and the worst of some measured times lie, in milliseconds. */
export interface Percentiles {
  /** Half of the tasks took at most this. */
  p50: number;
  /** Nine in ten took at most this. */
  p90: number;
  /** All but one in a hundred took at most this. */
  p99: number;
  /** The longest. */
  max: number;
  /** How many were measured. */
  count: number;
}

/** What happened to the tasks of one level. */
export interface LevelStatistics {
  /** Tasks that started. */
  started: number;
  /** Time from submit to start. */
  wait: Percentiles;
  /** Time from start to the real end. */
  run: Percentiles;
}

/** A snapshot of a scheduler. */
export interface SchedulerStatistics {
  /** Waiting now. */
  queued: number;
  /** Running now, those included that were cancelled and have not ended yet. */
  running: number;
  /** The limit now. */
  maxConcurrent: number;
  /** All that were ever submitted and accepted. */
  submitted: number;
  /** Ended with a result. */
  succeeded: number;
  /** Ended with an error, a timeout included. */
  failed: number;
  /** Cancelled while queued or running. */
  cancelled: number;
  /** By level, 0 (CRITICAL) to 4 (BACKGROUND). */
  byPriority: LevelStatistics[];
}

const MEASURE_ALL_UNTIL = 100;
const MEASURE_ONE_IN = 16;

/** Counters and histograms. */
export class Statistics {
  // Invariant: `submitted` is the sum of the three below and of the jobs that have no outcome yet.
  submitted = 0;
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  readonly #started = new Float64Array(LEVELS);
  readonly #wait: (Histogram | undefined)[] = [];
  readonly #run: (Histogram | undefined)[] = [];
  #random = 0x2545f491;

  /** Whether the task that is being submitted is to be timed. */
  measures(): boolean {
    if (this.submitted < MEASURE_ALL_UNTIL) return true;
    // xorshift32 (Marsaglia 2003): 2 ns, where Math.random costs 10.
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return (random & (MEASURE_ONE_IN - 1)) === 0;
  }

  started(job: Job): void {
    // Levels are checked where they come in.
    this.#started[job.priority]!++;
    if (job.timing !== undefined && job.timing.isSample) {
      (this.#wait[job.priority] ??= new Histogram()).add(
        job.timing.startedAt - job.timing.queuedAt,
      );
    }
  }

  ended(priority: number, ran: number): void {
    (this.#run[priority] ??= new Histogram()).add(ran);
  }

  snapshot(
    present: Pick<SchedulerStatistics, "queued" | "running" | "maxConcurrent">,
  ): SchedulerStatistics {
    const { submitted, succeeded, failed, cancelled } = this;
    return {
      ...present,
      submitted,
      succeeded,
      failed,
      cancelled,
      byPriority: Array.from({ length: LEVELS }, (_, level) => ({
        started: this.#started[level] ?? 0,
        wait: percentiles(this.#wait[level]),
        run: percentiles(this.#run[level]),
      })),
    };
  }
}

function percentiles(histogram: Histogram | undefined): Percentiles {
  return histogram?.percentiles() ??
    { p50: 0, p90: 0, p99: 0, max: 0, count: 0 };
}

/** Sub-buckets of each power of two: values are kept to within 1/16. */
const SUB_BUCKETS = 16;
/** The first bucket ends at a microsecond, the last at some 12 days. */
const OCTAVES = 40;

/** A log-linear histogram (as HdrHistogram's): constant memory, values to within 6%. */
export class Histogram {
  readonly #counts = new Uint32Array(OCTAVES * SUB_BUCKETS);
  #count = 0;
  #max = 0;

  /** Adds a time in milliseconds. */
  add(milliseconds: number): void {
    this.#count++;
    if (milliseconds > this.#max) this.#max = milliseconds;
    this.#counts[bucketOf(milliseconds)]!++;
  }

  percentiles(): Percentiles {
    return {
      p50: this.#at(0.5),
      p90: this.#at(0.9),
      p99: this.#at(0.99),
      max: this.#max,
      count: this.#count,
    };
  }

  #at(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) {
        return Math.min(this.#max, upperEnd(bucket));
      }
    }
    return this.#max;
  }
}

function bucketOf(milliseconds: number): number {
  const microseconds = milliseconds * 1000;
  if (microseconds < 1) return 0;
  const octave = Math.min(OCTAVES - 2, Math.floor(Math.log2(microseconds)));
  const part = Math.min(
    SUB_BUCKETS - 1,
    Math.floor((microseconds / 2 ** octave - 1) * SUB_BUCKETS),
  );
  return (octave + 1) * SUB_BUCKETS + part;
}

function upperEnd(bucket: number): number {
  if (bucket < SUB_BUCKETS) return 0.001;
  const octave = Math.floor(bucket / SUB_BUCKETS) - 1;
  const part = bucket % SUB_BUCKETS;
  return 2 ** octave * (1 + (part + 1) / SUB_BUCKETS) / 1000;
}
