/**
 * Running tasks: one scheduler with priorities, limits, cancellation and structured concurrency.
 *
 * @module
 */
export { DisposedError } from "../_internal/errors.ts";
export { TaskPriority } from "./priority.ts";
export type {
  SubmitOptions,
  Task,
  TaskContext,
  TaskHandle,
  TaskRunner,
  TaskState,
} from "./types.ts";
