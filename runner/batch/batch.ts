/**
 * What gather, map, race, any and scope have in common: what they look at before they begin, and
 * what they submit with.
 *
 * @module
 */
import { checkSignal, object, show } from "../../_internal/validate.ts";
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

/** Checks what gather, race and any are given. */
export function checkBatch(
  host: BatchHost,
  tasks: Iterable<Task<unknown>>,
  options: { signal?: AbortSignal | undefined },
): void {
  object("options", options);
  checkOpen(host);
  if (options.signal !== undefined) {
    checkSignal("signal", options.signal).throwIfAborted();
  }
  if (typeof tasks?.[Symbol.iterator] === "function") return;
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
