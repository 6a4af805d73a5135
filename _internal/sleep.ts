/**
 * Waiting, with a signal. Built on the shared timer queue, so that a delay above 2^31 - 1 ms
 * waits as long as it says and a million waits share one runtime timer.
 *
 * @module
 */
import { onAbort } from "./abort.ts";
import { now } from "./clock.ts";
import { timers } from "./timer_queue.ts";

/** Resolves after `duration` milliseconds; rejects with `signal.reason` at once when it aborts. */
export function sleep(duration: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const subscription = signal && onAbort(signal, (reason) => {
      if (entry !== undefined) timers.remove(entry);
      reject(reason);
    });
    const entry = duration === Infinity
      ? undefined
      : timers.add(now() + duration, {
        timeUp() {
          subscription?.unsubscribe();
          resolve();
        },
      });
  });
}
