/**
 * How a task is submitted to a cluster, and the checks of it.
 *
 * @module
 */
import {
  checkPriority,
  checkSignal,
  duration,
  limitFrom,
  object,
  optionsBy,
  show,
  SUBMIT_CHECKS,
  text,
} from "@specify/async-core/host";
import type { SubmitOptions, TaskPriority } from "@specify/async-core/runner";
import {
  type Call,
  callOf,
  type Definition,
  definitionOf,
} from "../define_task.ts";
import type { KeepPolicy } from "../engine.ts";

/** How a task is submitted to a cluster. */
export interface ClusterSubmitOptions extends SubmitOptions {
  /**
   * Makes the submit idempotent: while the queue has a task of this id, waiting, running or ended
   * and kept, no other is added, and the handle is that task's. Any text.
   * @default {a new unique id}
   */
  id?: string | undefined;
  /** How long the record stays after the end. @default {that of the runner} */
  keep?: KeepPolicy | undefined;
}

/** What is used where a submit says nothing. */
export interface SubmitDefaults {
  readonly priority: TaskPriority;
  readonly timeout: number;
}

/** The limits of one submit, complete. */
export interface CheckedSubmit extends SubmitDefaults {
  readonly deadline: number;
}

/**
 * What a task that a defined task made stands for.
 *
 * @throws {TypeError} When it is no such task.
 */
export function checkTask(task: unknown): Call {
  const call = callOf(task);
  if (call !== undefined) return call;
  const shown = show(task);
  const given = definitionOf(task) !== undefined
    ? `the defined task ${shown} itself: call it with its input`
    : `${shown}, which cannot be sent to another machine: define it by name, const task = ` +
      `defineTask("name", (input) => …), and submit task(input)`;
  throw new TypeError(`task must be made by a defined task, got ${given}`);
}

/** Checks all options, before anything is done. By hand: a table costs each submit a loop. */
export function checkSubmit(
  options: ClusterSubmitOptions,
  definition: Definition,
  defaults: SubmitDefaults,
): CheckedSubmit {
  object("options", options);
  const { priority, timeout, deadline, signal } = options;
  const { name, key, weight, onProgress, id, keep } = options;
  if (deadline !== undefined) SUBMIT_CHECKS.deadline("deadline", deadline);
  if (signal !== undefined) checkSignal("signal", signal);
  if (name !== undefined) SUBMIT_CHECKS.name("name", name);
  if (key !== undefined) SUBMIT_CHECKS.key("key", key);
  if (weight !== undefined) SUBMIT_CHECKS.weight("weight", weight);
  if (onProgress !== undefined) {
    SUBMIT_CHECKS.onProgress("onProgress", onProgress);
  }
  if (id !== undefined) text("id", id);
  if (keep !== undefined) checkKeep("keep", keep);
  return {
    priority: priority === undefined
      ? defaults.priority
      : checkPriority(priority),
    timeout: timeout === undefined
      ? definition.timeout === Infinity ? defaults.timeout : definition.timeout
      : duration("timeout", timeout),
    deadline: deadline ?? Infinity,
  };
}

/** Checks how long records are to stay. */
export const checkKeep = optionsBy<KeepPolicy>({
  age: duration,
  count: limitFrom(0),
});
