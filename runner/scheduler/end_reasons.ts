/**
 * The errors of jobs that are ended by nobody's own reason: a cancel that names none, a time
 * limit.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { abortError, timeoutError } from "../../_internal/errors.ts";
import type { Job, JobExtras } from "./job.ts";

/** How many tasks that are cancelled in one turn without a reason get one with their name. */
const NAMED_CANCELS = 100;

/**
 * The reasons of cancels that name none. Those that come after many others in the same turn share
 * one: a DOMException and its stack take 800 bytes and 15 us, which for a million tasks is a good
 * part of the heap and most of the time.
 */
export class CancelReasons {
  // Invariant: #named is above 0 only until the microtask that its first one has asked for.
  #named = 0;
  #shared: DOMException | undefined;

  /** The reason for cancelling `job`. */
  reasonFor(job: Job): DOMException {
    if (this.#named === 0) {
      queueMicrotask(() => {
        this.#named = 0;
        this.#shared = undefined;
      });
    }
    if (this.#named < NAMED_CANCELS) {
      this.#named++;
      return abortError(`Task ${job.name} was cancelled`);
    }
    return this.#shared ??= abortError(
      "The task was cancelled, as were many others in the same turn",
    );
  }
}

/** What a job fails with whose time limit has run out. */
export function expiry(
  job: Job,
  { timeout, deadline }: JobExtras,
): DOMException {
  if (job.state === "queued" && timeout > 0) {
    return timeoutError(
      `Task ${job.name} was still queued at its deadline and was not started`,
    );
  }
  const limit = timeout < Infinity && (deadline > now() || timeout === 0)
    ? `timeout of ${timeout} ms`
    : "deadline";
  return timeoutError(
    `Task ${job.name} did not end within its ${limit} and was aborted`,
  );
}
