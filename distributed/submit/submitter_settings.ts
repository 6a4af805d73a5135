/**
 * What a submitter is made with: the options of its runner with their defaults filled in. Options
 * that were left out and mean "never" are `Infinity` here, so that nobody has to ask.
 *
 * @module
 */
import { type TaskObserver, TaskPriority } from "@specify/async-core/runner";
import type { ClusterRunnerOptions } from "../cluster_options.ts";
import type { KeepPolicy } from "../engine.ts";
import { INTERVALS } from "../intervals.ts";

/** What a submitter is made with. */
export interface SubmitterSettings {
  readonly priority: TaskPriority;
  readonly timeout: number;
  readonly maxInputBytes: number;
  readonly maxQueue: number;
  readonly sendTimeout: number;
  /** Left out, records are removed when their outcome has been read. */
  readonly keep: KeepPolicy | undefined;
  /** Tasks end with their submitter when it was not heard of for so long. */
  readonly aliveFor: number | undefined;
  readonly observer: TaskObserver | undefined;
  readonly report: (error: Error) => void;
}

/** What the submitter of a runner is made with. */
export function submitterSettings(
  options: ClusterRunnerOptions,
  report: (error: Error) => void,
): SubmitterSettings {
  return {
    priority: options.priority ?? TaskPriority.NORMAL,
    timeout: options.timeout ?? Infinity,
    maxInputBytes: options.maxInputBytes ?? 1_048_576,
    maxQueue: options.maxQueue ?? Infinity,
    sendTimeout: options.sendTimeout ?? Infinity,
    keep: options.keep,
    aliveFor: options.orphans === "cancel" ? INTERVALS.orphanAfter : undefined,
    observer: options.observer,
    report,
  };
}
