/**
 * What a worker counts.
 *
 * @module
 */

/** What a worker has done so far. */
export interface WorkerStatistics {
  /** Tasks that run here now. */
  running: number;
  /** Ended with a result. */
  succeeded: number;
  /** Ended with an error; one that will be tried again counts each time. */
  failed: number;
  /** Cancelled by their submitters while they ran here. */
  cancelled: number;
  /** Given back to the queue: at a stop, or for workers that know their name. */
  handedBack: number;
  /** Run again here, since the worker that ran them was lost. */
  takenOver: number;
  /** Lost to another worker, since this one was not heard of for too long. */
  lost: number;
}
