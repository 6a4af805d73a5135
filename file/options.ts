/**
 * Checks of the options that most of this folder takes.
 *
 * @module
 */
import { show } from "../_internal/validate.ts";
import type { TaskRunner } from "../runner/types.ts";
import { checkSignal } from "../runner/scheduler_options.ts";

/** Checks a `signal` option. */
export function signalOption(value: unknown): AbortSignal | undefined {
  return value === undefined ? undefined : checkSignal("signal", value);
}

/** Checks a `runner` option. */
export function runnerOption(
  runner: TaskRunner | undefined,
): TaskRunner | undefined {
  if (runner === undefined || typeof runner?.submit === "function") {
    return runner;
  }
  throw new TypeError(
    `runner must have a submit method (AsyncRunner, TaskScheduler), got ${
      show(runner)
    }`,
  );
}
