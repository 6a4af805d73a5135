/**
 * A task inside the scheduler: what is waiting or running, and for whom.
 *
 * A job's outcome and its place are two things. The outcome (`state`) changes once from open
 * (queued, running) to one of the three ends, and is what its owner sees. The place is where the
 * job stands: in the waiting queue, in the running list (active), or nowhere. A job that was
 * cancelled while it ran has its outcome at once, but stays active until its function has really
 * ended, because only then its slot is free.
 *
 *     queued ──start──▶ running ──▶ succeeded | failed
 *        │                 │
 *        └────cancel───────┴─────▶ cancelled, or failed when a time limit did it
 *
 * @module
 */
import {
  type AbortSubscription,
  subscribeAbort,
} from "../../_internal/abort.ts";
import type { AsyncContext } from "../../_internal/async_context.ts";
import { now } from "../../_internal/clock.ts";
import { timeoutError } from "../../_internal/errors.ts";
import type { LateFailure } from "../../_internal/late_failure.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import type { HostJob, JobOwner } from "../batch/host.ts";
import type { JobFamily } from "./job_family.ts";
import type { JobGroup } from "./job_group.ts";
import { TaskPriority } from "../priority.ts";
import type { Task, TaskContext, TaskInfo, TaskState } from "../types.ts";

/** Gives a job its outcome. A symbol, so that it is no method of a public handle. */
export const settle: unique symbol = Symbol("settle");

/** Tells a job that was cut off while it ran that its function has really ended. */
export const ended: unique symbol = Symbol("ended");

let lastSequence = 0;

/** The age of the next job: the order of submits, across all schedulers. */
export function nextSequence(): number {
  return ++lastSequence;
}

/**
 * One task in a scheduler. There are two kinds: a handle is its own job (one object per task,
 * and with its promise some 300 bytes; a separate node made a task a third slower), and an OwnedJob
 * is one without a promise, for a gather or a map.
 */
export interface Job extends TaskInfo {
  /** The links of whatever list it stands in. */
  next: Job | undefined;
  previous: Job | undefined;
  state: TaskState;
  priority: TaskPriority;
  readonly sequence: number;
  readonly task: Task<unknown>;
  timing: JobTiming | undefined;
  extras: JobExtras | undefined;
  /** Calls the task's function. */
  run(context: TaskContext): unknown;
  /** Takes the outcome, told once and synchronously; must not throw. */
  [settle](state: TaskState, value: unknown): void;
  /** After an early outcome: its function has ended (see JobOwner). Must not throw. */
  [ended]?(late: LateFailure | undefined): boolean;
}

/** A job without a promise: its outcome goes to its owner. */
export class OwnedJob implements Job, HostJob {
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  state: TaskState = "queued";
  priority: TaskPriority = TaskPriority.NORMAL;
  readonly sequence: number = nextSequence();
  readonly task: Task<unknown>;
  timing: JobTiming | undefined = undefined;
  extras: JobExtras | undefined = undefined;
  readonly owner: JobOwner<HostJob>;
  /** Its place among the owner's. */
  readonly index: number;

  constructor(task: Task<unknown>, owner: JobOwner<HostJob>, index: number) {
    this.task = task;
    this.owner = owner;
    this.index = index;
  }

  get id(): string {
    return idOf(this);
  }

  get name(): string {
    return nameOf(this);
  }

  get weight(): number {
    return weightOf(this);
  }

  get key(): PropertyKey | undefined {
    return this.extras?.key;
  }

  get parentId(): string | undefined {
    return this.extras?.parent?.id;
  }

  run(context: TaskContext): unknown {
    // Not as a method: the function's `this` is not this job.
    const { task } = this;
    return task(context);
  }

  [settle](state: TaskState, value: unknown): void {
    const hasEnded = state === "succeeded" || !isActive(this);
    this.owner.settled(this, state, value, hasEnded);
  }

  [ended](late: LateFailure | undefined): boolean {
    return this.owner.ended(this, late);
  }
}

export function idOf(job: Job): string {
  return `task-${job.sequence}`;
}

export function nameOf(job: Job): string {
  return job.extras?.name || job.task.name || job.id;
}

export function weightOf(job: Job): number {
  return job.extras === undefined ? 1 : job.extras.weight;
}

/** Still without an outcome. */
export function isOpen({ state }: Pick<TaskInfo, "state">): boolean {
  return state === "queued" || state === "running";
}

