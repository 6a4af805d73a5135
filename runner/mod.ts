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
export {
  AcquireTimeoutError,
  LeaseLeakError,
  LeaseReleasedError,
  PoolFullError,
  PoolTimeoutError,
} from "./pool_errors.ts";
export type {
  AcquireOptions,
  CloseOptions,
  Lease,
  LeaseInfo,
  PoolFailure,
  ResourcePoolOptions,
  ResourcePoolStats,
} from "./pool_types.ts";
export { ResourcePool } from "./resource_pool.ts";
