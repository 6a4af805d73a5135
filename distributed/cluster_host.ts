/**
 * A cluster as the host of batches: gather, map, race, any and scope are the runner's own, and
 * submit here.
 *
 * @module
 */
import {
  type AcceptedWork,
  Admission,
  type BatchHost,
  type HostJob,
  type JobOwner,
  type LateFailure,
  type LimitFollower,
  type Refusal,
  tellLate,
} from "@specify/async-core/host";
import type {
  SubmitOptions,
  Task,
  TaskHandle,
  TaskState,
} from "@specify/async-core/runner";
import type { ClusterHandle } from "./cluster_handle.ts";
import type { Submitter } from "./submit/submitter.ts";

/** Submits what belongs to one ClusterRunner. */
export class ClusterHost implements BatchHost {
  // Invariant: #open holds the jobs whose submit has begun and that have no outcome yet.
  readonly admission = new Admission();
  /** The submitter knows them. */
  readonly defaults = undefined;
  /** Nobody knows how many workers there are: enough for many, and a bounded part of the store. */
  readonly limit = 1000;
  readonly isAdaptive = false;
  /** Never told: the limit does not change. */
  readonly followers = new Set<LimitFollower>();
  readonly #tasks: Submitter;
  readonly #open = new Map<HostJob, ClusterJob>();

  constructor(tasks: Submitter) {
    this.#tasks = tasks;
  }

  get isFull(): boolean {
    return this.#tasks.isFull;
  }

  get hasRoom(): boolean {
    return this.#tasks.hasRoom;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#tasks.ready(signal);
  }

  get refusal(): Refusal | undefined {
    return this.admission.refusalOf(false);
  }

  submit<T>(
    task: Task<T>,
    options: SubmitOptions | undefined,
    owner: JobOwner<TaskHandle<unknown>>,
  ): TaskHandle<T> {
    const refusal = this.admission.refusalOf(true);
    return this.#tasks.submit(task, options, refusal, owner);
  }

  submitJob(job: HostJob, options: SubmitOptions | undefined): void {
    const open = new ClusterJob(job, this.#open);
    this.#open.set(job, open);
    try {
      const refusal = this.admission.refusalOf(true);
      open.submitted(this.#tasks.submit(job.task, options, refusal, open));
    } catch (error) {
      this.#open.delete(job);
      throw error;
    }
  }

  cancelJob(job: HostJob, reason: unknown): void {
    this.#open.get(job)?.cancel(reason);
  }

  tellFailure({ name }: HostJob, error: unknown): void {
    tellLate("settled", name, error, this.#tasks.observers);
  }

  begin(work: AcceptedWork): void {
    this.admission.begin(work);
  }

  end(work: AcceptedWork): void {
    this.admission.end(work);
    this.#tasks.changed();
  }
}

/** Joins a job of a batch to the handle of its task, which tells of both. */
class ClusterJob implements JobOwner<ClusterHandle<unknown>> {
  readonly #job: HostJob;
  readonly #open: Map<HostJob, ClusterJob>;
  #handle: ClusterHandle<unknown> | undefined;
  #cancelled: { reason: unknown } | undefined;

  constructor(job: HostJob, open: Map<HostJob, ClusterJob>) {
    this.#job = job;
    this.#open = open;
  }

  submitted(handle: ClusterHandle<unknown>): void {
    this.#handle = handle;
    if (this.#cancelled !== undefined) handle.cancel(this.#cancelled.reason);
  }

  cancel(reason: unknown): void {
    // Whoever is told of its submit may cancel it within that.
    if (this.#handle === undefined) this.#cancelled ??= { reason };
    else this.#handle.cancel(reason);
  }

  settled(
    _handle: ClusterHandle<unknown>,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void {
    this.#open.delete(this.#job);
    this.#job.owner.settled(this.#job, state, value, hasEnded);
  }

  ended(
    _handle: ClusterHandle<unknown>,
    late: LateFailure | undefined,
  ): boolean {
    return this.#job.owner.ended(this.#job, late);
  }
}
