/**
 * What a running task asks of its scheduler through its context: its signal, children, progress,
 * work that must not be cut off.
 *
 * No child outlives its parent: children are part of what was accepted with it, and when the
 * parent's function has ended, its slot is free only after theirs have (see JobFamily).
 *
 * @module
 */
import { abortError, report } from "../../_internal/errors.ts";
import { functionNamed } from "../../_internal/validate.ts";
import type { ContextScheduler } from "./context.ts";
import { ChildHandle, type HandleScheduler } from "./handle.ts";
import { isActive, type Job, type JobExtras } from "./job.ts";
import { familyOf } from "./job_family.ts";
import type { JobGroup } from "./job_group.ts";
import type { SubmitOptions, Task, TaskHandle } from "../types.ts";

/** What the services need of their scheduler. */
export interface ServingScheduler extends HandleScheduler {
  /** The extras of a job, made when it has none. */
  readonly extrasOf: (job: Job) => JobExtras;
  submit(
    job: Job,
    options: SubmitOptions | undefined,
    group: JobGroup | undefined,
    accepted: boolean,
    parent: Job | undefined,
  ): void;
  /** Ends a job that was never accepted. */
  refuse(job: Job, state: "cancelled" | "failed", reason: unknown): void;
}

/** One for all contexts of a scheduler. */
export class TaskServices implements ContextScheduler {
  readonly #scheduler: ServingScheduler;

  constructor(scheduler: ServingScheduler) {
    this.#scheduler = scheduler;
  }

  signalOf(job: Job): AbortSignal {
    return this.#scheduler.extrasOf(job).openSignal();
  }

  submitChild<T>(
    parent: Job,
    task: Task<T>,
    options?: SubmitOptions,
  ): TaskHandle<T> {
    const scheduler = this.#scheduler;
    const handle = new ChildHandle<T>(task, scheduler);
    const weight = options?.weight ?? 1;
    if (weight > parent.weight) {
      throw new RangeError(
        `weight must not be above that of the parent task (${parent.weight}), whose slots a child may have to use, got ${weight}`,
      );
    }
    const extras = scheduler.extrasOf(parent);
    if (parent.state !== "running") {
      scheduler.refuse(
        handle,
        "cancelled",
        extras.cutOff?.reason ??
          abortError(`Task ${parent.name} has ended: it can submit no more`),
      );
      return handle;
    }
    scheduler.submit(
      handle,
      options?.priority === undefined
        ? { ...options, priority: parent.priority }
        : options,
      familyOf(extras).children,
      true,
      parent,
    );
    return handle;
  }

  progress(job: Job, value: unknown): void {
    const listener = job.extras?.onProgress;
    if (listener === undefined || job.state !== "running") return;
    try {
      listener(value);
    } catch (error) {
      report(`onProgress of task ${job.name} threw`, error);
    }
  }

  shield<T>(
    job: Job,
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
  ): Promise<T> {
    functionNamed("fn", fn);
    const work = (async () => await fn(new AbortController().signal))();
    if (isActive(job)) familyOf(this.#scheduler.extrasOf(job)).shield(work);
    // Not `work` itself, whose failure counts as seen: this one nobody has looked at yet.
    return work.then((value) => value);
  }
}
