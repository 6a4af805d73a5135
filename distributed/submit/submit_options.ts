/**
 * How a task is submitted to a cluster, and the checks of it.
 *
 * @module
 */
import type { SubmitOptions, TaskPriority } from "@specify/async-core/runner";
import * as check from "../check.ts";
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
export interface CheckedSubmit {
  readonly priority: TaskPriority;
  readonly timeout: number;
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
  const shown = check.show(task);
  const given = definitionOf(task) !== undefined
    ? `the defined task ${shown} itself: call it with its input`
    : `${shown}, which cannot be sent to another machine: define it by name, const task = ` +
      `defineTask("name", (input) => …), and submit task(input)`;
  throw new TypeError(`task must be made by a defined task, got ${given}`);
}

/** Checks all options, before anything is done. */
export function checkSubmit(
  options: ClusterSubmitOptions,
  definition: Definition,
  defaults: SubmitDefaults,
): CheckedSubmit {
  check.object("options", options);
  const { deadline = Infinity, signal, weight, onProgress, id, name } = options;
  if (typeof deadline !== "number" || Number.isNaN(deadline)) {
    throw new RangeError(
      `deadline must be a point on the performance.now() line, got ${
        check.show(deadline)
      }`,
    );
  }
  if (signal !== undefined) check.signal("signal", signal);
  if (weight !== undefined) check.integer("weight", weight);
  if (id !== undefined) check.text("id", id);
  if (name !== undefined) check.text("name", name);
  if (onProgress !== undefined) check.functionNamed("onProgress", onProgress);
  checkKeep(options.keep);
  const { priority, timeout } = options;
  return {
    priority: priority === undefined
      ? defaults.priority
      : check.priority(priority),
    timeout: timeout === undefined
      ? definition.timeout === Infinity ? defaults.timeout : definition.timeout
      : check.duration("timeout", timeout),
    deadline,
  };
}

/** Checks how long records are to stay. */
export function checkKeep(keep: KeepPolicy | undefined): void {
  if (keep === undefined) return;
  check.object("keep", keep);
  if (keep.age !== undefined) check.duration("keep.age", keep.age);
  if (keep.count !== undefined) {
    check.integerOrInfinity("keep.count", keep.count, 0);
  }
}
