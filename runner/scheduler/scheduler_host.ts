/**
 * A scheduler as the host of batches, for one runner.
 *
 * @module
 */
import { isHeard, type LateFailure } from "../../_internal/late_failure.ts";
import type { AcceptedWork, Refusal } from "./admission.ts";
import type { BatchHost, JobOwner, LimitFollower } from "../batch/host.ts";
import type { SchedulerCore } from "./core.ts";
import { JobHandle, markHandled } from "./handle.ts";
import { ended, isActive, type OwnedJob, settle } from "./job.ts";
import type { RunnerGroup } from "./job_group.ts";
import type { SubmitOptions, Task, TaskHandle, TaskState } from "../types.ts";

/** Submits what belongs to one runner. */
export class SchedulerHost implements BatchHost {
  readonly defaults: SubmitOptions | undefined;
  readonly #core: SchedulerCore;
  readonly #group: RunnerGroup | undefined;

  /** `group`: only of a runner that shares the scheduler. */
  constructor(
    core: SchedulerCore,
    group: RunnerGroup | undefined,
    defaults: SubmitOptions | undefined,
  ) {
    this.#core = core;
    this.#group = group;
    this.defaults = defaults;
  }

  get limit(): number {
    return this.#core.maxConcurrent;
  }

  get isAdaptive(): boolean {
    return this.#core.isAdaptive;
  }

  get followers(): Set<LimitFollower> {
    return this.#core.followers;
  }

  get isFull(): boolean {
    return this.#core.isFull;
  }

  get hasRoom(): boolean {
    return this.#core.hasRoom;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#core.ready(signal);
  }

  get refusal(): Refusal | undefined {
    return this.#core.admission.refusalOf(false) ??
      this.#group?.admission.refusalOf(false);
  }

  submitJob(job: OwnedJob, options: SubmitOptions | undefined): void {
    this.#core.submit(job, options, this.#group, true);
  }

  cancelJob(job: OwnedJob, reason: unknown): void {
    this.#core.end(job, "cancelled", reason);
  }

  submit<T>(
    task: Task<T>,
    options: SubmitOptions | undefined,
    owner: JobOwner<TaskHandle<unknown>>,
  ): TaskHandle<T> {
    const handle = new OwnedHandle(task, this.#core, owner);
    this.#core.submit(handle, options, this.#group, true);
    return handle;
  }

  tellFailure(job: OwnedJob, error: unknown): void {
    this.#core.tellFailure(job, error);
  }

  begin(work: AcceptedWork): void {
    this.#core.admission.begin(work);
    this.#group?.admission.begin(work);
  }

  end(work: AcceptedWork): void {
    this.#core.admission.end(work);
    this.#group?.admission.end(work);
    this.#core.moved();
    this.#group?.check();
  }
}

/** A handle that tells its owner what becomes of the task. */
class OwnedHandle<T> extends JobHandle<T> {
  readonly #owner: JobOwner<TaskHandle<unknown>>;

  constructor(
    task: Task<T>,
    core: SchedulerCore,
    owner: JobOwner<TaskHandle<unknown>>,
  ) {
    super(task, core);
    this.#owner = owner;
  }

  override [settle](state: TaskState, value: unknown): void {
    super[settle](state, value);
    // Its owner knows, so that it is no unhandled rejection as well.
    if (state === "failed") markHandled(this);
    this.#owner.settled(this, state, value, !isActive(this));
  }

  /** By its owner. */
  override get [isHeard](): boolean {
    return true;
  }

  [ended](late: LateFailure | undefined): boolean {
    return this.#owner.ended(this, late);
  }
}

// As for its superclass: a subclass has a `constructor` of its own, and `then` would call it.
Object.defineProperty(OwnedHandle.prototype, "constructor", { value: Promise });
