/**
 * The five levels.
 *
 * @module
 */

/**
 * How urgent a task is: lower numbers go first, always.
 *
 * @example
 * ```ts
 * import { AsyncRunner, TaskPriority } from "@specify/async-core";
 *
 * await using runner = new AsyncRunner({ maxWorkers: 1 });
 * const order: string[] = [];
 * await Promise.all([
 *   runner.submit(() => order.push("first come")),
 *   runner.submit(() => order.push("low"), { priority: TaskPriority.LOW }),
 *   runner.submit(() => order.push("high"), { priority: TaskPriority.HIGH }),
 * ]);
 * console.log(order); // ["first come", "high", "low"]
 * ```
 */
export const TaskPriority = {
  /** Goes before everything else. */
  CRITICAL: 0,
  /** Before ordinary work. */
  HIGH: 1,
  /** The default. */
  NORMAL: 2,
  /** After ordinary work. */
  LOW: 3,
  /** When nothing else waits. */
  BACKGROUND: 4,
} as const;

/** One of the five levels, 0 (CRITICAL) to 4 (BACKGROUND). */
export type TaskPriority = typeof TaskPriority[keyof typeof TaskPriority];