/** Holds a slot (its own or a lent one): its function has started and not really ended. */
export function isActive(job: Job): boolean {
  return job.state === "running" || (job.extras?.cutOff?.isActive ?? false);
}

/** When things happened, on the `performance.now()` line; only for jobs that are measured. */
export class JobTiming {
  readonly queuedAt: number;
  /** 0: only its waiting is of interest. */
  startedAt = 0;
  /** Its waiting and running are measured. */
  readonly isSample: boolean;

  constructor(queuedAt: number, isSample: boolean) {
    this.queuedAt = queuedAt;
    this.isSample = isSample;
  }
}

/** Gives a job its end, unless it has one: `end` of its scheduler's Endings. */
export type EndJob = (
  job: Job,
  state: "cancelled" | "failed",
  reason: unknown,
) => void;

/**
 * What only some jobs have: a signal, time limits, a key, children. Made when it is first
 * needed, so that a plain job carries none of it.
 */
export class JobExtras {
  // Invariant: it listens to a signal and a timer is set only while the job has no outcome.
  readonly job: Job;
  readonly #end: EndJob;
  // What the submit asked for, copied: the caller may use its options object again.
  timeout = Infinity;
  deadline = Infinity;
  signal: AbortSignal | undefined = undefined;
  name: string | undefined = undefined;
  key: PropertyKey | undefined = undefined;
  onProgress: ((value: unknown) => void) | undefined = undefined;
  /** How many slots the job takes. */
  weight = 1;
  /** Slots of the scheduler that it holds itself; 0 while it runs in its parent's. */
  slots = 0;
  /** The submitter's async context. */
  context: AsyncContext = undefined;
  controller: AbortController | undefined = undefined;
  /** Set when the job got its outcome before its function had ended. */
  cutOff: { reason: unknown; isActive: boolean } | undefined = undefined;
  /** The group that this job belongs to, and that loses it when it ends. */
  group: JobGroup | undefined = undefined;
  /** The part of its queue that it waits in: put there by the queue, which alone knows what it is. */
  waitsIn: unknown = undefined;
  /** The task that submitted this one by `context.submit`. */
  parent: Job | undefined = undefined;
  /** Somebody has awaited this child; as far as anybody can see, its parent. */
  isAwaited = false;
  /** The task in whose slot this one runs. */
  lender: Job | undefined = undefined;
  /** The ancestor in whose place of their key this one runs, and who runs in this one's. */
  placeLender: Job | undefined = undefined;
  placeBorrower: Job | undefined = undefined;
  family: JobFamily | undefined = undefined;
  #subscription: AbortSubscription | undefined = undefined;
  #timer: TimerEntry | undefined = undefined;

  constructor(job: Job, end: EndJob) {
    this.job = job;
    this.#end = end;
    job.extras = this;
  }

  /** The signal that the running task is given; made when it is first asked for. */
  openSignal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.cutOff !== undefined) {
        this.controller.abort(this.cutOff.reason);
      }
    }
    return this.controller.signal;
  }

  /** Cancels the job when its signal aborts. */
  watch(signal: AbortSignal): void {
    this.#subscription = subscribeAbort(signal, this);
  }

  /** Lets the job expire at `time`; replaces an earlier limit. */
  limit(time: number): void {
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = time < Infinity ? timers.add(time, this) : undefined;
  }

  /** Stops listening and timing. Safe at any moment: nothing calls back afterwards. */
  release(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = undefined;
  }

  /** Cancels the job. Whoever calls has a reason of its own; see Endings for one who has none. */
  cancel(reason: unknown): void {
    this.#end(this.job, "cancelled", reason);
  }

  aborted(reason: unknown): void {
    this.cancel(reason);
  }

  timeUp(): void {
    this.#timer = undefined;
    this.expire();
  }

  /** The time limit of the job has run out. */
  expire(): void {
    this.#end(this.job, "failed", this.expiry());
  }

  /** What the job fails with when its time limit has run out. */
  expiry(): DOMException {
    const { job: { name, state }, timeout, deadline } = this;
    if (state === "queued" && timeout > 0) {
      return timeoutError(
        `Task ${name} was still queued at its deadline and was not started`,
      );
    }
    const limit = timeout < Infinity && (deadline > now() || timeout === 0)
      ? `timeout of ${timeout} ms`
      : "deadline";
    return timeoutError(
      `Task ${name} did not end within its ${limit} and was aborted`,
    );
  }
}
