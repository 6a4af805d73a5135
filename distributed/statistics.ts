/**
 * What a runner can say of the queue and of itself.
 *
 * @module
 */
import type { EngineCounts } from "./engine.ts";

/** Counts of the whole queue, and of this runner's own tasks. */
export interface ClusterStatistics extends EngineCounts {
  /** Tasks of this runner. */
  own: {
    /** Submitted and not ended. */
    open: number;
    /** All that were ever submitted. */
    submitted: number;
    /** Ended with a result. */
    succeeded: number;
    /** Ended with an error, a timeout included. */
    failed: number;
    /** Cancelled. */
    cancelled: number;
    /** How often a worker was lost with one of them. */
    lost: number;
  };
}
