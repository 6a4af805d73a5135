/**
 * Checks of the options that most of this folder takes.
 *
 * @module
 */
import type { TaskRunner } from "../runner/types.ts";
import { checkRunner, checkSignal } from "../runner/scheduler_options.ts";

/** Checks a `signal` option. */
export function signalOption(value: unknown): AbortSignal | undefined {
  return value === undefined ? undefined : checkSignal("signal", value);
}

/** Checks a `runner` option. */
export function runnerOption(
  runner: TaskRunner | undefined,
): TaskRunner | undefined {
  return runner === undefined ? undefined : checkRunner(runner);
}
