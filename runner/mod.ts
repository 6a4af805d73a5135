/**
 * Running tasks: one scheduler with priorities, limits, cancellation and structured concurrency.
 *
 * @module
 */
export { DisposedError } from "../_internal/errors.ts";
export type { AdaptiveOptions } from "./adaptive_limit.ts";
export { AsyncRunner, type OffloadOptions } from "./async_runner.ts";
export { QueueFullError } from "./errors.ts";
export type {
  GatherOptions,
  SettledTaskResults,
  TaskResult,
  TaskResults,
} from "./gather.ts";
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
export { TaskPriority } from "./priority.ts";
export type { RaceOptions } from "./race.ts";
export type { RateLimitOptions } from "./rate_limit.ts";
export type { RunnerMapOptions } from "./runner_map.ts";
export type { RunnerOptions } from "./runner_options.ts";
export { TaskScheduler } from "./scheduler.ts";
export type { OverflowPolicy, SchedulerOptions } from "./scheduler_options.ts";
export type { ScopeOptions, TaskScope } from "./scope.ts";
export type { ShutdownOptions, ShutdownReport } from "./shutdown.ts";
export type { StallOptions, StallReport } from "./stall_watch.ts";
export type {
  LevelStatistics,
  Percentiles,
  SchedulerStatistics,
} from "./statistics.ts";
export type { Timeline, TraceEvent } from "./timeline.ts";
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
export { asyncBackground, type BackgroundOptions } from "./async_background.ts";
export {
  asyncRun,
  type AsyncRunOptions,
  InterruptError,
  type RunContext,
} from "./async_run.ts";
export {
  asyncTimeout,
  type AsyncTimeoutOptions,
  type Deadline,
} from "./async_timeout.ts";
export { OffloadError } from "./worker_errors.ts";
export { transfer } from "./worker_protocol.ts";
