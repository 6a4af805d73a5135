/**
 * The same submit, on many machines: defined tasks on a BullMQ queue, with the handles,
 * priorities, cancellation and traces of a local runner.
 *
 * @module
 */
export {
  ClusterRunner,
  type ClusterRunnerOptions,
  type ClusterStatistics,
  type WorkOptions,
} from "./cluster_runner.ts";
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
  TaskLostError,
  TaskNotFoundError,
  UnknownTaskError,
} from "./errors.ts";
export type { ClusterSubmitOptions } from "./submitter.ts";
export { ClusterWorker } from "./worker/cluster_worker.ts";
export type { WorkerStatistics } from "./worker/serve.ts";
