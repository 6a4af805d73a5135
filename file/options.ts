/**
 * Checks of the options that most of this folder takes.
 *
 * @module
 */
import {
  boolean,
  checkPriority,
  checkRunner,
  checkSignal,
  object,
} from "../_internal/validate.ts";
import type { TaskPriority } from "../runner/priority.ts";
import type { TaskRunner } from "../runner/types.ts";

/**
 * Checks that `options` is an object and that those of its switches that were given are booleans.
 * Options that nobody knows are left alone, as everywhere in this package.
 */
export function checkOptions<O extends object>(
  options: O,
  switches: readonly (keyof O & string)[] = [],
  name = "options",
): void {
  object(name, options);
  for (const name of switches) {
    const value = options[name];
    if (value !== undefined) boolean(name, value);
  }
}

/** Checks a `signal` option. */
export function signalOption(value: unknown): AbortSignal | undefined {
  return value === undefined ? undefined : checkSignal("signal", value);
}

/** Checks a `priority` option, also where no runner makes use of it. */
export function priorityOption(value: unknown): TaskPriority | undefined {
  return value === undefined ? undefined : checkPriority(value);
}

/** Checks a `runner` option. */
export function runnerOption(
  runner: TaskRunner | undefined,
): TaskRunner | undefined {
  return runner === undefined ? undefined : checkRunner(runner);
}
