/**
 * What a running task is given: its signal, children, progress, work that must not be cut off.
 * Everything that costs something is made when it is asked for.
 *
 * No child outlives its parent: children are part of what was accepted with it, and when the
 * parent's function has ended, its slot is free only after theirs have (see JobFamily).
 *
 * @module
 */
import { abortError, report } from "../../_internal/errors.ts";
import { functionNamed } from "../../_internal/validate.ts";
import type { SchedulerCore } from "./core.ts";
import { ChildHandle } from "./handle.ts";
import { isActive, type Job } from "./job.ts";
import { familyOf } from "./job_family.ts";
import type { TaskPriority } from "../priority.ts";
import type { SubmitOptions, Task, TaskContext, TaskHandle } from "../types.ts";

/** The context of one job. */
export class JobContext implements TaskContext {
  readonly #job: Job;
  readonly #core: SchedulerCore;

  /** `core` is the one that runs the job. */
  constructor(job: Job, core: SchedulerCore) {
    this.#job = job;
    this.#core = core;
  }

  get signal(): AbortSignal {
    return this.#core.extrasOf(this.#job).openSignal();
  }

  get id(): string {
    return this.#job.id;
  }

  get name(): string {
    return this.#job.name;
  }

  get priority(): TaskPriority {
    return this.#job.priority;
  }

  // The three functions are made when they are asked for, so that `({ submit }) => …` works and
  // a task that uses none pays for none.

  get submit(): TaskContext["submit"] {
    return <T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> => {
      const core = this.#core;
      const parent = this.#job;
      const handle = new ChildHandle<T>(task, core);
      const weight = options?.weight ?? 1;
      if (weight > parent.weight) {
        throw new RangeError(
          `weight must not be above that of the parent task (${parent.weight}), whose slots a child may have to use, got ${weight}`,
        );
      }
      const extras = core.extrasOf(parent);
      if (parent.state !== "running") {
        core.refuse(
          handle,
          "cancelled",
          extras.cutOff?.reason ??
            abortError(`Task ${parent.name} has ended: it can submit no more`),
        );
        return handle;
      }
      core.submit(
        handle,
        options?.priority === undefined
          ? { ...options, priority: parent.priority }
          : options,
        familyOf(extras).children,
        true,
        parent,
      );
      return handle;
    };
  }

  get progress(): TaskContext["progress"] {
    return (value) => {
      const job = this.#job;
      const listener = job.extras?.onProgress;
      if (listener === undefined || job.state !== "running") return;
      try {
        listener(value);
      } catch (error) {
        report(`onProgress of task ${job.name} threw`, error);
      }
    };
  }

  get shield(): TaskContext["shield"] {
    return (fn) => {
      functionNamed("fn", fn);
      const job = this.#job;
      const work = (async () => await fn(new AbortController().signal))();
      if (isActive(job)) familyOf(this.#core.extrasOf(job)).shield(work);
      // Not `work` itself, whose failure counts as seen: this one nobody has looked at yet.
      return work.then((value) => value);
    };
  }
}
