/**
 * Running tasks: one scheduler with priorities, limits, cancellation and structured concurrency.
 *
 * @module
 */
export { DisposedError } from "../_internal/errors.ts";
export type { AdaptiveOptions } from "./scheduler/adaptive_limit.ts";
export { AsyncRunner, type OffloadOptions } from "./async_runner.ts";
export { QueueFullError } from "./scheduler/queue_bound.ts";
export type {
  GatherOptions,
  SettledTaskResults,
  TaskResult,
  TaskResults,
} from "./batch/gather.ts";
export {
  AcquireTimeoutError,
  LeaseLeakError,
  LeaseReleasedError,
  PoolFullError,
  PoolTimeoutError,
} from "./pool/errors.ts";
export type {
  AcquireOptions,
  CloseOptions,
  Lease,
  LeaseInfo,
  PoolFailure,
  ResourcePoolOptions,
  ResourcePoolStats,
} from "./pool/types.ts";
export { ResourcePool } from "./pool/resource_pool.ts";
export { TaskPriority } from "./priority.ts";
export type { RaceOptions } from "./batch/batch.ts";
export type { RateLimitOptions } from "./scheduler/rate_gate.ts";
export type { RunnerMapOptions } from "./batch/map.ts";
export type { RunnerOptions } from "./runner_options.ts";
export { TaskScheduler } from "./scheduler/scheduler.ts";
export type { OverflowPolicy, SchedulerOptions } from "./scheduler/options.ts";
export type { ScopeOptions, TaskScope } from "./batch/scope.ts";
export type { ShutdownOptions, ShutdownReport } from "./scheduler/shutdown.ts";
export type { StallOptions, StallReport } from "./scheduler/stall_watch.ts";
export type {
  LevelStatistics,
  Percentiles,
  SchedulerStatistics,
} from "./scheduler/statistics.ts";
export type { Timeline, TraceEvent } from "./observe/timeline.ts";
export type {
  SubmitOptions,
  Task,
  TaskContext,
  TaskHandle,
  TaskInfo,
  TaskObserver,
  TaskRunner,
  TaskState,
} from "./types.ts";
export {
  asyncBackground,
  type BackgroundOptions,
} from "./program/async_background.ts";
export {
  asyncRun,
  type AsyncRunOptions,
  InterruptError,
  type RunContext,
} from "./program/async_run.ts";
export {
  asyncTimeout,
  type AsyncTimeoutOptions,
  type Deadline,
} from "./program/async_timeout.ts";
export { OffloadError } from "./threads/worker_errors.ts";
export { transfer } from "./threads/worker_protocol.ts";
