/**
 * The limits of time that a submitter keeps by itself: deadlines, and how long sending may take.
 * The timers are the handle's, which clears them as it settles.
 *
 * @module
 */
import { deadlineError } from "../clock.ts";
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Engine } from "../engine.ts";
import { ClusterUnreachableError } from "../errors.ts";

/** Longest delay of setTimeout; a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Calls `giveUp` at `deadline`, a point on the `performance.now()` line. */
export function limitDeadline(
  handle: ClusterHandle<unknown>,
  deadline: number,
  giveUp: (error: unknown) => void,
): void {
  const left = deadline - performance.now();
  handle.deadlineTimer = setTimeout(() => {
    if (performance.now() < deadline) {
      return limitDeadline(handle, deadline, giveUp);
    }
    giveUp(deadlineError(handle.name));
  }, Math.min(Math.max(0, left), LONGEST_TIMER));
}

/** Calls `giveUp` when the store does not have the task after `sendTimeout` milliseconds. */
export function limitSending(
  handle: ClusterHandle<unknown>,
  sendTimeout: number,
  engine: Engine,
  giveUp: (error: unknown) => void,
): void {
  handle.sendTimer = setTimeout(() => {
    giveUp(
      new ClusterUnreachableError(
        engine.address,
        `The submit of task ${handle.name}`,
        engine.trouble ??
          new Error(`no answer within sendTimeout, ${sendTimeout} ms`),
      ),
    );
  }, Math.min(sendTimeout, LONGEST_TIMER));
}
