/**
 * Composable streams on Web Streams: AsyncStream with fused operators, AsyncQueue with
 * backpressure, AsyncPipeline of named stages.
 *
 * @module
 */
export { TaskPriority } from "../runner/priority.ts";
export type {
  SubmitOptions,
  Task,
  TaskContext,
  TaskHandle,
  TaskRunner,
  TaskState,
} from "../runner/types.ts";
export {
  AsyncPipeline,
  type PipelineOptions,
} from "./pipeline/async_pipeline.ts";
export {
  AsyncQueue,
  type AsyncQueueOptions,
  type QueueWaitOptions,
} from "./queue/async_queue.ts";
export { AsyncStream } from "./async_stream.ts";
export type { BatchSource, Mapper, Predicate } from "./engine/types.ts";
export {
  QueueClosedError,
  StreamConsumedError,
  StreamOverflowError,
} from "./errors.ts";
export type { EventEmitterLike, EventOptions } from "./from_events.ts";
export type { ConcurrencyOptions } from "./operators/concurrent.ts";
export type {
  BatchBytesOptions,
  BatchOptions,
  PartialBatch,
  TimedBatchOptions,
  WindowOptions,
} from "./operators/group.ts";
export type { RetryOptions } from "./operators/recover.ts";
export type { GroupOptions } from "./operators/group_by.ts";
export type { SharedOverflow, ShareOptions } from "./operators/tee.ts";
export type { DelayOptions } from "./operators/time.ts";
export type { TransformPair } from "./operators/web.ts";
export type {
  DeadLetter,
  ErrorPolicy,
  Stage,
  StageOptions,
  StageStats,
} from "./pipeline/pipeline_stage.ts";
export type { StreamSource } from "./engine/source.ts";
export type { StreamOverflow } from "./options.ts";
export {
  asyncBatch,
  asyncFilter,
  asyncMap,
  asyncMerge,
  asyncWindow,
  type StageFunction,
  type StreamStage,
} from "./pipeline/stages.ts";
export type { TerminalOptions } from "./terminals.ts";
export type { ReadableOptions } from "./to_readable.ts";
