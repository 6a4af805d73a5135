/**
 * Times of the cluster that are no options: all its processes must agree on some, and nobody gains
 * by changing the others. One object, so that tests can.
 *
 * @module
 */

/** All in milliseconds. */
export const INTERVALS = {
  /**
   * How often outcomes are looked for in the store, besides after each reconnect: what an event
   * failed to tell is found then. It costs one read for each 500 open tasks.
   */
  storeCheck: 30_000,
  /**
   * How long a submitter must be silent to count as dead, for itself and for all workers: longer
   * than an event loop is blocked and than a failover of Redis takes, as the `lostAfter` of workers.
   */
  orphanAfter: 30_000,
  /** Progress of one task is sent once in so long: smooth to the eye, and cheap for the store. */
  progress: 100,
};
