/**
 * The same submit, on many machines: defined tasks on a BullMQ queue, with the handles,
 * priorities, cancellation and traces of a local runner.
 *
 * @module
 */
export { ClusterRunner } from "./cluster_runner.ts";
export type { ClusterRunnerOptions } from "./cluster_options.ts";
export type { ClusterStatistics } from "./statistics.ts";
export type { WorkOptions } from "./worker/work_options.ts";
export type { RedisConnectionOptions, RedisTlsOptions } from "./address.ts";
export {
  type DefinedTask,
  defineTask,
  type DefineTaskOptions,
  type TaskHandler,
} from "./define_task.ts";
export type { EngineCounts, KeepPolicy } from "./engine.ts";
export {
  ClusterUnreachableError,
  InputTooLargeError,
  NotSerializableError,
  SubmitRefusedError,
  TaskLostError,
  TaskNotFoundError,
  UnknownTaskError,
} from "./errors.ts";
export type { ClusterSubmitOptions } from "./submit/submit_options.ts";
export { ClusterWorker } from "./worker/cluster_worker.ts";
export type { WorkerStatistics } from "./worker/statistics.ts";
