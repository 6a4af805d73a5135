/**
 * What gather, map, race, any and scope have in common: what they look at before they begin, and
 * what they submit with.
 *
 * @module
 */
import {
  type Checks,
  checkSignal,
  duration,
  priorityOption,
  show,
  takeOptions,
  timePoint,
} from "../../_internal/validate.ts";
import type { BatchHost } from "./host.ts";
import type { SubmitOptions, Task } from "../types.ts";

/**
 * Looks whether new work is let in.
 *
 * @throws What it is refused with, if it is.
 */
export function checkOpen(host: BatchHost): void {
  const { refusal } = host;
  if (refusal !== undefined) throw refusal.reason;
}

/** What `race` and `any` submit each task with. */
export type RaceOptions = Pick<
  SubmitOptions,
  "priority" | "signal" | "timeout" | "deadline"
>;

/** The checks of them. */
export const BATCH_CHECKS: Checks<RaceOptions> = {
  priority: priorityOption,
  signal: checkSignal,
  timeout: duration,
  deadline: timePoint,
};

/** The options of gather, race or any, which `what` names. Checks all that it is given. */
export function takeBatch<O extends RaceOptions>(
  what: string,
  host: BatchHost,
  tasks: Iterable<Task<unknown>>,
  options: O,
  checks: Checks<O>,
): O {
  const given = takeOptions(what, options, checks);
  checkOpen(host);
  given.signal?.throwIfAborted();
  if (typeof tasks?.[Symbol.iterator] === "function") return given;
  throw new TypeError(
    `tasks must be an iterable of functions, got ${show(tasks)}`,
  );
}

/** What each task of a batch is submitted with; `undefined` when nothing is said. */
export function submitOptions(
  host: BatchHost,
  options: SubmitOptions,
): SubmitOptions | undefined {
  return withDefaults(
    Object.keys(options).length === 0 ? undefined : options,
    host.defaults,
  );
}

/** What a task is submitted with: its own options, and defaults for those it leaves out. */
export function withDefaults(
  options: SubmitOptions | undefined,
  defaults: SubmitOptions | undefined,
): SubmitOptions | undefined {
  if (defaults === undefined) return options;
  if (options === undefined) return defaults;
  return {
    ...options,
    priority: options.priority ?? defaults.priority,
    timeout: options.timeout ?? defaults.timeout,
  };
}
