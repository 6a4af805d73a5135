/**
 * Levels of tasks as BullMQ's priorities. Its 0 outranks every number, so ours are 1 to 5.
 *
 * @module
 */
import type { TaskPriority } from "@specify/async-core/runner";

/** BullMQ's numbers of the five levels. */
export const LEVELS: readonly number[] = [1, 2, 3, 4, 5];

/** BullMQ's number of a level. */
export function toBull(priority: TaskPriority): number {
  return priority + 1;
}

/** The level of BullMQ's number. */
export function fromBull(priority: number | undefined): TaskPriority {
  // Jobs of others may have any number; those of 0 or below are the most urgent.
  const level = Math.trunc(Math.min(Math.max((priority ?? 0) - 1, 0), 4));
  return level as TaskPriority;
}
